import type { Span } from "./ast.js";
import { formatPosition } from "./token-stream.js";
import type { Annotated } from "./value.js";

/** Most texts of each sort that an answer carries, as in Prometheus' API. */
const SHOWN_MAX = 10;
/** Most texts kept apart while evaluating; beyond it only their number is known. */
const KEPT_MAX = 10_000;

/** Collects what an evaluation notices without failing: each text once, in the order they came. */
export class Notes {
  private readonly warnings = new Set<string>();
  private readonly infos = new Set<string>();

  /** With the text of the query, notes name the place they are about. */
  constructor(private readonly text: string | undefined) {}

  warn(message: string, span: Span): void {
    this.add(this.warnings, `PromQL warning: ${message}`, span);
  }

  info(message: string, span: Span): void {
    this.add(this.infos, `PromQL info: ${message}`, span);
  }

  private add(notes: Set<string>, message: string, span: Span): void {
    if (notes.size >= KEPT_MAX) return;
    notes.add(this.text === undefined ? message : `${message} (${formatPosition(this.text, span.start)})`);
  }

  result(): Annotated {
    return { warnings: shown(this.warnings, "warning"), infos: shown(this.infos, "info") };
  }
}

function shown(notes: ReadonlySet<string>, sort: string): readonly string[] {
  const texts = [...notes].slice(0, SHOWN_MAX);
  if (notes.size > SHOWN_MAX) texts.push(`${notes.size - SHOWN_MAX} more ${sort} annotations omitted`);
  return texts;
}
