/**
 * Writes the chunks to another engine by remote write 1.0, in the order they were written here: the chunks are the
 * write-ahead log, bounded by their retention. One request at a time, so that samples of a series come in order.
 */
import { messageOf, OpsError } from "../kernel/errors.js";
import { type Duration, MINUTE, SECOND } from "../kernel/time.js";
import type { HttpClient } from "../platform/http-client.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database, Queryable } from "../platform/postgres/database.js";
import { type System, sha256Hex } from "../platform/system.js";
import type { ChunkStore, ReadChunk } from "./chunks.store.js";
import type { SortedLabels } from "./domain/accept-samples.js";
import { Block, splitParts } from "./domain/chunk.js";
import { halvesOf, isAbsent } from "./domain/double-bits.js";
import { judgeWrite, type WriteVerdict } from "./domain/judge-write.js";
import { WRITE_HEADERS, WriteRequest } from "./domain/write-request.js";
import { readNames } from "./hot-chunks.js";
import {
  openPosition,
  type RemoteBacklog,
  type RemotePosition,
  readBacklog,
  savePosition,
} from "./remote-write.store.js";

const INTERVAL: Duration = SECOND;
const REQUEST_WITHIN: Duration = 30 * SECOND;
/** Chunks read at once, and their stored bytes: some two million samples. */
const CHUNKS_MAX = 200;
const CHUNK_BYTES_MAX = 4 * 1024 * 1024;
/** Samples of one request; Prometheus' own sender takes 2,000. */
const REQUEST_SAMPLES_MAX = 10_000;
const REQUEST_BYTES_MAX = 4 * 1024 * 1024;
/** Names of layouts that are remembered. */
const NAMES_MAX = 20_000;

const NOTHING_WAITS: RemoteBacklog = { chunks: 0, samples: 0, newest: 0 };

export interface RemoteWriteDeps {
  readonly database: Database;
  readonly chunks: ChunkStore;
  readonly system: System;
  readonly logger: Logger;
  readonly http: HttpClient;
  readonly url: URL;
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  /** Whether this replica writes; also asked in the transaction that moves the position. */
  readonly leads: () => boolean;
  readonly mayWrite: (tx: Queryable) => Promise<boolean>;
}

export interface RemoteWriteFigures {
  readonly samplesTaken: number;
  /** Samples the engine said it will never take. */
  readonly samplesRefused: number;
  /** Chunks that went with their day, or could not be read, before they were written. */
  readonly chunksLost: number;
  readonly chunksWaiting: number;
  readonly samplesWaiting: number;
  readonly requests: number;
  readonly failuresInRow: number;
  readonly because: string | undefined;
}

type Chunk = ReadChunk & { readonly id: number };

export class RemoteWriter {
  readonly loop: Loop;
  readonly #deps: RemoteWriteDeps;
  readonly #engine: string;
  readonly #names = new Map<string, readonly SortedLabels[]>();
  readonly #request = new WriteRequest();
  #position: RemotePosition | undefined;
  #waiting: RemoteBacklog = NOTHING_WAITS;
  #requests = 0;
  #failuresInRow = 0;
  #because: string | undefined;

  constructor(deps: RemoteWriteDeps) {
    this.#deps = deps;
    this.#engine = sha256Hex(`${deps.url.origin}${deps.url.pathname}`);
    this.loop = new Loop({
      name: "remote-write",
      interval: INTERVAL,
      deadline: 5 * MINUTE,
      clock: deps.system.clock,
      logger: deps.logger,
      run: (_now, signal) => this.write(signal),
    });
  }

  get figures(): RemoteWriteFigures {
    const { samplesTaken = 0, samplesRefused = 0, chunksLost = 0 } = this.#position ?? {};
    return {
      samplesTaken,
      samplesRefused,
      chunksLost,
      chunksWaiting: this.#waiting.chunks,
      samplesWaiting: this.#waiting.samples,
      requests: this.#requests,
      failuresInRow: this.#failuresInRow,
      because: this.#because,
    };
  }

  /** Writes what waits, until nothing does or `signal` aborts. */
  async write(signal: AbortSignal): Promise<void> {
    const { database, chunks, leads } = this.#deps;
    if (!leads()) {
      this.#position = undefined;
      this.#waiting = NOTHING_WAITS;
      return;
    }
    // Another replica may have moved it since this one last led; while it leads nobody does.
    this.#position ??= await openPosition(database, this.#engine);
    while (!signal.aborted && leads()) {
      await this.#countLost(this.#position);
      const next = await chunks.after(this.#position.throughChunk, CHUNKS_MAX, CHUNK_BYTES_MAX);
      if (next.length === 0) return;
      await this.#readNames(next);
      for (const chunk of next) {
        const moved = await this.#writeChunk(chunk, this.#position, signal);
        if (moved === undefined) return;
        if (!(await savePosition(database, this.#engine, moved, this.#deps.mayWrite))) {
          this.#position = undefined;
          return;
        }
        this.#position = moved;
        const { chunks: left, samples, newest } = this.#waiting;
        this.#waiting = { chunks: Math.max(0, left - 1), samples, newest };
      }
    }
  }

  /** Looks at what waits; what waited when it was last looked at and is gone unwritten went with its day. */
  async #countLost(position: RemotePosition): Promise<void> {
    const { database, logger, mayWrite } = this.#deps;
    const { throughChunk } = position;
    const { chunks: expected, newest } = this.#waiting;
    const left = expected === 0 ? 0 : (await readBacklog(database, throughChunk, newest)).chunks;
    if (left < expected) {
      const lost = expected - left;
      logger.warn("chunks were dropped before they were written to the engine", { chunks: lost });
      this.#position = { ...position, chunksLost: position.chunksLost + lost };
      await savePosition(database, this.#engine, this.#position, mayWrite);
    }
    this.#waiting = await readBacklog(database, throughChunk);
  }

  /** The position behind the chunk; undefined when it was given up for now. */
  async #writeChunk(
    chunk: Chunk,
    position: RemotePosition,
    signal: AbortSignal,
  ): Promise<RemotePosition | undefined> {
    let { samplesTaken, samplesRefused, chunksLost } = position;
    try {
      for (const { body, samples } of this.#requestsOf(chunk)) {
        const verdict = await this.#send(body, signal);
        if (verdict === undefined) return undefined;
        if (verdict.kind === "taken") samplesTaken += samples;
        else samplesRefused += samples;
      }
    } catch (error) {
      if (!(error instanceof OpsError) || error.code !== "DATA_LOSS") throw error;
      chunksLost++;
      this.#deps.logger.warn("a stored chunk could not be read and is not written to the engine", {
        chunk: chunk.id,
        because: error.message,
      });
    }
    return { throughChunk: chunk.id, samplesTaken, samplesRefused, chunksLost };
  }

