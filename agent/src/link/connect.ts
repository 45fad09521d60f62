/** Keeps one stream to the control plane open: carries out what `session.ts` decides, and pumps what waits. */
import { create } from "@bufbuild/protobuf";
import {
  type ConnectRequest,
  ConnectRequestSchema,
  HelloSchema,
  type Inventory,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import type { Log } from "../log.js";
import { reasonOf } from "../log.js";
import type { System } from "../system.js";
import { Announcer } from "./announcer.js";
import type { BackoffBounds } from "./backoff.js";
import type { Secure, Stream, StreamEvents } from "./channel.js";
import { ClockJump } from "./clock-jump.js";
import type { Outbox } from "./outbox.js";
import type { OutboxReader } from "./outbox-reader.js";
import { Pace } from "./pace.js";
import type { EventFeed, LinkIdentity, LinkListener } from "./ports.js";
import { firstState, type LinkEffect, type LinkInput, type LinkState, nextTurnAt, step } from "./session.js";
import { announcementMessages, frameMessage } from "./wire.js";

/** Figures for the probes. */
export interface LinkFigures {
  readonly state: LinkState["kind"];
  readonly liveSince: number | undefined;
  readonly streamsOpened: number;
  readonly framesSent: number;
  readonly eventsSent: number;
}

/** What the link is made of. */
export interface LinkParts {
  readonly system: System;
  readonly log: Log;
  readonly outbox: Outbox;
  readonly events: EventFeed;
  readonly identity: LinkIdentity;
  readonly listener: LinkListener;
  /** Opens a stream with mutual TLS to one of the places, 0 and up. */
  readonly open: (secure: Secure, events: StreamEvents, place: number) => Stream;
  /** Replicas of the control plane that may be reached. Default 1. */
  readonly places?: number;
  /** How long to wait before the next try. Default `linkBackoff`. */
  readonly bounds?: BackoffBounds;
  /** Bytes of backlog a second. Default 4 MiB: an hour of 500 series is over in a second and nothing starves. */
  readonly backlogBytesPerSecond?: number;
}

/** Series or layouts that one stream is told before it is replaced by a new one, so that nothing grows for ever. */
const announcedMax = 100_000;
const controlMax = 64;
const backlogPauseMs = 20;
/** How long waiting frames may still be pushed out when the agent stops. */
const partingMs = 3_000;

/** The link. `start` once, `stop` once. */
export class Link {
  readonly #parts: LinkParts;
  readonly #pace: Pace;
  readonly #jump: ClockJump;
  #state: LinkState = { kind: "stopped" };
  #stream: Stream | undefined;
  #streamNumber = 0;
  /** Where the next stream is opened; one that ended is followed by one elsewhere, for its replica may be gone. */
  #place = 0;
  #announcer = new Announcer();
  #reader: OutboxReader | undefined;
  #control: ConnectRequest[] = [];
  #inventory: { readonly message: Inventory; sentOn: number } | undefined;
  #pumping = false;
  #wakeTimer: (() => void) | undefined;
  #lastSentAt = 0;
  #liveSince: number | undefined;
  #framesSent = 0;
  #eventsSent = 0;
  #onOver: (() => void) | undefined;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.#pace = new Pace(parts.backlogBytesPerSecond ?? 4 * 1024 * 1024);
    this.#jump = new ClockJump(parts.system.clock);
    parts.outbox.onFrame(() => this.#pumpSoon());
    parts.events.onEvent(() => this.#pumpSoon());
  }

  get figures(): LinkFigures {
    return {
      state: this.#state.kind,
      liveSince: this.#liveSince,
      streamsOpened: this.#streamNumber,
      framesSent: this.#framesSent,
      eventsSent: this.#eventsSent,
    };
  }

  /** Begins to connect; returns at once. */
  start(): void {
    this.#state = firstState(this.#now(), this.#parts.system.draws.fraction());
    this.#wait();
  }

  /** Sends what can still be sent, ends the stream in order and resolves when it is over; a few seconds at most. */
  async stop(): Promise<void> {
    const { timers } = this.#parts.system;
    const until = this.#now() + partingMs;
    while (this.#state.kind === "live" && this.#pumping && this.#now() < until) await timers.sleep(20);
    const over = new Promise<void>((resolve) => {
      this.#onOver = resolve;
    });
    this.#on({ kind: "stop" });
    const given = new AbortController();
    if (this.#stream !== undefined) await Promise.race([over, timers.sleep(partingMs, given.signal)]);
    given.abort();
    this.#stream?.cancel();
    this.#wakeTimer?.();
  }

  /** Tries at once instead of waiting longer: what was missing is there now. */
  tryNow(): void {
    if (this.#state.kind !== "waiting") return;
    this.#state = { ...this.#state, until: this.#now() };
    this.#wait();
  }

  /** Whether a renewal can be asked for now; asks for it when so. */
  renew(csr: Uint8Array): boolean {
    if (this.#state.kind !== "live") return false;
    return this.#say({ case: "renew", value: { $typeName: "mainstay.agent.v1.RenewRequest", csr } });
  }

  /** Says it now, before all else, or not at all: failover's messages are of no use later. */
  sayFailover(message: FailoverMessage): boolean {
    return this.#state.kind === "live" && this.#say({ case: "failover", value: message });
  }

  /** The newest inventory; sent once on each stream and whenever it is another. */
  offerInventory(message: Inventory): void {
    if (this.#inventory?.message.hash === message.hash) return;
    this.#inventory = { message, sentOn: 0 };
    this.#pumpSoon();
  }

  #now(): number {
    return this.#parts.system.clock.monotonic();
  }

  #on(input: LinkInput): void {
    const before = this.#state.kind;
    const { state, effects } = step(this.#state, input, this.#now(), this.#parts.system.draws.fraction());
    this.#state = state;
    if ((state.kind === "live") !== (before === "live")) {
      this.#liveSince = state.kind === "live" ? this.#parts.system.clock.now() : undefined;
      this.#parts.listener.live(state.kind === "live");
    }
    for (const effect of effects) this.#carryOut(effect);
    this.#wait();
  }

  #wait(): void {
    this.#wakeTimer?.();
    this.#wakeTimer = undefined;
    const at = nextTurnAt(this.#state, this.#lastSentAt);
    if (at === undefined) return;
    const inMs = Math.max(1, at - this.#now());
    this.#wakeTimer = this.#parts.system.timers.after(inMs, () =>
      this.#on({ kind: "turn", lastSentAt: this.#lastSentAt }),
    );
  }

  #carryOut(effect: LinkEffect): void {
    const { outbox, events, listener, log, system } = this.#parts;
    switch (effect.kind) {
      case "open":
        this.#open();
        break;
      case "begin":
        this.#jump.settle();
        if (effect.serverTimeMs !== undefined) listener.clockOffset(effect.serverTimeMs - system.clock.now());
        this.#begin(effect.resumeAfter);
        break;
      case "heartbeat": {
        if (this.#clockWasSet()) break;
        const sentAtMs = BigInt(Math.trunc(system.clock.now()));
        this.#lastSentAt = this.#now();
        this.#say({ case: "heartbeat", value: { $typeName: "mainstay.agent.v1.Heartbeat", sentAtMs } });
        break;
      }
      case "acknowledge-frames":
        outbox.acknowledge(effect.through);
        break;
      case "acknowledge-events":
        events.acknowledge(effect.acknowledged);
        break;
      case "order":
        // By a clock that was set it would be judged wrongly, and for good. It comes again on the next stream.
        if (!this.#clockWasSet()) listener.order(effect.order);
        break;
      case "cancel-order":
        listener.cancelOrder(effect.commandId, effect.because);
        break;
      case "renewed":
        listener.renewed(effect.renewed);
        break;
      case "order-keys":
        listener.orderKeys(effect.keys);
        break;
      case "failover":
        listener.failover?.(effect.message);
        break;
      case "announce-again":
        this.#announcer = new Announcer();
        // Frames that went out under names the other side did not know were not taken over.
        this.#reader = this.#reader && outbox.readAfter(outbox.acknowledged);
        this.#pumpSoon();
        break;
      case "end-stream":
        this.#stream?.end();
        break;
      case "cut-stream":
        this.#stream?.cancel();
        break;
      case "say":
        log(effect.level, effect.sentence, effect.facts);
        break;
    }
  }

  /** A stream that was opened before this host's clock was set is replaced: its greeting tells the time. */
  #clockWasSet(): boolean {
    const byMs = this.#jump.look();
    if (byMs === undefined) return false;
    this.#parts.log("warn", "this host's clock was set; the stream is opened anew to learn the time", {
      byMs,
    });
    this.#stream?.cancel();
    return true;
  }

  #open(): void {
    const { identity, outbox } = this.#parts;
    const answer = identity.secure();
    if (answer.kind === "not-now") {
      // The wait is the slow one: this heals by a renewal, an enrolment or a person, not by trying again at once.
      this.#on({ kind: "ended", code: 16, details: answer.because });
      return;
    }
    const { places = 1, bounds } = this.#parts;
    const place = this.#place % places;
    const number = ++this.#streamNumber;
    this.#announcer = new Announcer();
    this.#reader = undefined;
    this.#control = [];
    const events: StreamEvents = {
      received: (message) => {
        if (number === this.#streamNumber) this.#on({ kind: "received", message });
      },
      ended: (code, details) => {
        if (number !== this.#streamNumber) return;
        this.#stream = undefined;
        this.#place = (place + 1) % places;
        this.#onOver?.();
        this.#on({ kind: "ended", code, details, places, ...(bounds === undefined ? {} : { bounds }) });
      },
    };
    const stream = this.#parts.open(answer.secure, events, place);
    this.#stream = stream;
    this.#lastSentAt = this.#now();
    const hello = create(HelloSchema, {
      ...identity.hello(),
      outboxId: outbox.id,
      lastSequence: outbox.lastSequence,
    });
    this.#say({ case: "hello", value: hello });
  }

  #begin(resumeAfter: bigint): void {
    const { outbox, events, log } = this.#parts;
    if (resumeAfter > outbox.lastSequence) {
      log("warn", "the control plane has frames that were lost here; the outbox begins a new run", {
        resumeAfter,
      });
      outbox.rename();
      this.#stream?.cancel();
      return;
    }
    outbox.acknowledge(resumeAfter);
    this.#reader = outbox.readAfter(resumeAfter);
    events.rewind();
    this.#pumpSoon();
  }

  /** Queues a message that goes before all else. False when too many wait: the other side does not read. */
  #say(body: ConnectRequest["body"]): boolean {
    if (this.#stream === undefined || this.#control.length >= controlMax) return false;
    this.#control.push(create(ConnectRequestSchema, { body }));
    this.#pumpSoon();
    return true;
  }

  #pumpSoon(): void {
    if (this.#pumping || this.#stream === undefined) return;
    this.#pumping = true;
    const stream = this.#stream;
    this.#pump(stream)
      // A send fails only when the stream is over, and that is told by `ended`.
      .catch((error: unknown) => this.#parts.log("debug", "the pump stopped", { because: reasonOf(error) }))
      .finally(() => {
        this.#pumping = false;
        // What was said between the last look and now, or on the stream that came after this one.
        if (this.#control.length > 0 || (stream !== this.#stream && this.#stream !== undefined))
          this.#pumpSoon();
      });
  }

  async #pump(stream: Stream): Promise<void> {
    while (stream === this.#stream) {
      const messages = this.#next();
      if (messages === undefined) return;
      for (const message of messages) {
        await stream.send(message);
        this.#lastSentAt = this.#now();
      }
      // Control messages and events that come up meanwhile go first on the next turn.
      if (messages.length === 0) await this.#parts.system.timers.sleep(backlogPauseMs);
    }
  }

  /** What goes next: control, then events of commands, then the inventory, then frames in order. */
  #next(): readonly ConnectRequest[] | undefined {
    const control = this.#control.shift();
    if (control !== undefined) return [control];
    if (this.#state.kind !== "live") return undefined;
    const event = this.#parts.events.next();
    if (event !== undefined) {
      this.#eventsSent++;
      return [create(ConnectRequestSchema, { body: { case: "commandEvent", value: event } })];
    }
    if (this.#inventory !== undefined && this.#inventory.sentOn !== this.#streamNumber) {
      this.#inventory.sentOn = this.#streamNumber;
      return [create(ConnectRequestSchema, { body: { case: "inventory", value: this.#inventory.message } })];
    }
    return this.#nextFrame();
  }

  #nextFrame(): readonly ConnectRequest[] | undefined {
    if (!this.#pace.mayGo(this.#now())) return [];
    const outgoing = this.#reader?.next();
    if (outgoing === undefined) return undefined;
    if (this.#announcer.size > announcedMax) {
      this.#parts.log("info", "too many series were announced on this stream; it is replaced", {});
      this.#stream?.cancel();
      return undefined;
    }
    const announcement = this.#announcer.announce(outgoing.set);
    this.#framesSent++;
    this.#pace.spend(outgoing.frame.values.length, this.#now());
    return [...announcementMessages(announcement), frameMessage(announcement.layoutId, outgoing.frame)];
  }
}
