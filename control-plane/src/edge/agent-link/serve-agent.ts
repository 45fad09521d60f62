/** One agent's stream after its hello: what it says is handed to its room, in the order it came. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ConnectRequest,
  ConnectResponseSchema,
  type Frame,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import { cleanInventory } from "../../fleet/domain/inventory.js";
import { type Session, saveInventory } from "../../fleet/fleet.module.js";
import { OpsError } from "../../kernel/errors.js";
import { type Duration, type Instant, SECOND } from "../../kernel/time.js";
import type { Logger } from "../../platform/logger.js";
import type { Database } from "../../platform/postgres/database.js";
import type { Clock } from "../../platform/system.js";
import type { FrameSession } from "../../timeseries/timeseries.module.js";
import { type CommandEvents, CommandInbox } from "./command-events.js";
import { toInventory } from "./from-wire.js";
import { InventoryKeeper } from "./inventory-keeper.js";

/** A stream that has much to say lets the others speak after this many messages, and at the latest after this long. */
const SLICE_MESSAGES = 32;
const SLICE: Duration = 5;

/** A certificate is asked for twice in its life; an agent that asks more often than this has gone wrong. */
const RENEWAL_INTERVAL_MIN: Duration = 5 * SECOND;

export interface ServeAgentDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly session: Session;
  readonly frames: FrameSession;
  readonly commandEvents: CommandEvents;
  readonly hearFailover: (node: string, message: FailoverMessage) => void;
  /** A new certificate for this node. */
  readonly renew: (csr: Uint8Array) => Promise<{ readonly chainPem: string; readonly expiresAt: Instant }>;
  readonly caPem: string;
  /** Aborts when the session has ended. */
  readonly signal: AbortSignal;
}

export class AgentConversation {
  readonly #deps: ServeAgentDeps;
  readonly #commands: CommandInbox;
  readonly #inventory: InventoryKeeper;
  #resendAsked = false;
  #renewedAt: Instant | undefined;

  constructor(deps: ServeAgentDeps) {
    this.#deps = deps;
    const { session, database, clock, logger, signal } = deps;
    const { nodeId } = session;
    this.#commands = new CommandInbox({
      nodeId,
      events: deps.commandEvents,
      acknowledge: (id, mode, through) => session.acknowledgeCommand(id, mode, through),
      clock,
      logger,
      signal,
    });
    this.#inventory = new InventoryKeeper({
      save: (inventory) => saveInventory(database, nodeId, inventory, clock.now()),
      clock,
      logger: logger.with({ nodeId }),
      signal,
    });
  }

  /** Reads until the agent closes its stream, or the session ends. Throws what the stream is to be ended with. */
  async listen(messages: AsyncIterator<ConnectRequest>): Promise<void> {
    const { session, clock, signal } = this.#deps;
    let sliceEnds = clock.monotonic() + SLICE;
    for (let count = 1; !signal.aborted; count++) {
      const next = await messages.next();
      if (next.done === true) return;
      session.touch();
      await this.#take(next.value);
      if (count % SLICE_MESSAGES === 0 && clock.monotonic() >= sliceEnds) {
        await clock.sleep(0);
        sliceEnds = clock.monotonic() + SLICE;
      }
    }
  }

  #take({ body }: ConnectRequest): Promise<void> | undefined {
    const { frames, clock } = this.#deps;
    switch (body.case) {
      case "frame":
        return this.#takeFrame(body.value);
      case "layout":
        this.#resendAsked = false;
        frames.layout(body.value.layoutId, body.value.refs);
        return frames.busy ? this.#room() : undefined;
      case "series":
        this.#resendAsked = false;
        frames.announce(body.value.series);
        return frames.busy ? this.#room() : undefined;
      case "commandEvent":
        return this.#commands.push(body.value);
      case "inventory":
        this.#inventory.keep(cleanInventory(toInventory(body.value), clock.now()));
        return undefined;
      case "renew":
        this.#renew(body.value.csr);
        return undefined;
      case "failover":
        this.#deps.hearFailover(this.#deps.session.nodeName, body.value);
        return undefined;
      case "heartbeat":
        return undefined;
      case "hello":
        throw new OpsError("FAILED_PRECONDITION", "connect: a second hello on one stream");
      default:
        // A newer agent may say what this control plane does not know yet.
        return undefined;
    }
  }

  #takeFrame(frame: Frame): Promise<void> | undefined {
    const answer = this.#offer(frame);
    if (answer === "busy") return this.#takeWhenReady(frame);
    if (answer === "unknown-layout") this.#askToResend();
    return undefined;
  }

  #offer(frame: Frame): "taken" | "unknown-layout" | "busy" {
    const { sequence, layoutId, timestampMs, values } = frame;
    return this.#deps.frames.frame(sequence, layoutId, Number(timestampMs), values);
  }

  async #takeWhenReady(frame: Frame): Promise<void> {
    while (!this.#deps.signal.aborted) {
      await this.#room();
      const answer = this.#offer(frame);
      if (answer === "busy") continue;
      if (answer === "unknown-layout") this.#askToResend();
      return;
    }
  }

  /** Thousands may wait here at once: no timer each, and no looking again before they are told. */
  async #room(): Promise<void> {
    const { frames, session, signal } = this.#deps;
    session.hold(true);
    try {
      do await frames.ready();
      while (frames.busy && !signal.aborted);
    } finally {
      session.hold(false);
    }
  }

  /** Once, until something is announced again: frames under way would each ask for it. */
  #askToResend(): void {
    if (this.#resendAsked) return;
    this.#resendAsked = true;
    this.#deps.session.send(
      create(ConnectResponseSchema, {
        body: { case: "resendSeries", value: { because: "a frame named a layout that was not announced" } },
      }),
    );
  }

  /** Beside the reading, so that frames go on while the new certificate is made and stored. */
  #renew(csr: Uint8Array): void {
    const { session, clock, logger, renew, caPem } = this.#deps;
    const now = clock.now();
    if (this.#renewedAt !== undefined && now - this.#renewedAt < RENEWAL_INTERVAL_MIN) {
      throw new OpsError("RESOURCE_EXHAUSTED", "renew: asked for more often than every 5 s");
    }
    this.#renewedAt = now;
    renew(csr).then(
      ({ chainPem, expiresAt }) => {
        session.certificateExpiresAt = expiresAt;
        session.send(
          create(ConnectResponseSchema, {
            body: {
              case: "renewed",
              value: { certificatePem: chainPem, caPem, expiresAt: timestampFromMs(expiresAt) },
            },
          }),
        );
      },
      (error: unknown) => {
        logger.warn("a certificate could not be renewed", { nodeId: session.nodeId }, error);
        // What passes is asked for again by the agent; what does not, it must be told.
        if (error instanceof OpsError && error.code !== "UNAVAILABLE") session.end(error);
      },
    );
  }
}
