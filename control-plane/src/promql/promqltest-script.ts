import type { EvaluationRange } from "./limits.js";
import { parseNumberLiteral } from "./number.js";
import { unquote } from "./quote.js";
import { compileRegexp } from "./regexp.js";
import { type NotedSeries, parseSeries, parseSpanMs } from "./series-notation.js";

/** A text that a message must be, or a pattern it must match. */
export interface ExpectedText {
  readonly text: string;
  readonly matches: (message: string) => boolean;
}

/** What is expected of warnings or infos: none, or (at least one, and) exactly those of `texts`. */
export type ExpectedNotes =
  | { readonly kind: "none" }
  | { readonly kind: "some"; readonly texts: readonly ExpectedText[] };

/** An `eval` with what is expected of it. */
export interface Evaluation {
  readonly kind: "eval";
  readonly line: number;
  readonly statement: string;
  readonly expr: string;
  /** Time of an instant query, in ms. */
  readonly at: number;
  /** Present for a range query. */
  readonly range: EvaluationRange | undefined;
  readonly fails: boolean;
  readonly failure: readonly ExpectedText[];
  readonly warnings: ExpectedNotes | undefined;
  readonly infos: ExpectedNotes | undefined;
  readonly ordered: boolean;
  readonly scalar: number | undefined;
  readonly expected: readonly NotedSeries[];
}

/** A command of a script. */
export type Step =
  | { readonly kind: "clear" }
  | {
      readonly kind: "load";
      readonly gap: number;
      readonly series: readonly NotedSeries[];
      /** `load_with_nhcb`: classic histograms are loaded as native ones too. */
      readonly convertsHistograms: boolean;
    }
  /** An `eval` that is not understood. */
  | {
      readonly kind: "unreadable";
      readonly line: number;
      readonly statement: string;
      readonly because: string;
      /** It speaks of native histograms. */
      readonly native: boolean;
    }
  | Evaluation;

const LOAD = /^load(_with_nhcb)?\s+(\S+)$/;
const INSTANT = /^eval(?:_(fail|warn|ordered|info))?\s+instant\s+at\s+(\S+)\s+(.+)$/;
const RANGE = /^eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)$/;
const EXPECT = /^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$/;

interface Line {
  readonly number: number;
  readonly text: string;
}

/**
 * The commands of a script. Throws an `Error` that names the line for one that is none: what is loaded matters to all that follows. An
 * `eval` that is not understood concerns itself only.
 */
export function parseScript(text: string): readonly Step[] {
  const blocks: Line[][] = [];
  text.split("\n").forEach((raw, index) => {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) return;
    const begins = /^(load|clear|eval)\b|^(load|eval)_/.test(line) && !/^\s/.test(raw);
    if (begins) blocks.push([]);
    const block = blocks.at(-1);
    if (block === undefined)
      throw new Error(`line ${index + 1}: expected load, clear or eval, got "${line}"`);
    block.push({ number: index + 1, text: line });
  });
  return blocks.map((block) => {
    const [head] = block;
    try {
      return parseBlock(block);
    } catch (error) {
      if (head === undefined || !head.text.startsWith("eval") || !(error instanceof Error)) throw error;
      const native = block.some(({ text: line }) => line.includes("{{"));
      return { kind: "unreadable", line: head.number, statement: head.text, because: error.message, native };
    }
  });
}

function parseBlock([head, ...body]: readonly Line[]): Step {
  if (head === undefined) throw new Error("a block without lines");
  if (head.text === "clear") return { kind: "clear" };
  const load = LOAD.exec(head.text);
  if (load !== null) {
    const series = body.map((line) => parseSeries(line.text));
    return { kind: "load", gap: span(load[2], head), series, convertsHistograms: load[1] !== undefined };
  }
  const instant = INSTANT.exec(head.text);
  if (instant !== null)
    return parseEvaluation(head, body, instant[1], instant[3] as string, span(instant[2], head), undefined);
  const range = RANGE.exec(head.text);
  if (range === null) throw new Error(`line ${head.number}: not understood: "${head.text}"`);
  const [from, to, step] = [span(range[2], head), span(range[3], head), span(range[4], head)];
  return parseEvaluation(head, body, range[1], range[5] as string, from, { from, to, step });
}

function span(text: string | undefined, line: Line): number {
  const ms = parseSpanMs(text ?? "");
  if (ms === undefined) throw new Error(`line ${line.number}: "${text}" is no duration`);
  return ms;
}

function parseEvaluation(
  head: Line,
  body: readonly Line[],
  mode: string | undefined,
  expr: string,
  at: number,
  range: EvaluationRange | undefined,
): Evaluation {
  const notes: { warn: ExpectedNotes | undefined; info: ExpectedNotes | undefined } = {
    warn: mode === "warn" ? { kind: "some", texts: [] } : undefined,
    info: mode === "info" ? { kind: "some", texts: [] } : undefined,
  };
  const failure: ExpectedText[] = [];
  const expected: NotedSeries[] = [];
  let fails = mode === "fail";
  let ordered = mode === "ordered";
  let scalar: number | undefined;
  for (const line of body) {
    const old = /^expected_fail_(message|regexp)\s+(.+)$/.exec(line.text);
    if (old !== null) {
      failure.push(expectedText(old[1] === "message" ? "msg" : "regex", old[2] as string));
      continue;
    }
    const expect = EXPECT.exec(line.text);
    if (expect === null) {
      const number = parseScalar(line.text);
      if (number === undefined) expected.push(parseSeries(line.text));
      else scalar = number;
      continue;
    }
    const text = expect[3] === undefined ? undefined : expectedText(expect[2] as string, expect[3].trim());
    switch (expect[1]) {
      case "ordered":
        ordered = true;
        break;
      case "fail":
        fails = true;
        if (text !== undefined) failure.push(text);
        break;
      case "warn":
      case "info":
        notes[expect[1]] = withText(notes[expect[1]], text);
        break;
      case "no_warn":
        notes.warn = { kind: "none" };
        break;
      default:
        notes.info = { kind: "none" };
    }
  }
  const { warn: warnings, info: infos } = notes;
  const statement = head.text;
  return {
    kind: "eval",
    line: head.number,
    statement,
    expr,
    at,
    range,
    fails,
    failure,
    warnings,
    infos,
    ordered,
    scalar,
    expected,
  };
}

function withText(notes: ExpectedNotes | undefined, text: ExpectedText | undefined): ExpectedNotes {
  const texts = notes?.kind === "some" ? notes.texts : [];
  return { kind: "some", texts: text === undefined ? texts : [...texts, text] };
}

function expectedText(match: string, raw: string): ExpectedText {
  const text = /^(["'`]).*\1$/.test(raw) ? unquote(raw) : raw;
  if (match === "msg") return { text, matches: (message) => message === text };
  const pattern = compileRegexp(`(?s:.*)(?:${text})(?s:.*)`);
  return { text, matches: (message) => pattern.test(message) };
}

function parseScalar(text: string): number | undefined {
  const sign = text.startsWith("-") ? -1 : 1;
  const value = parseNumberLiteral(text.replace(/^[+-]/, ""));
  return value === undefined ? undefined : sign * value;
}
