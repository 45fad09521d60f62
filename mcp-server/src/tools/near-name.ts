/** Which of the known names somebody may have meant. */

const LENGTH_MAX = 128;

/**
 * The known name closest to `name` by changes of a character (a swap of two neighbours is one), when it is close: at most two changes, or a third
 * of the name for long ones; or one that begins with it. Undefined when none is.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const wanted = name.slice(0, LENGTH_MAX).toLowerCase();
  let best: string | undefined;
  let fewest = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    const other = candidate.slice(0, LENGTH_MAX).toLowerCase();
    const begins = wanted.length >= 2 && wanted !== other && other.startsWith(wanted);
    const changes = begins ? 1 : changesBetween(wanted, other);
    if (changes < fewest) {
      best = candidate;
      fewest = changes;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours: what fingers do (optimal string alignment). */
function changesBetween(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(replace, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
