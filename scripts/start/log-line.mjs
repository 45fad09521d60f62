/**
 * A line that one of the programs wrote: a fixed sentence plus facts, or any other text.
 * @typedef {{ level: string, sentence: string, facts: Record<string, unknown> }} LogLine
 */

const shownMax = 240;

/**
 * @param {string} text
 * @returns {LogLine | undefined} undefined when it is not one of ours
 */
export function parseLogLine(text) {
  if (!text.startsWith("{")) return undefined;
  try {
    /** @type {unknown} */
    const parsed = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return undefined;
    const { time: _time, level, sentence, ...facts } = /** @type {Record<string, unknown>} */ (parsed);
    return typeof level === "string" && typeof sentence === "string" ? { level, sentence, facts } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The reason in an `error` fact, which is an object with a message and perhaps causes, or a text.
 * @param {unknown} error
 * @returns {string}
 */
function reasonIn(error) {
  if (typeof error === "string") return error;
  if (typeof error !== "object" || error === null) return "";
  const { message } = /** @type {{ message?: unknown }} */ (error);
  return typeof message === "string" ? message : "";
}

/**
 * A line for a person: the sentence, the reason if there is one, and the plain facts; bounded, on one line.
 * @param {LogLine} line
 * @returns {string}
 */
export function summarise({ sentence, facts }) {
  const { error, ...rest } = facts;
  const reason = reasonIn(error);
  const plain = Object.entries(rest)
    .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
    .map(([name, value]) => `${name} ${String(value)}`);
  const text = `${sentence}${reason === "" ? "" : `: ${reason}`}${plain.length === 0 ? "" : ` (${plain.join(", ")})`}`;
  return oneLine(text);
}

/**
 * Text of a program for a terminal: on one line, bounded, and without what would move the cursor or the colours.
 * @param {string} text
 * @returns {string}
 */
export function oneLine(text) {
  const clean = text.replace(/[\p{Cc}\p{Cf}]+/gu, " ").trim();
  return clean.length <= shownMax ? clean : `${clean.slice(0, shownMax - 1)}…`;
}
