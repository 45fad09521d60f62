/**
 * Who may begin a TLS handshake, and when. A handshake costs 3 ms of CPU and the opening of a stream as much again, so
 * after a restart a fleet that comes all at once would be served all at once: everyone would wait longer than anyone
 * waits, each handshake would be for an agent that had given up, and nobody would get in. So connections stand in line
 * before their first handshake byte is looked at, a bounded number is let in at a time, whoever leaves the line costs
 * nothing, and whoever stands there too long is sent away to try again after a wait of its own.
 */
import type { Socket } from "node:net";
import { type Duration, type Instant, SECOND } from "../../kernel/time.js";
import type { Clock } from "../../platform/system.js";

/** A ClientHello has some hundred bytes; a peer that sends more before it is answered speaks something else. */
const FIRST_BYTES_MAX = 16_384;

export interface AdmissionLimits {
  /**
   * Connections between their admission and their welcome, at most. More use no more CPU; fewer would leave it idle while
   * messages travel: three round trips of 100 ms and a commit still let 150 agents in each second. There are fewer while
   * opening takes longer than {@link OPENING_WANTED}: on a machine that has little time for us, each would take as long as
   * all together. @default 64
   */
  readonly openingMax: number;
  /** Connections that stand in line. @default 20,000 */
  readonly waitingMax: number;
  /** How long one stands in line. An agent waits 30 s for its welcome, from before we take its connection: of those who are
   * let in late, each would give up while it is served. @default 10 s */
  readonly waitingFor: Duration;
  /** How long one may take from its admission to its welcome; then it is cut, and what is done for it is in vain. @default 8 s */
  readonly openingFor: Duration;
}

const LIMITS: AdmissionLimits = {
  openingMax: 64,
  waitingMax: 20_000,
  waitingFor: 10 * SECOND,
  openingFor: 8 * SECOND,
};

/** Whoever is let in is to be in after this. */
export const OPENING_WANTED: Duration = 2 * SECOND;
const OPENING_MIN = 4;

export interface AdmissionFigures {
  readonly waiting: number;
  readonly opening: number;
  /** Connections let in so far. */
  readonly admitted: number;
  /** Connections closed because too many stood in line, or because they stood there too long. */
  readonly refused: number;
  /** Connections that left the line by themselves. */
  readonly left: number;
}

interface Waiting {
  readonly socket: Socket;
  readonly since: number;
  readonly letIn: () => void;
}

export class Admission {
  readonly #clock: Clock;
  readonly #limits: AdmissionLimits;
  /** In the order in which they came; those that have left are taken out at once. */
  readonly #waiting = new Set<Waiting>();
  /** By the address that they come from. */
  readonly #opening = new Map<string, { readonly socket: Socket; readonly since: number }>();
  /** How many may open now. */
  #openingNow: number;
  #admitted = 0;
  #refused = 0;
  #left = 0;
  #closed = false;
  #watching = false;
  #crowdedAt: Instant | undefined;

  constructor(clock: Clock, limits: Partial<AdmissionLimits> = {}) {
    this.#clock = clock;
    this.#limits = { ...LIMITS, ...limits };
    this.#openingNow = this.#limits.openingMax;
  }

  /** When somebody last had to stand in line: until then an agent that was not heard may have stood there. */
  get crowdedAt(): Instant | undefined {
    return this.#crowdedAt;
  }

  get figures(): AdmissionFigures {
    return {
      waiting: this.#waiting.size,
      opening: this.#opening.size,
      admitted: this.#admitted,
      refused: this.#refused,
      left: this.#left,
    };
  }

