/** What the person sees: a table for the eye, JSON and YAML for programs. */
import { stringify } from "yaml";
import { Failure } from "./failure.js";

export type OutputForm = "table" | "json" | "yaml";

export function outputForm(text: string | undefined): OutputForm {
  if (text === undefined || text === "table") return "table";
  if (text === "json" || text === "yaml") return text;
  throw new Failure(`-o is "${text}", expected table, json or yaml`);
}

const CELL_MAX = 100;

/** One line of printable text: what hosts and people wrote may hold anything, a terminal must not obey it. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim();
}

function cell(text: string): string {
  const line = printable(text);
  return line.length > CELL_MAX ? `${line.slice(0, CELL_MAX - 1)}…` : line;
}

/** Columns under their names; the last one may be as long as it is. */
export function table(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const last = names.length - 1;
  const cells = rows.map((row) =>
    row.map((text, column) => (column === last ? printable(text) : cell(text))),
  );
  const lines = [names, ...cells];
  const widths = names.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line) =>
      line
        .map((text, column) => (column === last ? text : text.padEnd(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The answer in the form asked for; `toTable` is called for a table only. */
export function render(form: OutputForm, json: unknown, toTable: () => string): string {
  if (form === "json") return JSON.stringify(json, undefined, 2);
  if (form === "yaml") return stringify(json).trimEnd();
  return toTable();
}

/** `COMMAND_STATE_AWAITING_APPROVAL` as `awaiting approval`. */
export function enumWords(values: Readonly<Record<number, string>>, value: number): string {
  return (values[value] ?? "unspecified").toLowerCase().replaceAll("_", " ");
}

/** A time as `2026-11-22T10:00:00Z`, or a dash. */
export function timeText(at: { readonly seconds: bigint; readonly nanos: number } | undefined): string {
  if (at === undefined) return "-";
  return new Date(Number(at.seconds) * 1_000).toISOString().replace(".000Z", "Z");
}

/** `a="1", b="2"`; a dash for none. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  const names = Object.keys(labels).sort();
  return names.length === 0 ? "-" : names.map((name) => `${name}=${JSON.stringify(labels[name])}`).join(", ");
}
