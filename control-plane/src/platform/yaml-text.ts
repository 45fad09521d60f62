/**
 * YAML as values that know on which line they stood, so that a fault can be told with its place.
 */
import { type Document, isScalar, Lexer, LineCounter, parseDocument, visit } from "yaml";
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
  const fault = shapeFault(text);
  if (fault !== undefined) return { faults: [`${path}:${fault}`] };
  const lines = new LineCounter();
  // The reader's own look for keys that come twice takes the square of their number in steps.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false });
  const twice = keysTwice(document);
  if (twice.length > 0 && document.errors.length === 0)
    return {
      faults: twice.map((offset) => `${path}:${lines.linePos(offset).line}: Map keys must be unique`),
    };
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

/** Faults of one kind that are told. */
const FAULTS_MAX = 20;

/** Where keys stand that their map has already. */
function keysTwice(document: Document): readonly number[] {
  const found: number[] = [];
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key) || found.length >= FAULTS_MAX) continue;
        if (seen.has(key.value)) found.push(key.range?.[0] ?? 0);
        seen.add(key.value);
      }
    },
  });
  return found;
}

/** Brackets within brackets, and the column up to which blocks may begin: one within another at each column at worst. */
const FLOW_DEPTH_MAX = 200;
const BLOCK_COLUMN_MAX = 300;

/** Parts of one text: some five megabytes of an ordinary file, and a second of reading. */
const PARTS_MAX = 1_000_000;

/**
 * Line and fault of a text that is nested deeper, or has more parts, than any file; undefined: it is neither. The reader
 * goes down by recursion, and where the stack ends a regular expression that it needs may take the whole process along.
 */
function shapeFault(text: string): string | undefined {
  let line = 1;
  let column = 0;
  let flow = 0;
  let parts = 0;
  let inScalar = false;
  for (const token of new Lexer().lex(text)) {
    if (!inScalar) {
      if (token === "[" || token === "{") flow++;
      else if (token === "]" || token === "}") flow = Math.max(0, flow - 1);
      const begins = flow === 0 && (token === "-" || token === "?" || token === ":");
      if (flow > FLOW_DEPTH_MAX || (begins && column > BLOCK_COLUMN_MAX)) return `${line}: nested too deep`;
    }
    if (++parts > PARTS_MAX) return `${line}: more than ${PARTS_MAX} parts in one file`;
    // What follows this mark is a scalar's text, whatever it looks like.
    inScalar = token === SCALAR_MARK;
    if (inScalar || token === DOCUMENT_MARK) continue;
    const last = token.lastIndexOf("\n");
    if (last < 0) column += token.length;
    else {
      for (let at = token.indexOf("\n"); at >= 0; at = token.indexOf("\n", at + 1)) line++;
      column = token.length - last - 1;
    }
  }
  return undefined;
}

/** How the lexer says that a scalar, or a document, follows. */
const SCALAR_MARK = "\u001f";
const DOCUMENT_MARK = "\u0002";
