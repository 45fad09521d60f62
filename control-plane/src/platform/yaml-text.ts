/**
 * YAML as values that know on which line they stood, so that a fault can be told with its place.
 */
import { LineCounter, parseDocument, visit } from "yaml";
import { messageOf } from "../kernel/errors.js";

/** A path into the file's content: keys and indexes. */
export type ContentPath = readonly (string | number)[];

/** The file's content, and where its parts stand. */
export interface FileContent {
  readonly value: unknown;
  /** The same with numbers and truth values as the texts they were written as: where text is wanted, `1.10` is not 1.1. */
  asWritten(): unknown;
  /** The line of the part at `path`, counted from 1; that of its nearest ancestor when it is absent. */
  lineOf(path: ContentPath): number;
}

export type ParsedContent<T> = { readonly value: T } | { readonly faults: readonly string[] };

/** Reads YAML; faults carry path and line. */
export function parseYamlText<T>(
  path: string,
  text: string,
  parse: (content: FileContent) => ParsedContent<T>,
): ParsedContent<T> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) {
    return {
      faults: document.errors.map((error) => {
        const [first] = error.message.split("\n");
        return `${path}:${lines.linePos(error.pos[0]).line}: ${first}`;
      }),
    };
  }
  const lineOf = (part: ContentPath): number => {
    for (let length = part.length; length > 0; length--) {
      const node = document.getIn(part.slice(0, length), true) as { range?: readonly number[] } | undefined;
      const offset = node?.range?.[0];
      if (offset !== undefined) return lines.linePos(offset).line;
    }
    return 1;
  };
  const asWritten = (): unknown => {
    visit(document, {
      Scalar: (_, node) => {
        const plain = typeof node.value === "number" || typeof node.value === "boolean";
        if (plain && node.source !== undefined) node.value = node.source;
      },
    });
    return document.toJS() as unknown;
  };
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // References to references: a few lines that would become more than memory holds.
    return { faults: [`${path}:1: ${messageOf(error)}`] };
  }
  const parsed = parse({ value, lineOf, asWritten });
  return "faults" in parsed ? { faults: parsed.faults.map((fault) => `${path}:${fault}`) } : parsed;
}
