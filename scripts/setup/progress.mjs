/**
 * Tells a person what is being done: one line when a step is done, with its time. Steps that take longer than a
 * moment are announced when they start, so that a silent minute of installing is never a riddle.
 * @typedef {{
 *   step: <T>(what: string, work: () => Promise<T>) => Promise<T>,
 *   say: (line: string) => void,
 * }} Progress
 */

/** A step is announced when it is not done by then. */
const announceAfterMs = 1_500;

/**
 * @param {(line: string) => void} write takes one line, without its end
 * @returns {Progress}
 */
export function progressTo(write) {
  return {
    say: write,
    async step(what, work) {
      const startedAt = performance.now();
      const timer = setTimeout(() => write(`${what} …`), announceAfterMs);
      try {
        const result = await work();
        write(`${what}: ${secondsSince(startedAt)}`);
        return result;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/**
 * The time since then in words, as "0.4 s" or "1 min 12 s".
 * @param {number} startedAt of performance.now()
 * @returns {string}
 */
export function secondsSince(startedAt) {
  const seconds = (performance.now() - startedAt) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}
