/**
 * The agents' end of the house: enrolment, and the stream. The door learns who speaks and hands each message to its room.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ConnectRequest,
  ConnectResponseSchema,
  type EnrollRequest,
  type EnrollResponseSchema,
  type Hello,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import type { PublicOrderKey } from "../access/access.module.js";
import { admitAgent } from "../fleet/domain/admit-agent.js";
import { HEARTBEAT } from "../fleet/domain/agent.js";
import { cleanDescription } from "../fleet/domain/inventory.js";
import {
  type Certifier,
  enrollAgent,
  type Outlet,
  readAdmission,
  renewCertificate,
  type Session,
  type Sessions,
  StreamOpenings,
} from "../fleet/fleet.module.js";
import { messageOf, OpsError } from "../kernel/errors.js";
import { type Duration, type Instant, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { TimeSeriesDoor } from "../timeseries/timeseries.module.js";
import type { CommandEvents } from "./agent-link/command-events.js";
import { type AgentCall, endCall } from "./agent-link/end-call.js";
import { toDescription } from "./agent-link/from-wire.js";
import { type Peer, peerOf } from "./agent-link/peer.js";
import { AgentConversation } from "./agent-link/serve-agent.js";

export type { CommandEvents } from "./agent-link/command-events.js";
export type { AgentCall } from "./agent-link/end-call.js";

/** An agent says hello within this, or is sent away. */
const HELLO_WITHIN: Duration = 10 * SECOND;
const OUTBOX_ID = /^[A-Za-z0-9._-]{1,128}$/;
const OPEN_COMMANDS_MAX = 1_000;
const COMMAND_ID_MAX = 64;

export interface AgentLinkDeps {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly sessions: Sessions;
  /** This process, as the fleet names it. */
  readonly replicaId: string;
  readonly certifier: Certifier;
  /** The keys that orders are signed with; agents pin them. */
  readonly orderKeys: () => readonly PublicOrderKey[];
  /** Resolves when streams are served here; throws UNAVAILABLE when another replica leads. @default at once */
  readonly admit?: () => Promise<void>;
  /** Told of each peer that was welcomed: the next may come. @default nobody waits for it */
  readonly welcomed?: (peer: string) => void;
  readonly telemetry: Pick<TimeSeriesDoor, "openSession" | "onDurable">;
  readonly commandEvents: CommandEvents;
  /** What a node says of its database cluster. @default nobody listens */
  readonly hearFailover?: (node: string, message: FailoverMessage) => void;
}

export class AgentLink {
  readonly #deps: AgentLinkDeps;
  readonly #openings: StreamOpenings;

  constructor(deps: AgentLinkDeps) {
    this.#deps = deps;
    this.#openings = new StreamOpenings(deps.database);
    deps.telemetry.onDurable((node, outboxId, through) => {
      const session = deps.sessions.get(node);
      if (session?.outboxId === outboxId) session.acknowledgeFrames(through);
    });
  }

  /** AgentService.Enroll; `peer` is the address the request came from. */
  async enroll(request: EnrollRequest, peer: string): Promise<MessageInitShape<typeof EnrollResponseSchema>> {
    const { database, system, certifier, orderKeys, logger } = this.#deps;
    const enrolled = await enrollAgent({ database, system, certifier }, { ...request, from: peer });
    const { certificate, nodeId, nodeName } = enrolled;
    logger.info("a node enrolled", { nodeId, node: nodeName, certificateExpiresAt: certificate.expiresAt });
    return {
      nodeId,
      certificatePem: certificate.chainPem,
      caPem: certifier.certificatePem,
      orderKeys: orderKeys().map((key) => ({ ...key })),
      expiresAt: timestampFromMs(certificate.expiresAt),
    };
  }

  /** Serves one agent's stream to its end. Never throws: the call ends with a status. */
  async serve(call: AgentCall): Promise<void> {
    const { logger, system } = this.#deps;
    try {
      await this.#serve(call);
    } catch (error) {
      if (call.cancelled) return;
      logger.info("an agent's stream was refused", { peer: call.getPeer(), because: messageOf(error) });
      if (!(error instanceof OpsError)) logger.error("an agent's stream failed", {}, error);
      endCall(call, error, system.clock);
    }
  }

  /** Sends all agents away, spread over time, and ends their streams. */
  drain(): Promise<void> {
    return this.#deps.sessions.drain("the control plane is shutting down");
  }

