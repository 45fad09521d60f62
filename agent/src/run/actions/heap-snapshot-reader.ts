/** Reads V8's heap snapshots as they come, byte by byte: one JSON object of long flat lists, of which nothing is kept. */

/** What is told, in the order of the file: once meta, then nodes, edges, strings. */
export interface SnapshotListener {
  readonly meta?: (meta: { readonly nodeCount: number; readonly edgeCount: number }) => void;
  /** `name` is an index into the strings; `size` is in bytes. */
  readonly node?: (type: string, name: number, size: number, edges: number) => void;
  /** `name` is an index into the strings or an element's number; `to` is the number of a node. */
  readonly edge?: (type: string, name: number, to: number) => void;
  readonly string?: (index: number, text: string) => void;
  /** Whether a string is of interest; the others are not decoded. */
  readonly wants?: (index: number) => boolean;
}

/** Where in the file the reader is. */
type Place = "head" | "between" | "nodes" | "edges" | "strings" | "other";

/** The description at the beginning has some 2 kB. */
const headMax = 65_536;
const stringMax = 1_024;

const [quote, backslash, comma, minus, zero, nine, closing] = [34, 92, 44, 45, 48, 57, 93];

export class SnapshotReader {
  readonly #listener: SnapshotListener;
  #place: Place = "head";
  #head = "";
  /** Numbers of the present list's row so far. */
  #row = new Float64Array(0);
  #column = 0;
  #number = 0;
  #hasNumber = false;
  #negative = false;
  #meta: Meta | undefined;
  /** The key that is being read between two lists. */
  #key = "";
  #inString = false;
  #escaped = false;
  #text: number[] = [];
  #strings = 0;
  #depth = 0;
  #taken = 0;
  #stringsAt = -1;

  /** @param from where the bytes begin: at the beginning of the file, or at `stringsAt` of an earlier reader */
  constructor(listener: SnapshotListener, from: "head" | "strings" = "head") {
    this.#listener = listener;
    this.#place = from;
  }

  /** Where in the file the first string begins; -1 before it was reached. */
  get stringsAt(): number {
    return this.#stringsAt;
  }

  /** Takes the next bytes. Throws when they are not of a snapshot. */
  take(bytes: Uint8Array): void {
    let from = 0;
    if (this.#place === "head") {
      const text = this.#head + Buffer.from(bytes).toString("latin1");
      const at = /"nodes"\s*:\s*\[/.exec(text);
      if (at === null) {
        if (text.length > headMax) throw new Error("it does not begin as V8 writes a snapshot");
        this.#head = text;
        this.#taken += bytes.length;
        return;
      }
      from = at.index + at[0].length - this.#head.length;
      this.#meta = readMeta(text.slice(0, at.index));
      this.#listener.meta?.(this.#meta);
      this.#enter("nodes");
    }
    for (let at = from; at < bytes.length; at++) {
      this.#byte(bytes[at] ?? 0);
      if (this.#stringsAt < 0 && this.#place === "strings") this.#stringsAt = this.#taken + at + 1;
    }
    this.#taken += bytes.length;
  }

  #byte(byte: number): void {
    switch (this.#place) {
      case "nodes":
      case "edges":
        this.#numberByte(byte);
        return;
      case "strings":
        this.#stringByte(byte);
        return;
      case "other":
        this.#skipByte(byte);
        return;
      case "head":
      case "between":
        this.#betweenByte(byte);
    }
  }

  #enter(place: "nodes" | "edges" | "strings" | "other"): void {
    this.#place = place;
    this.#column = 0;
    this.#depth = 1;
    const width = place === "nodes" ? this.#meta?.nodeWidth : this.#meta?.edgeWidth;
    this.#row = new Float64Array(width ?? 0);
  }

  #numberByte(byte: number): void {
    if (byte >= zero && byte <= nine) {
      this.#number = this.#number * 10 + (byte - zero);
      this.#hasNumber = true;
    } else if (byte === minus) this.#negative = true;
    else if (byte === comma || byte === closing) {
      if (this.#hasNumber) this.#cell(this.#negative ? -this.#number : this.#number);
      this.#number = 0;
      this.#hasNumber = false;
      this.#negative = false;
      if (byte === closing) this.#place = "between";
    }
  }

