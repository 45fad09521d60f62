/**
 * A session on the facade's side: knows which layouts were announced, so that a frame can be answered at once.
 */
import { OpsError } from "../kernel/errors.js";
import type { AnnouncedSeries, FrameAnswer, FrameSession } from "./door.js";
import { LAYOUTS_MAX } from "./node-table.js";
import type { StoreClient } from "./store-client.js";

export class ClientSession implements FrameSession {
  readonly #client: StoreClient;
  readonly #id: number;
  readonly #ended: () => void;
  /** Series in each layout, oldest announcement first. */
  readonly #layouts = new Map<number, number>();
  #lost: string | undefined;
  #heardLost: ((because: string) => void) | undefined;
  #closed = false;

  constructor(client: StoreClient, id: number, ended: () => void) {
    this.#client = client;
    this.#id = id;
    this.#ended = ended;
  }

  get busy(): boolean {
    return this.#client.busy;
  }

  ready(): Promise<void> {
    if (this.#closed)
      return Promise.reject(new OpsError("UNAVAILABLE", this.#lost ?? "the session has been closed"));
    return this.#client.ready();
  }

  announce(series: readonly AnnouncedSeries[]): void {
    if (this.#closed) return;
    let bytes = 64;
    for (const { labels } of series) for (const text of labels) bytes += text.length + 8;
    // Only what is needed goes along: a message of the wire has more to it than its fields.
    const plain = series.map(({ ref, labels }) => ({ ref, labels: [...labels] }));
    this.#client.notify({ kind: "announce", session: this.#id, series: plain, bytes }, bytes);
  }

  layout(layoutId: number, refs: ArrayLike<number>): void {
    if (this.#closed) return;
    if (!this.#layouts.delete(layoutId) && this.#layouts.size >= LAYOUTS_MAX) {
      const [oldest] = this.#layouts.keys();
      this.#layouts.delete(oldest as number);
      this.#client.notify({ kind: "drop-layout", session: this.#id, layoutId: oldest as number });
    }
    this.#layouts.set(layoutId, refs.length);
    const copy = Uint32Array.from(refs);
    this.#client.notify({ kind: "layout", session: this.#id, layoutId, refs: copy }, copy.byteLength);
  }

  frame(sequence: bigint, layoutId: number, timestampMs: number, values: Uint8Array): FrameAnswer {
    if (this.#closed) return "busy";
    const size = this.#layouts.get(layoutId);
    if (size === undefined || values.byteLength !== size * 8 || sequence > Number.MAX_SAFE_INTEGER) {
      return "unknown-layout";
    }
    if (this.#client.busy) return "busy";
    this.#client.frame(this.#id, layoutId, Number(sequence), timestampMs, values);
    return "taken";
  }

  onLost(heard: (because: string) => void): void {
    this.#heardLost = heard;
    const lost = this.#lost;
    if (lost !== undefined) queueMicrotask(() => heard(lost));
  }

  /** What was sent and is not durable is gone. */
  lose(because: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lost = because;
    this.#heardLost?.(because);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#client.notify({ kind: "close-session", session: this.#id });
    this.#ended();
  }
}
