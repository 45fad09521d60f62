/** The streams that are open on this replica, and the one way to send to a node. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ConnectResponseSchema } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { OpsError } from "../kernel/errors.js";
import type { NodeId } from "../kernel/ids.js";
import { type Duration, type Instant, SECOND } from "../kernel/time.js";
import type { Clock } from "../platform/system.js";
import { Session, type SessionOptions } from "./session.js";

/** What became of a message: `sent` means handed over or queued; `slow` means the stream was ended for not reading. */
export type SendOutcome = "sent" | "not-connected" | "slow";

/** How many streams are told to go before others get their turn; and how many are ended, which takes ten times longer. */
const CHUNK = 200;
const ENDED_AT_ONCE = 20;

/** A TLS handshake costs about 3 ms of CPU; agents that are sent away come back spread over this much each. */
const RETURN_SPREAD: Duration = 5;
const RETURN_AFTER: Duration = SECOND;

export interface SessionFigures {
  readonly streams: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly opened: number;
  /** Streams ended because their reader was too slow. */
  readonly slow: number;
}

/** What an older stream of a node ends with. */
export function newerStreamError(nodeName: string): OpsError {
  return new OpsError("ABORTED", `node "${nodeName}" opened a newer stream`);
}

/** Told of a stream; throwing is a fault of the listener. */
export type SessionListener = (session: Session) => void;
export type SessionEndListener = (session: Session, because: string) => void;

export class Sessions {
  readonly #clock: Clock;
  readonly #byNode = new Map<NodeId, Session>();
  readonly #openedListeners = new Set<SessionListener>();
  readonly #connected = new Set<SessionListener>();
  readonly #ended = new Set<SessionEndListener>();
  #opened = 0;
  #slow = 0;
  #draining = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Registers a stream. An older stream of the same node is ended. Throws ABORTED when a newer one is already there,
   * UNAVAILABLE when this replica is being drained. It can be sent to once it was announced.
   */
  open(options: Omit<SessionOptions, "clock" | "onEnded">): Session {
    if (this.#draining)
      throw new OpsError("UNAVAILABLE", "this replica of the control plane is shutting down");
    const before = this.#byNode.get(options.nodeId);
    if (before !== undefined && before.generation >= options.generation) {
      throw new OpsError("ABORTED", `node "${options.nodeName}" has a newer stream (${before.generation})`);
    }
    const session = new Session({
      ...options,
      clock: this.#clock,
      onEnded: (ended, because) => this.#forget(ended, because),
    });
    this.#byNode.set(options.nodeId, session);
    this.#opened += 1;
    before?.end(newerStreamError(before.nodeName));
    for (const listener of this.#openedListeners) listener(session);
    return session;
  }

  /** The agent was welcomed: from here on the session can be sent to, and the listeners are told. */
  announce(session: Session): void {
    if (session.ended) return;
    session.ready = true;
    for (const listener of this.#connected) listener(session);
  }

  /** Sends to the node if its stream is here. */
  send(nodeId: NodeId, message: MessageInitShape<typeof ConnectResponseSchema>): SendOutcome {
    const session = this.#byNode.get(nodeId);
    if (session?.ready !== true) return "not-connected";
    return session.send(create(ConnectResponseSchema, message)) ? "sent" : "slow";
  }

  isConnected(nodeId: NodeId): boolean {
    return this.#byNode.get(nodeId)?.ready === true;
  }

  /** The generation of the node's stream here; undefined when it cannot be sent to. */
  generation(nodeId: NodeId): number | undefined {
    const session = this.#byNode.get(nodeId);
    return session?.ready === true ? session.generation : undefined;
  }

  get(nodeId: NodeId): Session | undefined {
    return this.#byNode.get(nodeId);
  }

  /** All open sessions, as of now. */
  all(): readonly Session[] {
    return [...this.#byNode.values()];
  }

  /** Ids of the nodes connected here. */
  connectedNodes(): readonly NodeId[] {
    return [...this.#byNode.keys()];
  }

  /** Ends the node's stream here, if there is one; with `below`, only when its generation is lower. */
  end(nodeId: NodeId, reason: OpsError, below?: number): void {
    const session = this.#byNode.get(nodeId);
    if (session !== undefined && (below === undefined || session.generation < below)) session.end(reason);
  }

  /** `listener` is told of each session as soon as it is open, before it can be sent to. Returns the way to stop. */
  onOpened(listener: SessionListener): () => void {
    this.#openedListeners.add(listener);
    return () => this.#openedListeners.delete(listener);
  }

  /** `listener` is told of each session once it can be sent to. Returns the way to stop. */
  onConnected(listener: SessionListener): () => void {
    this.#connected.add(listener);
    return () => this.#connected.delete(listener);
  }

  /** `listener` is told of each session that has ended, and why. Returns the way to stop. */
  onEnded(listener: SessionEndListener): () => void {
    this.#ended.add(listener);
    return () => this.#ended.delete(listener);
  }

  /**
   * Ends the streams that outlived their certificate, their silence or a stuck reader. When a network goes away they are
   * thousands, and each end takes its time: the others get their turn in between.
   */
  async check(now: Instant): Promise<void> {
    let ended = 0;
    for (const session of this.#byNode.values()) {
      session.check(now);
      if (!session.ended) continue;
      ended += 1;
      if (ended % ENDED_AT_ONCE === 0) await this.#clock.sleep(0);
    }
  }

  /**
   * Sends every agent away, spread so that they do not all return at once, and ends the streams after `grace`.
   * New streams are refused from here on.
   */
  async drain(because: string, grace: Duration = SECOND): Promise<void> {
    this.#draining = true;
    await this.sendAway(because, grace);
  }

  /** The same without refusing new streams: the agents are to come again. Nothing more is sent over the old ones. */
  async sendAway(because: string, grace: Duration = SECOND): Promise<void> {
    const sessions = this.all();
    for (const session of sessions) session.ready = false;
    const jitterMs = Math.max(RETURN_AFTER, sessions.length * RETURN_SPREAD);
    for (const chunk of chunks(sessions)) {
      for (const session of chunk) {
        session.send(
          create(ConnectResponseSchema, {
            body: { case: "drain", value: { reconnectAfterMs: RETURN_AFTER, jitterMs, because } },
          }),
        );
      }
      await this.#clock.sleep(0);
    }
    const left = (): readonly Session[] => sessions.filter(({ ended }) => !ended);
    const waited = this.#clock.monotonic() + grace;
    while (left().length > 0 && this.#clock.monotonic() < waited) await this.#clock.sleep(25);
    for (const chunk of chunks(left())) {
      for (const session of chunk) session.end(new OpsError("UNAVAILABLE", because));
      await this.#clock.sleep(0);
    }
  }

  figures(): SessionFigures {
    let queuedMessages = 0;
    let queuedBytes = 0;
    for (const session of this.#byNode.values()) {
      queuedMessages += session.queuedMessages;
      queuedBytes += session.queuedBytes;
    }
    return {
      streams: this.#byNode.size,
      queuedMessages,
      queuedBytes,
      opened: this.#opened,
      slow: this.#slow,
    };
  }

  #forget(session: Session, because: string): void {
    if (this.#byNode.get(session.nodeId) === session) this.#byNode.delete(session.nodeId);
    if (session.slow) this.#slow += 1;
    for (const listener of this.#ended) listener(session, because);
  }
}

function* chunks(sessions: readonly Session[]): Generator<readonly Session[]> {
  for (let at = 0; at < sessions.length; at += CHUNK) yield sessions.slice(at, at + CHUNK);
}
