/**
 * The facade's side of the line to the hot window: calls and their answers, frames in batches, and a bound on what is
 * on its way.
 */
import { OpsError } from "../kernel/errors.js";
import { batchedBytes, FrameBatchWriter } from "./frame-batch.js";
import type { OpenStorePort, StorePort } from "./store-port.js";
import type { StoreCalls, StoreNotice, StoreRequest, StoreResponse } from "./store-protocol.js";
import { fromWireError } from "./wire-error.js";

/** Bytes of one batch; larger frames get a buffer of their own. */
const BATCH_BYTES = 256 * 1024;
/** Bytes of a batch that follows a short one: between the announcements of many agents a batch is a frame or two. */
const SHORT_BATCH_BYTES = 16 * 1024;
/**
 * How long a frame waits for others to go with. Messages between threads cost about as much as 1,000 samples. No query
 * waits for it: what was taken before is sent before.
 */
const BATCH_DELAY_MS = 50;
/** Frames and announcements on their way. When the thread evaluates for seconds this is what waits for it. */
export const IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024;
/** Calls on their way. */
const CALLS_MAX = 1_024;
/** Buffers kept to be used again. */
const SPARE_BUFFERS_MAX = 16;
/** Of those that wait for room, so many are told at once: each takes what a frame needs, and the last find none left. */
const TOLD_AT_ONCE = 64;

interface Pending {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class StoreClient {
  readonly #port: StorePort;
  readonly #calls = new Map<number, Pending>();
  readonly #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  readonly #spare: ArrayBuffer[] = [];
  readonly #onLost: (because: string) => void;
  #lastCall = 0;
  #batch: FrameBatchWriter | undefined;
  #timer: NodeJS.Timeout | undefined;
  #inFlightBytes = 0;
  #lastBatchBytes = 0;
  #telling: NodeJS.Immediate | undefined;
  #ended: OpsError | undefined;

  /** @param onLost told once when the other side ended by itself. */
  constructor(open: OpenStorePort, onLost: (because: string) => void) {
    this.#onLost = onLost;
    this.#port = open({
      response: (response) => this.#hear(response),
      lost: (because) => {
        if (this.#ended !== undefined) return;
        this.#end(new OpsError("UNAVAILABLE", `the time series engine was restarted: ${because}`));
        this.#onLost(because);
      },
    });
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes + (this.#batch?.length ?? 0);
  }

  get busy(): boolean {
    return this.inFlightBytes >= IN_FLIGHT_BYTES_MAX;
  }

  /** Resolves when there is room for more frames, for those first that waited first. Another may be quicker to use it. */
  ready(): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (!this.busy) return Promise.resolve();
    this.#flush();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Sends what needs no answer. `bytes` of it count as on their way until it is worked off. */
  notify(notice: StoreNotice, bytes = 0): void {
    if (this.#ended !== undefined) return;
    this.#flush();
    this.#inFlightBytes += bytes;
    this.#port.post(notice, []);
  }

  /** Takes a frame; it is sent with others within {@link BATCH_DELAY_MS}. */
  frame(session: number, layoutId: number, sequence: number, timestamp: number, values: Uint8Array): void {
    if (this.#ended !== undefined) return;
    if (this.#batch?.hasRoomFor(values.byteLength) === false) this.#flush();
    this.#batch ??= new FrameBatchWriter(this.#bufferFor(values.byteLength));
    this.#batch.write(session, layoutId, sequence, timestamp, values);
    this.#timer ??= setTimeout(() => this.#flush(), BATCH_DELAY_MS);
  }

  /**
   * Asks and waits. Everything sent before is worked off first. What is in `transfer` is given away.
   * Throws what the other side threw; UNAVAILABLE when it ended.
   */
  async call<K extends keyof StoreCalls>(
    kind: K,
    request: StoreCalls[K]["request"],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<StoreCalls[K]["answer"]> {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#calls.size >= CALLS_MAX) {
      throw new OpsError("RESOURCE_EXHAUSTED", `time series engine: ${CALLS_MAX} calls are waiting already`, {
        callsMax: CALLS_MAX,
      });
    }
    this.#flush();
    const call = ++this.#lastCall;
    const answer = new Promise<unknown>((resolve, reject) => this.#calls.set(call, { resolve, reject }));
    this.#port.post({ kind, call, request } as StoreRequest, transfer);
    return (await answer) as StoreCalls[K]["answer"];
  }

  async close(): Promise<void> {
    this.#end(new OpsError("UNAVAILABLE", "the time series engine has been stopped"));
    await this.#port.close();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    this.#lastBatchBytes = batch.length;
    this.#inFlightBytes += batch.length;
    this.#port.post({ kind: "frames", buffer: batch.buffer, length: batch.length }, [batch.buffer]);
  }

  #bufferFor(valueBytes: number): ArrayBuffer {
    const bytes = batchedBytes(valueBytes);
    if (bytes > BATCH_BYTES) return new ArrayBuffer(bytes);
    if (Math.max(bytes, 2 * this.#lastBatchBytes) <= SHORT_BATCH_BYTES)
      return new ArrayBuffer(SHORT_BATCH_BYTES);
    return this.#spare.pop() ?? new ArrayBuffer(BATCH_BYTES);
  }

  #hear(response: StoreResponse): void {
    if (response.kind === "taken") {
      this.#inFlightBytes -= response.bytes;
      if (response.buffer?.byteLength === BATCH_BYTES && this.#spare.length < SPARE_BUFFERS_MAX) {
        this.#spare.push(response.buffer);
      }
      this.#tellWaiting();
      return;
    }
    const pending = this.#calls.get(response.call);
    this.#calls.delete(response.call);
    if (response.kind === "answer") pending?.resolve(response.answer);
    else pending?.reject(fromWireError(response.error));
  }

  /**
   * Tells those that wait that there is room, some in each turn. Thousands told at once, of which a few find room, would
   * keep this thread from hearing of the next.
   */
  #tellWaiting(): void {
    if (this.#telling !== undefined || this.#waiting.length === 0 || this.busy) return;
    for (const { resolve } of this.#waiting.splice(0, TOLD_AT_ONCE)) resolve();
    this.#telling = setImmediate(() => {
      this.#telling = undefined;
      this.#tellWaiting();
    });
  }

  #end(error: OpsError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    clearTimeout(this.#timer);
    clearImmediate(this.#telling);
    this.#batch = undefined;
    this.#inFlightBytes = 0;
    for (const { reject } of [...this.#calls.values(), ...this.#waiting.splice(0)]) reject(error);
    this.#calls.clear();
  }
}