  async #serve(call: AgentCall): Promise<void> {
    const { database, system, sessions, replicaId, orderKeys, telemetry, commandEvents, logger } = this.#deps;
    const { clock } = system;
    // The ordinary iterator would destroy the call at its end, and with it the status that is still to be sent.
    const messages = call.iterator({ destroyOnReturn: false }) as AsyncIterator<ConnectRequest>;
    const peer = peerOf(call);
    const admission = await this.#admit(peer);
    const hello = await this.#hello(messages);
    await this.#deps.admit?.();
    const ended = new AbortController();
    const opened = await this.#openings.open(
      { nodeId: peer.nodeId, nodeName: admission.name, replicaId, peer: call.getPeer() },
      cleanDescription(toDescription(hello)),
      clock.now(),
    );
    const outlet = outletOf(call, ended, (reason) => endCall(call, reason, clock));
    const session = sessions.open({
      nodeId: peer.nodeId,
      nodeName: admission.name,
      generation: opened.generation,
      certificateExpiresAt: admission.certificateExpiresAt,
      outboxId: hello.outboxId,
      outlet,
    });
    const lost = (): void => session.end(undefined, "the connection was lost");
    call.on("drain", () => session.drained());
    call.on("cancelled", lost);
    if (call.cancelled) lost();
    try {
      const { session: frames, resumeAfter } = await telemetry.openSession({
        id: peer.nodeId,
        name: admission.name,
        outboxId: hello.outboxId,
      });
      // Another may have taken over while this stream was being opened.
      await this.#deps.admit?.();
      ended.signal.addEventListener("abort", () => frames.close(), { once: true });
      if (ended.signal.aborted) frames.close();
      frames.onLost((because) => session.end(new OpsError("UNAVAILABLE", because)));
      session.send(
        create(ConnectResponseSchema, {
          body: {
            case: "welcome",
            value: {
              nodeId: peer.nodeId,
              sessionGeneration: BigInt(opened.generation),
              serverTime: timestampFromMs(clock.now()),
              heartbeatMs: HEARTBEAT,
              resumeAfterSequence: resumeAfter,
              orderKeys: orderKeys().map((key) => ({ ...key })),
            },
          },
        }),
      );
      sessions.announce(session);
      this.#deps.welcomed?.(call.getPeer());
      await commandEvents.connected(peer.nodeId, openCommands(hello));
      const conversation = new AgentConversation({
        database,
        clock,
        logger,
        session,
        frames,
        commandEvents,
        hearFailover: this.#deps.hearFailover ?? (() => undefined),
        renew: (csr) => renewCertificate(this.#deps, peer.nodeId, csr),
        caPem: this.#deps.certifier.certificatePem,
        signal: ended.signal,
      });
      await conversation.listen(messages);
      session.end(undefined, "the agent closed its stream");
    } catch (error) {
      this.#endWith(call, session, error);
    }
  }

  /** The stream broke, or something of ours did, or the agent said what it must not. */
  #endWith(call: AgentCall, session: Session, error: unknown): void {
    if (session.ended) return;
    if (call.cancelled || call.destroyed) {
      session.end(undefined, "the connection was lost");
    } else if (error instanceof OpsError) {
      session.end(error);
    } else {
      this.#deps.logger.error("an agent's stream failed", { nodeId: session.nodeId }, error);
      session.end(new OpsError("INTERNAL", "the stream failed inside", {}, { cause: error }));
    }
  }

  async #admit(peer: Peer): Promise<{ readonly name: string; readonly certificateExpiresAt: Instant }> {
    const { database, system } = this.#deps;
    const known = await readAdmission(database, peer.serial);
    const verdict = admitAgent({ claimed: peer.nodeId, known }, system.clock.now(), (at) =>
      new Date(at).toISOString(),
    );
    if (verdict.kind === "refused" || known === undefined) {
      const because = verdict.kind === "refused" ? verdict.because : "unknown";
      throw new OpsError(verdict.kind === "refused" ? verdict.code : "PERMISSION_DENIED", because);
    }
    return { name: known.name, certificateExpiresAt: known.certificateExpiresAt };
  }

  async #hello(messages: AsyncIterator<ConnectRequest>): Promise<Hello> {
    const waited = new AbortController();
    const first = await Promise.race([
      messages.next(),
      this.#deps.system.clock.sleep(HELLO_WITHIN, waited.signal).then(() => undefined),
    ]);
    waited.abort();
    if (first === undefined) {
      throw new OpsError("DEADLINE_EXCEEDED", `connect: no hello within ${HELLO_WITHIN / SECOND} s`);
    }
    if (first.done === true) throw new OpsError("CANCELLED", "connect: the stream ended before its hello");
    const { body } = first.value;
    if (body.case !== "hello") {
      throw new OpsError(
        "FAILED_PRECONDITION",
        `connect: the first message is ${body.case ?? "empty"}, expected hello`,
      );
    }
    if (!OUTBOX_ID.test(body.value.outboxId)) {
      throw new OpsError(
        "INVALID_ARGUMENT",
        "connect: outbox_id is not 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'",
      );
    }
    return body.value;
  }
}

function outletOf(
  call: AgentCall,
  ended: AbortController,
  end: (reason: OpsError | undefined) => void,
): Outlet {
  return {
    // After a cancellation nothing is sent, and nothing will drain.
    write: (message) => call.cancelled || call.destroyed || call.write(message),
    end: (reason) => {
      ended.abort();
      end(reason);
    },
  };
}

function openCommands(hello: Hello): readonly string[] {
  return hello.openCommandIds.slice(0, OPEN_COMMANDS_MAX).map((id) => id.slice(0, COMMAND_ID_MAX));
}