  #cell(value: number): void {
    this.#row[this.#column++] = value;
    if (this.#column < this.#row.length) return;
    this.#column = 0;
    const meta = this.#meta;
    if (meta === undefined) return;
    const row = this.#row;
    if (this.#place === "nodes") {
      const type = meta.nodeTypes[row[meta.type] ?? 0] ?? "unknown";
      this.#listener.node?.(type, row[meta.name] ?? 0, row[meta.size] ?? 0, row[meta.edges] ?? 0);
    } else {
      const type = meta.edgeTypes[row[meta.edgeType] ?? 0] ?? "unknown";
      this.#listener.edge?.(type, row[meta.edgeName] ?? 0, (row[meta.to] ?? 0) / meta.nodeWidth);
    }
  }

  /** After one list: the name of the next. */
  #betweenByte(byte: number): void {
    if (byte === quote) {
      if (this.#inString) this.#inString = false;
      else {
        this.#inString = true;
        this.#key = "";
      }
    } else if (this.#inString) this.#key = (this.#key + String.fromCharCode(byte)).slice(0, 64);
    else if (byte === 91) {
      if (this.#key === "edges" || this.#key === "strings") this.#enter(this.#key);
      else this.#enter("other");
    }
  }

  /** A list that says nothing here: numbers, or objects of an allocation profile with strings in them. */
  #skipByte(byte: number): void {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === backslash) this.#escaped = true;
      else if (byte === quote) this.#inString = false;
    } else if (byte === quote) this.#inString = true;
    else if (byte === 91) this.#depth++;
    else if (byte === closing && --this.#depth === 0) this.#place = "between";
  }

  #stringByte(byte: number): void {
    if (!this.#inString) {
      if (byte === quote) {
        this.#inString = true;
        this.#text.length = 0;
      } else if (byte === closing) this.#place = "between";
      return;
    }
    if (!this.#escaped && byte === quote) {
      this.#inString = false;
      const index = this.#strings++;
      if (this.#wants(index)) this.#listener.string?.(index, decode(this.#text));
      return;
    }
    this.#escaped = !this.#escaped && byte === backslash;
    if (this.#text.length < stringMax && this.#wants(this.#strings)) this.#text.push(byte);
  }

  #wants(index: number): boolean {
    return this.#listener.string !== undefined && (this.#listener.wants?.(index) ?? true);
  }
}

interface Meta {
  readonly nodeCount: number;
  readonly edgeCount: number;
  readonly nodeWidth: number;
  readonly edgeWidth: number;
  readonly nodeTypes: readonly string[];
  readonly edgeTypes: readonly string[];
  /** Columns. */
  readonly type: number;
  readonly name: number;
  readonly size: number;
  readonly edges: number;
  readonly edgeType: number;
  readonly edgeName: number;
  readonly to: number;
}

/** Reads the description that stands before the lists. */
function readMeta(head: string): Meta {
  const snapshot: unknown = Object(JSON.parse(`${head.replace(/,\s*$/, "")}}`)).snapshot;
  const { meta, node_count: nodeCount, edge_count: edgeCount } = Object(snapshot);
  const {
    node_fields: nodes,
    node_types: nodeTypes,
    edge_fields: edges,
    edge_types: edgeTypes,
  } = Object(meta);
  const columns = (fields: unknown, ...names: string[]): number[] =>
    names.map((name) => (Array.isArray(fields) ? fields.indexOf(name) : -1));
  const [type = -1, name = -1, size = -1, edgeCountAt = -1] = columns(
    nodes,
    "type",
    "name",
    "self_size",
    "edge_count",
  );
  const [edgeType = -1, edgeName = -1, to = -1] = columns(edges, "type", "name_or_index", "to_node");
  const names = (types: unknown): string[] =>
    (Array.isArray(types) && Array.isArray(types[0]) ? types[0] : []).map(String);
  if (Math.min(type, name, size, edgeCountAt, edgeType, edgeName, to) < 0 || !Number.isInteger(nodeCount))
    throw new Error("its description is not one of a snapshot that is known here");
  return {
    nodeCount: Number(nodeCount),
    edgeCount: Number(edgeCount),
    nodeWidth: Array.isArray(nodes) ? nodes.length : 0,
    edgeWidth: Array.isArray(edges) ? edges.length : 0,
    nodeTypes: names(nodeTypes),
    edgeTypes: names(edgeTypes),
    type,
    name,
    size,
    edges: edgeCountAt,
    edgeType,
    edgeName,
    to,
  };
}

/** The bytes between two quotes, as JSON means them; cut off in the middle of an escape they are shown as they are. */
function decode(bytes: readonly number[]): string {
  const text = Buffer.from(bytes).toString("utf8");
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    return text;
  }
}
