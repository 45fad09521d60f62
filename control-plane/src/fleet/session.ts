/**
 * One agent's open stream, as the rest of the house sees it: a bounded queue down, and the time of the last word up.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type CommandAcknowledge,
  CommandAcknowledgeSchema,
  type ConnectResponse,
  ConnectResponseSchema,
  type OrderMode,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { OpsError } from "../kernel/errors.js";
import type { NodeId } from "../kernel/ids.js";
import { type Duration, type Instant, SECOND } from "../kernel/time.js";
import type { Clock } from "../platform/system.js";

/** Messages and bytes that may wait for a slow reader; with more it is disconnected. */
export const QUEUE_MESSAGES_MAX = 64;
export const QUEUE_BYTES_MAX = 256 * 1_024;

/** A reader that takes nothing for this long while something waits is disconnected. */
export const STALL_MAX: Duration = 15 * SECOND;

/** A stream that says nothing for this long is ended: its agent heartbeats every 5 s. */
export const SILENCE_MAX: Duration = 30 * SECOND;

/** Acknowledgements are gathered for this long, so that a burst costs one message. */
const ACKNOWLEDGE_BATCH: Duration = 50;

/** The transport under a session. */
export interface Outlet {
  /** Hands over one message. False: hand over no more until the session is told `drained()`. */
  write(message: ConnectResponse): boolean;
  /** Ends the stream, with a status when `reason` is given; cuts it when the peer does not read even that. */
  end(reason: OpsError | undefined): void;
}

export interface SessionOptions {
  readonly nodeId: NodeId;
  readonly nodeName: string;
  /** Rises with each stream of the node. */
  readonly generation: number;
  readonly certificateExpiresAt: Instant;
  /** The agent's outbox; acknowledgements of frames of another one are not for this stream. */
  readonly outboxId: string;
  readonly outlet: Outlet;
  readonly clock: Clock;
  /** Told once when the session has ended, with a sentence of why. */
  readonly onEnded: (session: Session, because: string) => void;
}

export class Session {
  readonly nodeId: NodeId;
  readonly nodeName: string;
  readonly generation: number;
  readonly outboxId: string;
  readonly connectedAt: Instant;
  /** Set once the agent was welcomed; nothing else is sent before. */
  ready = false;
  /** Moves on when the certificate is renewed over the stream. */
  certificateExpiresAt: Instant;
  readonly #outlet: Outlet;
  readonly #clock: Clock;
  readonly #onEnded: SessionOptions["onEnded"];
  #heardAt: Instant;
  #held = false;
  readonly #queue: { message: ConnectResponse; bytes: number }[] = [];
  #queuedBytes = 0;
  #writable = true;
  #stalledSince: Instant | undefined;
  #ended = false;
  #slow = false;
  #framesThrough: bigint | undefined;
  #commands: Map<string, CommandAcknowledge> | undefined;
  #acknowledging = false;

  constructor(options: SessionOptions) {
    this.nodeId = options.nodeId;
    this.nodeName = options.nodeName;
    this.generation = options.generation;
    this.outboxId = options.outboxId;
    this.certificateExpiresAt = options.certificateExpiresAt;
    this.#outlet = options.outlet;
    this.#clock = options.clock;
    this.#onEnded = options.onEnded;
    this.connectedAt = options.clock.now();
    this.#heardAt = this.connectedAt;
  }

