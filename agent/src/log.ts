/** One structured line per event: a fixed sentence plus facts. Facts never hold secrets. */

/** How loud. `error`: someone must act now; `warn`: heals itself; `debug` is off by default. */
export type Level = "debug" | "info" | "warn" | "error";

/** What belongs to a sentence. Undefined ones are left out. */
export type Facts = Readonly<
  Record<string, string | number | boolean | bigint | readonly string[] | undefined>
>;

/** Takes one event. */
export type Log = (level: Level, sentence: string, facts?: Facts) => void;

const rank: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** A log that writes JSON lines `{time, level, sentence, ...facts}` to `write`, leaving out what is quieter than `least`. */
export function jsonLog(write: (line: string) => void, now: () => number, least: Level = "info"): Log {
  return (level, sentence, facts = {}) => {
    if (rank[level] < rank[least]) return;
    const line = { time: new Date(now()).toISOString(), level, sentence, ...facts };
    write(
      `${JSON.stringify(line, (_key, value) => (typeof value === "bigint" ? value.toString() : value))}\n`,
    );
  };
}

/** The text of whatever was thrown, on one line and bounded. */
export function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replace(/\s+/g, " ").slice(0, 500);
}
