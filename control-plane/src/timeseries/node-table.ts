/**
 * Nodes and their sessions, on the side that owns the hot window: from an agent's small integers to lanes.
 */
import type { Instant } from "../kernel/time.js";
import { acceptSeriesName, type SeriesLimits } from "./domain/accept-samples.js";
import type { HotWindow } from "./domain/hot-window.js";
import type { Layout } from "./domain/layout.js";
import { verdictCode } from "./domain/refusal.js";
import type { AnnouncedSeries } from "./door.js";
import { OWN, type StoreCalls, WRITTEN } from "./store-protocol.js";

/** Refs of one session, dead ones included, in multiples of the series a node may have. More are unknown series. */
const REFS_PER_SERIES_MAX = 4;
/** Layouts of one session, on both sides of the thread. An agent has one for each group of series that is read together. */
export const LAYOUTS_MAX = 256;

/** What is known of a node. */
export interface StoredNode {
  readonly id: string;
  readonly owner: number;
  name: string;
  outboxId: string;
  /** The last sequence that is in the window. */
  taken: number;
  /** The last sequence that is in PostgreSQL. */
  durable: number;
  /** Since when something waits to be written. */
  pendingSince: Instant | undefined;
}

interface StoredSession {
  readonly node: StoredNode;
  /** The node's outbox when the session was opened: frames of an outbox that has been replaced are not counted. */
  readonly outboxId: string;
  /** Series by ref; negative: the code of the refusal. */
  readonly refs: Map<number, number>;
  readonly layouts: Map<number, Layout>;
}

export class NodeTable {
  framesTaken = 0;
  framesRepeated = 0;
  readonly #window: HotWindow;
  readonly #limits: SeriesLimits;
  readonly #nodes = new Map<string, StoredNode>();
  readonly #sessions = new Map<number, StoredSession>();

  constructor(window: HotWindow, options: { readonly seriesLimits: SeriesLimits }) {
    this.#window = window;
    this.#limits = options.seriesLimits;
  }

  get count(): number {
    return this.#nodes.size;
  }

  all(): Iterable<StoredNode> {
    return this.#nodes.values();
  }

  /** The node, made when new. */
  node(id: string): StoredNode {
    const known = this.#nodes.get(id);
    if (known !== undefined) return known;
    const seriesMax =
      id === OWN || id === WRITTEN ? this.#limits.globalSeriesMax : this.#limits.nodeSeriesMax;
    const node: StoredNode = {
      id,
      owner: this.#window.addOwner(seriesMax),
      name: id,
      outboxId: "",
      taken: 0,
      durable: 0,
      pendingSince: undefined,
    };
    this.#nodes.set(id, node);
    return node;
  }

  open(request: StoreCalls["open-session"]["request"]): StoreCalls["open-session"]["answer"] {
    const node = this.node(request.node);
    node.name = request.name;
    if (node.outboxId !== request.outboxId) {
      node.outboxId = request.outboxId;
      node.taken = 0;
      node.durable = 0;
    }
    node.durable = Math.max(node.durable, request.durable);
    node.taken = Math.max(node.taken, node.durable);
    this.#sessions.set(request.session, {
      node,
      outboxId: request.outboxId,
      refs: new Map(),
      layouts: new Map(),
    });
    return { resumeAfter: node.taken };
  }

  announce(sessionId: number, series: readonly AnnouncedSeries[]): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    const refsMax = this.#limits.nodeSeriesMax * REFS_PER_SERIES_MAX;
    for (const { ref, labels } of series) {
      const before = session.refs.get(ref);
      if (before === undefined && session.refs.size >= refsMax) continue;
      const verdict = acceptSeriesName(labels, { node: session.node.name }, this.#limits);
      const id =
        verdict.kind === "kept"
          ? this.#window.hold(session.node.owner, verdict.labels)
          : -verdictCode[verdict.because];
      if (before !== undefined && before >= 0) this.#window.release(before);
      session.refs.set(ref, id);
    }
  }

  layout(sessionId: number, layoutId: number, refs: Uint32Array): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    this.#dropLayout(session, layoutId);
    if (session.layouts.size >= LAYOUTS_MAX) return;
    const unknown = -verdictCode["unknown-series"];
    const series = Array.from(refs, (ref) => session.refs.get(ref) ?? unknown);
    session.layouts.set(layoutId, this.#window.openLayout(session.node.owner, series));
  }

  dropLayout(sessionId: number, layoutId: number): void {
    const session = this.#sessions.get(sessionId);
    if (session !== undefined) this.#dropLayout(session, layoutId);
  }

  frame(
    sessionId: number,
    layoutId: number,
    sequence: number,
    timestamp: Instant,
    values: Float64Array,
    now: Instant,
  ): void {
    const session = this.#sessions.get(sessionId);
    const layout = session?.layouts.get(layoutId);
    if (session === undefined || layout === undefined) return;
    const { node } = session;
    if (session.outboxId !== node.outboxId || sequence <= node.taken) {
      this.framesRepeated++;
      return;
    }
    this.framesTaken++;
    node.taken = sequence;
    node.pendingSince ??= now;
    this.#window.append(layout, timestamp, values, now);
  }

  close(sessionId: number): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    this.#sessions.delete(sessionId);
    for (const layout of session.layouts.values()) this.#window.closeLayout(layout);
    for (const id of session.refs.values()) if (id >= 0) this.#window.release(id);
  }

  /** Drops a node that left the fleet, and the sessions it still has. */
  forget(id: string): void {
    const node = this.#nodes.get(id);
    if (node === undefined) return;
    for (const [sessionId, session] of this.#sessions) if (session.node === node) this.close(sessionId);
    this.#window.forget(node.owner);
    node.outboxId = "";
    node.taken = 0;
    node.durable = 0;
    node.pendingSince = undefined;
  }

  #dropLayout(session: StoredSession, layoutId: number): void {
    const layout = session.layouts.get(layoutId);
    if (layout === undefined) return;
    session.layouts.delete(layoutId);
    this.#window.closeLayout(layout);
  }
}