  /** Whether it was ended because its reader was too slow. */
  get slow(): boolean {
    return this.#slow;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get queuedMessages(): number {
    return this.#queue.length;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** When the agent was last heard, by any message; while nothing is read, now. */
  get heardAt(): Instant {
    return this.#held ? this.#clock.now() : this.#heardAt;
  }

  /** The agent was heard. */
  touch(): void {
    this.#heardAt = this.#clock.now();
  }

  /** While held nothing is read; that is our doing, so the agent counts as heard. */
  hold(held: boolean): void {
    this.#held = held;
    this.touch();
  }

  /** Sends, or queues behind a slow reader. False: the queue is full, and the session has been ended for it. */
  send(message: ConnectResponse): boolean {
    if (this.#ended) return false;
    if (this.#writable && this.#queue.length === 0) {
      this.#write(message);
      return true;
    }
    const bytes = toBinary(ConnectResponseSchema, message).length;
    if (this.#queue.length >= QUEUE_MESSAGES_MAX || this.#queuedBytes + bytes > QUEUE_BYTES_MAX) {
      this.#slow = true;
      this.end(
        new OpsError(
          "RESOURCE_EXHAUSTED",
          `node "${this.nodeName}" reads too slowly: ${this.#queue.length} messages, ${this.#queuedBytes} bytes wait ` +
            `(at most ${QUEUE_MESSAGES_MAX} and ${QUEUE_BYTES_MAX})`,
        ),
      );
      return false;
    }
    this.#queue.push({ message, bytes });
    this.#queuedBytes += bytes;
    return true;
  }

  /** Frames up to `through` are durable: the agent is told soon. Only the highest counts. */
  acknowledgeFrames(through: bigint): void {
    if (this.#framesThrough === undefined || through > this.#framesThrough) this.#framesThrough = through;
    this.#acknowledgeSoon();
  }

  /** Events of a command up to `throughSequence` are durable: the agent is told within 50 ms. */
  acknowledgeCommand(commandId: string, mode: OrderMode, throughSequence: number): void {
    this.#commands ??= new Map();
    const key = `${mode}:${commandId}`;
    const known = this.#commands.get(key);
    if (known === undefined) {
      this.#commands.set(key, create(CommandAcknowledgeSchema, { commandId, mode, throughSequence }));
    } else if (throughSequence > known.throughSequence) {
      known.throughSequence = throughSequence;
    }
    this.#acknowledgeSoon();
  }

  /** The transport takes messages again. */
  drained(): void {
    this.#writable = true;
    this.#stalledSince = undefined;
    while (this.#writable && !this.#ended) {
      const next = this.#queue.shift();
      if (next === undefined) {
        this.#acknowledgeNow();
        return;
      }
      this.#queuedBytes -= next.bytes;
      this.#write(next.message);
    }
  }

  /** Ends the stream. Without a reason it is an orderly end. Only the first call counts. */
  end(reason: OpsError | undefined, because: string = reason?.message ?? "the stream was ended"): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#outlet.end(reason);
    this.#onEnded(this, because);
  }

  /** Ends what has outlived its certificate, its silence or its reader's patience. */
  check(now: Instant): void {
    const reason = this.#overdue(now);
    if (reason !== undefined) this.end(reason);
  }

  #overdue(now: Instant): OpsError | undefined {
    if (this.certificateExpiresAt <= now) {
      const at = new Date(this.certificateExpiresAt).toISOString();
      return new OpsError("UNAUTHENTICATED", `certificate of node "${this.nodeName}" expired at ${at}`);
    }
    if (now - this.heardAt > SILENCE_MAX) {
      const silence = `${SILENCE_MAX / SECOND} s`;
      return new OpsError("DEADLINE_EXCEEDED", `node "${this.nodeName}" was not heard for ${silence}`);
    }
    if (this.#stalledSince !== undefined && now - this.#stalledSince > STALL_MAX && this.#queue.length > 0) {
      this.#slow = true;
      return new OpsError(
        "RESOURCE_EXHAUSTED",
        `node "${this.nodeName}" read nothing for ${STALL_MAX / SECOND} s`,
      );
    }
    return undefined;
  }

  #write(message: ConnectResponse): void {
    this.#writable = this.#outlet.write(message);
    if (!this.#writable) this.#stalledSince = this.#clock.now();
  }

  #acknowledgeSoon(): void {
    if (this.#acknowledging || this.#ended) return;
    this.#acknowledging = true;
    void this.#clock.sleep(ACKNOWLEDGE_BATCH).then(() => {
      this.#acknowledging = false;
      // While the reader is slow the acknowledgement stays one value, growing; drained() sends it.
      if (this.#writable) this.#acknowledgeNow();
    });
  }

  #acknowledgeNow(): void {
    if (this.#ended || (this.#framesThrough === undefined && this.#commands === undefined)) return;
    const message = create(ConnectResponseSchema, {
      body: {
        case: "acknowledge",
        value: { framesThrough: this.#framesThrough ?? 0n, commands: [...(this.#commands?.values() ?? [])] },
      },
    });
    this.#framesThrough = undefined;
    this.#commands = undefined;
    this.#write(message);
  }
}