  /** Takes a connection that nothing was read from; `letIn` is called with it in its turn, or never. */
  take(socket: Socket, letIn: (socket: Socket) => void): void {
    socket.on("error", () => socket.destroy());
    if (this.#closed || this.#waiting.size >= this.#limits.waitingMax) {
      this.#refuse(socket);
      return;
    }
    const first: Buffer[] = [];
    let bytes = 0;
    let waiting: Waiting | undefined;
    const hear = (chunk: Buffer): void => {
      first.push(chunk);
      bytes += chunk.length;
      if (bytes > FIRST_BYTES_MAX) {
        this.#refuse(socket);
        return;
      }
      // Who has said nothing yet has no handshake that could be begun, and takes no place.
      if (waiting !== undefined) return;
      waiting = { socket, since: this.#clock.monotonic(), letIn: open };
      this.#waiting.add(waiting);
      this.#next();
    };
    const gone = (): void => {
      if (waiting !== undefined && this.#waiting.delete(waiting)) this.#left += 1;
    };
    const open = (): void => {
      socket.off("data", hear).off("close", gone).pause();
      socket.unshift(Buffer.concat(first));
      letIn(socket);
    };
    // Reading goes on while it waits: it is how one learns that the other side has gone.
    socket.on("data", hear).on("close", gone);
    this.#limitSilence(socket, () => waiting === undefined);
  }

  /** The connection from this address was welcomed: its place is free. */
  welcomed(peer: string): void {
    const opened = this.#opening.get(peer);
    if (opened === undefined) return;
    const took = this.#clock.monotonic() - opened.since;
    this.#adapt(took > OPENING_WANTED ? -1 : 1);
    this.#free(peer);
  }

  /** Sends away whoever stands in line, and takes nobody any more. */
  close(): void {
    this.#closed = true;
    for (const { socket } of this.#waiting) socket.destroy();
    this.#waiting.clear();
  }

  /** A connection over which nothing is said is closed: it would be held for nothing. */
  #limitSilence(socket: Socket, silent: () => boolean): void {
    const stop = new AbortController();
    socket.once("data", () => stop.abort());
    socket.once("close", () => stop.abort());
    void this.#clock.sleep(this.#limits.waitingFor, stop.signal).then(() => {
      if (!stop.signal.aborted && silent()) this.#refuse(socket);
    });
  }

  #next(): void {
    for (const waiting of this.#waiting) {
      if (this.#opening.size >= this.#openingNow) break;
      this.#waiting.delete(waiting);
      this.#open(waiting);
    }
    if (this.#waiting.size > 0) void this.#watch();
  }

  #open({ socket, letIn }: Waiting): void {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#opening.set(peer, { socket, since: this.#clock.monotonic() });
    this.#admitted += 1;
    socket.once("close", () => this.#free(peer, socket));
    letIn();
    void this.#watch();
  }

  /** A place is free; of an address that came again, only the connection that has it gives it back. */
  #free(peer: string, socket = this.#opening.get(peer)?.socket): void {
    if (this.#opening.get(peer)?.socket !== socket) return;
    this.#opening.delete(peer);
    if (!this.#closed) this.#next();
  }

  #adapt(by: number): void {
    const { openingMax } = this.#limits;
    const least = Math.min(OPENING_MIN, openingMax);
    this.#openingNow = Math.max(least, Math.min(openingMax, this.#openingNow + by));
  }

  #refuse(socket: Socket): void {
    this.#refused += 1;
    socket.destroy();
  }

  /** While anyone waits or opens: cuts those that do nothing with their places, and sends away who stands too long. */
  async #watch(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    while (!this.#closed && (this.#waiting.size > 0 || this.#opening.size > 0)) {
      await this.#clock.sleep(SECOND / 4);
      const now = this.#clock.monotonic();
      if (this.#waiting.size > 0) this.#crowdedAt = this.#clock.now();
      for (const [peer, { socket, since }] of this.#opening) {
        if (now - since < this.#limits.openingFor) break;
        // Its place is free only with its end: whoever is still being served is no place less.
        this.#adapt(-Math.ceil(this.#openingNow / 8));
        this.#refuse(socket);
        this.#free(peer, socket);
      }
      for (const waiting of this.#waiting) {
        if (now - waiting.since < this.#limits.waitingFor) break;
        this.#waiting.delete(waiting);
        this.#refuse(waiting.socket);
      }
      this.#next();
    }
    this.#watching = false;
  }
}