  *#requestsOf(chunk: Chunk): Generator<{ readonly body: Uint8Array; readonly samples: number }> {
    const request = this.#request;
    if (request.samples > 0) request.take();
    for (const { layout, block: bytes } of splitParts(chunk.parts)) {
      const names = this.#names.get(chunk.digests[layout] ?? "");
      if (names === undefined) throw new OpsError("DATA_LOSS", "the names of its series are not there");
      const block = new Block(bytes);
      const timestamps = block.timestamps();
      const starts = block.columnStarts();
      const values = new Float64Array(block.rows);
      const halves = halvesOf(values);
      for (let column = 0; column < block.columns; column++) {
        const labels = names[column];
        if (labels === undefined) throw new OpsError("DATA_LOSS", "it has more columns than names");
        block.readColumn(column, starts, values, halves, 0);
        for (const [from, to] of presentRuns(halves, block.rows)) {
          request.add(labels, timestamps, values, from, to);
          if (request.samples >= REQUEST_SAMPLES_MAX || request.bytes >= REQUEST_BYTES_MAX) {
            const { samples } = request;
            yield { body: request.take(), samples };
          }
        }
      }
    }
    const { samples } = request;
    if (samples > 0) yield { body: request.take(), samples };
  }

  /** Sends until it is taken or refused; undefined when the run is over. */
  async #send(
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Exclude<WriteVerdict, { kind: "again" }> | undefined> {
    const { http, url, headers, system, logger, leads } = this.#deps;
    while (!signal.aborted && leads()) {
      this.#requests++;
      let said = "";
      const verdict = await http
        .call({
          method: "POST",
          url,
          headers: { ...WRITE_HEADERS, ...(await headers()) },
          body,
          timeoutMs: REQUEST_WITHIN,
          signal,
          bytesMax: 64 * 1024,
        })
        .then(
          (answer) => {
            said = answer.body.toString("utf8", 0, 300).trim();
            const retryAfter = answer.headers["retry-after"];
            return judgeWrite(
              {
                kind: "answered",
                status: answer.status,
                retryAfter: typeof retryAfter === "string" ? retryAfter : undefined,
              },
              this.#failuresInRow,
              system.draws.fraction(),
            );
          },
          (error: unknown) => {
            said = messageOf(error);
            return judgeWrite({ kind: "unreachable" }, this.#failuresInRow, system.draws.fraction());
          },
        );
      if (verdict.kind === "taken") {
        this.#failuresInRow = 0;
        this.#because = undefined;
        return verdict;
      }
      const because = said === "" ? verdict.because : `${verdict.because}: ${said}`;
      if (verdict.kind === "refused") {
        this.#failuresInRow = 0;
        logger.warn("the engine refused samples; they are counted and left behind", { because });
        return verdict;
      }
      this.#failuresInRow++;
      this.#because = because;
      // Said at the first failure and then ever more seldom.
      if ((this.#failuresInRow & (this.#failuresInRow - 1)) === 0)
        logger.warn("samples could not be written to the engine; trying again", {
          because,
          againInMs: verdict.after,
        });
      await system.clock.sleep(verdict.after, signal);
    }
    return undefined;
  }

  async #readNames(chunks: readonly Chunk[]): Promise<void> {
    if (this.#names.size > NAMES_MAX) this.#names.clear();
    const missing = [...new Set(chunks.flatMap(({ digests }) => digests))].filter(
      (digest) => !this.#names.has(digest),
    );
    if (missing.length === 0) return;
    const days = [...new Set(chunks.map(({ day }) => day))];
    for (const [digest, json] of await this.#deps.chunks.names(days, missing)) {
      const names = readNames(json);
      if (names !== undefined) this.#names.set(digest, names);
    }
  }
}

/** Stretches of cells in which the series has a sample. */
function* presentRuns(halves: Uint32Array, rows: number): Generator<readonly [from: number, to: number]> {
  let from = 0;
  for (let row = 0; row <= rows; row++) {
    if (row < rows && !isAbsent(halves, row)) continue;
    if (row > from) yield [from, row];
    from = row + 1;
  }
}
