/**
 * From the hot window to chunks and back, on the side that owns the window. Nothing is marked durable before PostgreSQL
 * has said so; until then the same rows are offered again.
 */
import { DAY, type Duration, type Instant, SECOND } from "../kernel/time.js";
import { sha256Hex } from "../platform/system.js";
import type { SortedLabels } from "./domain/accept-samples.js";
import { Block, joinParts, splitParts } from "./domain/chunk.js";
import type { HotWindow } from "./domain/hot-window.js";
import type { Lane } from "./domain/lane.js";
import type { Layout } from "./domain/layout.js";
import type { NodeTable, StoredNode } from "./node-table.js";
import { type CollectedChunk, OWN, type StoreCalls } from "./store-protocol.js";

const OWN_WAITS_MAX: Duration = 10 * SECOND;

interface Mark {
  readonly node: StoredNode;
  readonly outboxId: string;
  readonly throughSequence: number;
  readonly lanes: readonly { readonly lane: Lane; readonly through: Instant; readonly day: string }[];
}

/** The day whose partition holds what begins at `at`: days since 1970, UTC. */
export function dayOf(at: Instant): number {
  return Math.floor(at / DAY);
}

export class HotChunks {
  /** Stored chunks that could not be read. */
  damaged = 0;
  readonly #window: HotWindow;
  readonly #nodes: NodeTable;
  readonly #marks = new Map<number, readonly Mark[]>();
  #collections = 0;
  /** Layouts that are being loaded, by digest and node; held until the last chunk is in. */
  readonly #loading = new Map<string, { readonly layout: Layout; readonly ids: readonly number[] }>();
  readonly #names = new Map<string, readonly SortedLabels[]>();

  constructor(window: HotWindow, nodes: NodeTable) {
    this.#window = window;
    this.#nodes = nodes;
  }

  collect(
    { waitedMs, bytesMax }: StoreCalls["collect"]["request"],
    now: Instant,
  ): StoreCalls["collect"]["answer"] {
    const collection = ++this.#collections;
    const items: CollectedChunk[] = [];
    const marks: Mark[] = [];
    let bytes = 0;
    let more = false;
    // What waits longest goes first, so that a bound on bytes starves nobody.
    // No agent holds what the control plane itself made: it waits less.
    const enough = ({ id }: StoredNode): Duration =>
      id === OWN ? Math.min(waitedMs, OWN_WAITS_MAX) : waitedMs;
    const waiting = [...this.#nodes.all()].filter(
      (node) => node.pendingSince !== undefined && now - node.pendingSince >= enough(node),
    );
    waiting.sort((a, b) => (a.pendingSince as number) - (b.pendingSince as number));
    for (const node of waiting) {
      if (bytes >= bytesMax) {
        more = true;
        break;
      }
      const { item, mark } = this.#collectNode(node);
      items.push(item);
      marks.push(mark);
      bytes += item.chunk?.parts.byteLength ?? 64;
    }
    this.#marks.set(collection, marks);
    return { collection, items, more };
  }

  /** What became of a collection. */
  written(collection: number, durable: boolean, now: Instant): void {
    const marks = this.#marks.get(collection) ?? [];
    this.#marks.delete(collection);
    if (!durable) return;
    for (const { node, outboxId, throughSequence, lanes } of marks) {
      for (const { lane, through, day } of lanes) {
        lane.durableThrough = Math.max(lane.durableThrough, through);
        lane.namedForDay = day;
      }
      if (node.outboxId === outboxId) node.durable = Math.max(node.durable, throughSequence);
      const left = [...this.#window.lanesOf(node.owner)].some((lane) => lane.newest > lane.durableThrough);
      node.pendingSince = left || node.taken > node.durable ? now : undefined;
    }
  }

  load({ stored, last }: StoreCalls["load"]["request"], now: Instant): undefined {
    for (const [digest, json] of stored.names) {
      const names = readNames(json);
      if (names === undefined) this.damaged++;
      else this.#names.set(digest, names);
    }
    for (const chunk of stored.chunks) {
      try {
        for (const { layout, block } of splitParts(chunk.parts)) {
          const opened = this.#openLoading(chunk.node, chunk.digests[layout] ?? "");
          if (opened === undefined) this.damaged++;
          else this.#window.attach(opened, block, now);
        }
      } catch {
        // A damaged row must not keep the others from being read; it is counted and said by the facade.
        this.damaged++;
      }
    }
    if (last) {
      for (const { layout, ids } of this.#loading.values()) {
        this.#window.closeLayout(layout);
        for (const id of ids) if (id >= 0) this.#window.release(id);
      }
      this.#loading.clear();
      this.#names.clear();
    }
    return undefined;
  }

  #collectNode(node: StoredNode): { item: CollectedChunk; mark: Mark } {
    const digests: string[] = [];
    const names: [string, string][] = [];
    const parts: { layout: number; block: Uint8Array }[] = [];
    const lanes: { lane: Lane; through: Instant; day: string }[] = [];
    let from = Number.POSITIVE_INFINITY;
    let to = Number.NEGATIVE_INFINITY;
    let samples = 0;
    const pending: { lane: Lane; blocks: Uint8Array[] }[] = [];
    for (const lane of this.#window.lanesOf(node.owner)) {
      if (lane.newest <= lane.durableThrough || lane.columns === 0) continue;
      const blocks = lane.encodeNotDurable();
      for (const bytes of blocks) {
        const block = new Block(bytes);
        from = Math.min(from, block.from);
        to = Math.max(to, block.to);
        samples += block.rows * block.columns;
      }
      pending.push({ lane, blocks });
    }
    const day = String(dayOf(from));
    for (const { lane, blocks } of pending) {
      let json: string | undefined;
      if (lane.digest === "" || lane.namedForDay !== day) {
        json = JSON.stringify(this.#window.namesOf(lane));
        if (lane.digest === "") lane.digest = sha256Hex(json);
        names.push([lane.digest, json]);
      }
      for (const block of blocks) parts.push({ layout: digests.length, block });
      digests.push(lane.digest);
      lanes.push({ lane, through: lane.newest, day });
    }
    const item: CollectedChunk = {
      node: node.id,
      name: node.name,
      outboxId: node.outboxId,
      fromSequence: node.durable + 1,
      throughSequence: node.taken,
      chunk: parts.length === 0 ? undefined : { from, to, samples, digests, names, parts: joinParts(parts) },
    };
    return { item, mark: { node, outboxId: node.outboxId, throughSequence: node.taken, lanes } };
  }

  #openLoading(nodeId: string, digest: string): Layout | undefined {
    const key = `${digest} ${nodeId}`;
    const known = this.#loading.get(key);
    if (known !== undefined) return known.layout;
    const names = this.#names.get(digest);
    if (names === undefined) return undefined;
    const { owner } = this.#nodes.node(nodeId);
    const ids = names.map((labels) => this.#window.hold(owner, labels));
    const layout = this.#window.openLayout(owner, ids);
    this.#loading.set(key, { layout, ids });
    return layout;
  }
}

/** The labels of a layout's series; undefined when the text is not what was written. */
export function readNames(json: string): SortedLabels[] | undefined {
  let read: unknown;
  try {
    read = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(read)) return undefined;
  const fine = read.every(
    (labels: unknown) =>
      Array.isArray(labels) && labels.length % 2 === 0 && labels.every((text) => typeof text === "string"),
  );
  return fine ? (read as SortedLabels[]) : undefined;
}
