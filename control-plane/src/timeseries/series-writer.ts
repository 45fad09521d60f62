/**
 * The facade's side of samples that come with labels of their own (remote write): knows which series were announced to
 * the engine, so that a sample of a known series is a number, a time and a value.
 */
import { OpsError } from "../kernel/errors.js";
import { type Duration, type Instant, MINUTE } from "../kernel/time.js";
import type { Clock, System } from "../platform/system.js";
import { SeriesKeys } from "./domain/series-keys.js";
import type { KeptEntry, SeriesWriter, WriteOutcome, WrittenSamples } from "./door.js";
import type { StoreClient } from "./store-client.js";
import type { StoreCalls } from "./store-protocol.js";
import type { WrittenLog } from "./written-log.js";

/** A series that was not written for one to two of these is forgotten; it may be announced again. */
const FORGOTTEN_AFTER: Duration = 10 * MINUTE;
/** Series that are known at once. */
const SERIES_MAX = 2_500_000;
/** Bytes of samples on their way. More must come again later. */
const IN_FLIGHT_BYTES_MAX = 32 * 1024 * 1024;
const SAMPLE_BYTES = 20;

type Fresh = StoreCalls["write"]["request"]["fresh"][number];

export class StoreSeriesWriter implements SeriesWriter {
  readonly #clock: Clock;
  readonly #currentClient: () => StoreClient;
  readonly #log: () => WrittenLog | undefined;
  #client: StoreClient | undefined;
  /** Whether the engine shall forget all that was announced. */
  #reset = true;
  readonly #keys: SeriesKeys;
  #turnedAt: Instant;
  #fresh: Fresh[] = [];
  #dropped: number[] = [];
  #inFlightBytes = 0;

  /**
   * @param client the engine there is now; throws UNAVAILABLE when there is none
   * @param log where requests are kept; throws UNAVAILABLE while those that were kept come first; undefined: nowhere
   */
  constructor(
    { clock, draws }: Pick<System, "clock" | "draws">,
    client: () => StoreClient,
    log: () => WrittenLog | undefined,
  ) {
    this.#clock = clock;
    this.#keys = new SeriesKeys(Number.parseInt(draws.hex(8), 16) | 0);
    this.#currentClient = client;
    this.#log = log;
    this.#turnedAt = clock.now();
  }

  async keep(request: Uint8Array): Promise<KeptEntry> {
    return (await this.#log()?.append(request)) ?? { done: () => {} };
  }

  find(key: string): number | undefined {
    return this.#keys.find(key);
  }

  announce(key: string, labels: readonly string[]): number {
    if (this.#keys.size >= SERIES_MAX) this.#turn();
    if (this.#keys.size >= SERIES_MAX) this.#forgetAll();
    const ref = this.#keys.add(key);
    this.#fresh.push({ ref, labels });
    return ref;
  }

  open(): void {
    const client = this.#currentClient();
    if (client !== this.#client) {
      this.#client = client;
      this.#forgetAll();
    }
    if (Math.abs(this.#clock.now() - this.#turnedAt) >= FORGOTTEN_AFTER) this.#turn();
    if (this.#inFlightBytes >= IN_FLIGHT_BYTES_MAX || client.busy) {
      throw new OpsError("UNAVAILABLE", "samples come faster than they can be taken: send them again later", {
        inFlightBytes: this.#inFlightBytes,
      });
    }
  }

  async write(
    { count, series, timestamps, values }: WrittenSamples,
    kept?: KeptEntry,
  ): Promise<WriteOutcome> {
    const client = this.#client;
    if (client === undefined) throw new OpsError("INTERNAL", "write samples: the writer was not opened");
    const bytes = count * SAMPLE_BYTES;
    this.#inFlightBytes += bytes;
    // It goes in the order of the requests: what is collected after this one has its samples.
    kept?.done();
    const request = {
      through: this.#through(),
      reset: this.#reset,
      dropped: Uint32Array.from(this.#dropped),
      fresh: this.#fresh,
      series: series.slice(0, count),
      timestamps: timestamps.slice(0, count),
      values: values.slice(0, count),
    };
    this.#reset = false;
    this.#fresh = [];
    // Only now may their numbers be given to others: the engine hears of both in this order.
    for (const ref of this.#dropped) this.#keys.giveBack(ref);
    this.#dropped = [];
    try {
      const answer = await client.call("write", request);
      if (client === this.#client) for (const ref of answer.forgotten) this.#forget(ref);
      return { kept: answer.kept, refusals: answer.refusals };
    } catch (error) {
      // Whether the engine has heard of the new series is not known.
      if (client === this.#client) this.#forgetAll();
      throw error;
    } finally {
      this.#inFlightBytes -= bytes;
    }
  }

  #through(): number {
    try {
      return this.#log()?.through ?? 0;
    } catch {
      // What was kept is being replayed: nothing of it may be forgotten.
      return 0;
    }
  }

  #turn(): void {
    this.#turnedAt = this.#clock.now();
    for (const ref of this.#keys.age()) this.#dropped.push(ref);
  }

  /** The engine has refused the series itself, and forgotten it. */
  #forget(ref: number): void {
    if (this.#keys.forget(ref)) this.#keys.giveBack(ref);
  }

  #forgetAll(): void {
    this.#reset = true;
    this.#keys.clear();
    this.#fresh = [];
    this.#dropped = [];
  }
}
