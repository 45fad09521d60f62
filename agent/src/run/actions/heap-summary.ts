/**
 * What fills a heap, read from a V8 snapshot piece by piece: the file is never in memory, only a few bytes for each of its
 * objects. Sizes are those of the objects themselves; holders are the direct ones, weak references left out.
 */
import { createReadStream } from "node:fs";
import { cleanText } from "../../collect/clean-text.js";
import { SnapshotReader } from "./heap-snapshot-reader.js";

/** Objects of one constructor. */
export interface HeapClass {
  readonly name: string;
  readonly count: number;
  readonly selfBytes: number;
  /** Who refers to them, most references first: constructor and property. */
  readonly heldBy: readonly { readonly name: string; readonly count: number }[];
}

export type HeapSummary =
  | {
      readonly kind: "summary";
      readonly nodes: number;
      readonly selfBytes: number;
      readonly top: readonly HeapClass[];
    }
  /** The file is kept and was not read: too large for here, or not a snapshot as V8 writes it. */
  | { readonly kind: "unread"; readonly because: string };

/** With more objects than this the agent would take more memory than it should: 9 bytes each. */
const nodesMax = 6_000_000;
const shownClasses = 10;
const shownHolders = 3;
/** Classes whose holders are counted, and distinct holders that are told apart for each. */
const holdersMax = 5_000;
const nameMax = 120;

/** Node types of V8 that are the program's own; their name is the constructor. All strings, numbers, code are each one class. */
const namedTypes = new Set(["object", "native", "closure"]);

export async function summariseHeap(path: string, signal: AbortSignal): Promise<HeapSummary> {
  try {
    const counted = await count(path, signal);
    if (counted.kind === "unread") return counted;
    return await nameThem(path, counted, signal);
  } catch (error) {
    return { kind: "unread", because: `it was not read: ${error instanceof Error ? error.message : "?"}` };
  }
}

interface Counted {
  readonly kind: "counted";
  readonly nodes: number;
  readonly selfBytes: number;
  readonly classes: readonly Class[];
  /** Where in the file its strings begin. */
  readonly stringsAt: number;
}

/** A class while it is counted: `type` and, for the program's own, the index of its name in the strings. */
interface Class {
  readonly type: string;
  readonly nameIndex: number;
  count: number;
  selfBytes: number;
  /** By `class of the holder, string index of the property`; edges that are numbered share one entry. */
  readonly holders: Map<string, number>;
}

async function count(
  path: string,
  signal: AbortSignal,
): Promise<Counted | Extract<HeapSummary, { kind: "unread" }>> {
  const classes: Class[] = [];
  const byKey = new Map<string, number>();
  let classOf = new Uint32Array(0);
  let edgesOf = new Uint32Array(0);
  let top: ReadonlySet<number> = new Set();
  let node = 0;
  let selfBytes = 0;
  let holder = 0;
  let holderLeft = 0;
  const reader = new SnapshotReader({
    meta: ({ nodeCount }) => {
      if (nodeCount > nodesMax)
        throw new Error(`it has ${nodeCount} objects, here at most ${nodesMax} are read`);
      classOf = new Uint32Array(nodeCount);
      edgesOf = new Uint32Array(nodeCount);
    },
    node: (type, name, size, edges) => {
      const own = namedTypes.has(type);
      const key = own ? `${type} ${name}` : type;
      let index = byKey.get(key);
      if (index === undefined) {
        index = classes.length;
        byKey.set(key, index);
        classes.push({ type, nameIndex: own ? name : -1, count: 0, selfBytes: 0, holders: new Map() });
      }
      const found = classes[index];
      if (found !== undefined) {
        found.count++;
        found.selfBytes += size;
      }
      selfBytes += size;
      classOf[node] = index;
      edgesOf[node] = edges;
      node++;
    },
    edge: (type, name, to) => {
      if (top.size === 0) {
        top = new Set(largest(classes).map((one) => classes.indexOf(one)));
        holderLeft = edgesOf[0] ?? 0;
      }
      while (holderLeft === 0 && holder < node) holderLeft = edgesOf[++holder] ?? 0;
      holderLeft--;
      const held = classOf[to] ?? 0;
      if (type === "weak" || !top.has(held)) return;
      const holders = classes[held]?.holders;
      const property = type === "element" || type === "hidden" ? -1 : name;
      const key = `${classOf[holder] ?? 0} ${property}`;
      const known = holders?.get(key);
      if (known !== undefined || (holders?.size ?? 0) < holdersMax) holders?.set(key, (known ?? 0) + 1);
    },
  });
  await readThrough(path, 0, reader, signal);
  if (node === 0 || reader.stringsAt < 0)
    return { kind: "unread", because: "it holds no objects as V8 writes them" };
  return { kind: "counted", nodes: node, selfBytes, classes, stringsAt: reader.stringsAt };
}

function largest(classes: readonly Class[]): Class[] {
  return [...classes].sort((a, b) => b.selfBytes - a.selfBytes).slice(0, shownClasses);
}

/** The strings come last in the file: they are read after the rest, and only the few that are shown. */
async function nameThem(path: string, counted: Counted, signal: AbortSignal): Promise<HeapSummary> {
  const { classes } = counted;
  const wanted = new Map<number, string>();
  const held = largest(classes).map((one) => {
    const most = [...one.holders].sort((a, b) => b[1] - a[1]).slice(0, shownHolders);
    return { one, most: most.map(([key, times]) => ({ by: key.split(" ").map(Number), times })) };
  });
  for (const { one, most } of held) {
    wanted.set(one.nameIndex, "");
    for (const { by } of most) {
      wanted.set(classes[by[0] ?? 0]?.nameIndex ?? -1, "");
      wanted.set(by[1] ?? -1, "");
    }
  }
  const reader = new SnapshotReader(
    {
      string: (index, text) => {
        if (wanted.has(index)) wanted.set(index, cleanText(text, nameMax));
      },
      wants: (index) => wanted.has(index),
    },
    "strings",
  );
  await readThrough(path, counted.stringsAt, reader, signal);
  const nameOf = (one: Class | undefined): string =>
    one === undefined ? "?" : one.nameIndex < 0 ? `(${one.type})` : wanted.get(one.nameIndex) || "(unnamed)";
  const top = held.map(({ one, most }) => ({
    name: nameOf(one),
    count: one.count,
    selfBytes: one.selfBytes,
    heldBy: most.map(({ by: [holder = 0, property = -1], times }) => ({
      name: `${nameOf(classes[holder])}${property < 0 ? "" : `.${wanted.get(property) ?? ""}`}`,
      count: times,
    })),
  }));
  return { kind: "summary", nodes: counted.nodes, selfBytes: counted.selfBytes, top };
}

/** In pieces, and the event loop has a turn between two of them. */
async function readThrough(
  path: string,
  start: number,
  reader: SnapshotReader,
  signal: AbortSignal,
): Promise<void> {
  for await (const piece of createReadStream(path, { start, highWaterMark: 65_536 })) {
    if (signal.aborted) throw new Error("it was stopped");
    reader.take(piece as Buffer);
  }
}
