/** Orders to agents and events from them: proto message ↔ domain value. */
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type ConnectResponse,
  ConnectResponseSchema,
  FinishedOutcome,
  OrderSchema,
  OutputStream,
  type CommandEvent as WireEvent,
  OrderMode as WireMode,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { cleanText } from "../kernel/clean-text.js";
import { commandId, type NodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import type { Clock } from "../platform/system.js";
import type { AgentLine } from "./agent-line.js";
import type { Command, CommandEvent, OrderMode } from "./domain/command.js";
import { SignThenSend } from "./sign-then-send.js";

/** What an agent keeps and sends of one action's output. */
const OUTPUT_BYTES_MAX = 128 * 1024;
const SUMMARY_MAX = 1_000;
const RESULT_MAX = 1_048_576;
const DATA_MAX = 65_536;

/** The way to the streams, as fleet offers it. */
export interface SessionsPort {
  generation(node: NodeId): number | undefined;
  send(node: NodeId, message: ConnectResponse): "sent" | "not-connected" | "slow";
}

interface Signed {
  readonly keyId: string;
  readonly signature: Uint8Array;
}

export interface AgentLinePorts {
  readonly sessions: SessionsPort;
  /** Signs the bytes of an order for the agent of a node. May throw UNAVAILABLE. */
  readonly sign: (order: Uint8Array, node: NodeId) => Signed | Promise<Signed>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function agentLine({ sessions, sign, clock, logger }: AgentLinePorts): AgentLine {
  const onItsWay = new SignThenSend(clock, ({ id }, error) =>
    logger.warn("an order cannot be signed and waits", { commandId: id }, error),
  );
  return {
    session: (node) => sessions.generation(node),
    order: (command, mode) => {
      const { nodeId, expiresAt } = command;
      const stream = sessions.generation(nodeId);
      return onItsWay.order(command, {
        sign: () => {
          const order = toBinary(OrderSchema, toOrder(command, mode, clock.now()));
          const together = ({ keyId, signature }: Signed) => ({ order, keyId, signature });
          const signed = sign(order, nodeId);
          return signed instanceof Promise ? signed.then(together) : together(signed);
        },
        // Over another stream it is ordered anew.
        wanted: () => sessions.generation(nodeId) === stream && clock.now() < expiresAt,
        send: (order) => {
          const message = create(ConnectResponseSchema, { body: { case: "order", value: order } });
          return sessions.send(nodeId, message) === "sent";
        },
      });
    },
    cancel: (command, because) => {
      const message = create(ConnectResponseSchema, {
        body: { case: "cancel", value: { commandId: orderId(command), because } },
      });
      return sessions.send(command.nodeId, message) === "sent";
    },
  };
}

/** What the agent knows a command as: each attempt is one of its own, for it never runs an id twice. */
const orderId = ({ id, attempt }: Command): string => (attempt === 1 ? id : `${id}.${attempt}`);

/** The other way round. */
function fromOrderId(text: string): Pick<CommandEvent, "commandId" | "attempt"> {
  const [, id, attempt] = /^([^.]+)\.(\d{1,3})$/.exec(text) ?? [];
  return id === undefined
    ? { commandId: commandId(text), attempt: 1 }
    : { commandId: commandId(id), attempt: Number(attempt) };
}

function toOrder(command: Command, mode: OrderMode, now: Instant) {
  return create(OrderSchema, {
    commandId: orderId(command),
    nodeId: command.nodeId,
    action: command.action,
    argumentsJson: command.argumentsJson,
    mode: mode === "preview" ? WireMode.PREVIEW : WireMode.RUN,
    generation: BigInt(command.generation),
    planHash: mode === "run" ? (command.plan?.hash ?? "") : "",
    issuedAt: timestampFromMs(now),
    expiresAt: timestampFromMs(command.expiresAt),
    timeoutMs: command.timeoutMs,
    traceparent: command.traceparent,
    outputBytesMax: BigInt(OUTPUT_BYTES_MAX),
  });
}

const OUTCOMES: Readonly<Record<FinishedOutcome, "succeeded" | "failed" | "timed-out" | "cancelled">> = {
  [FinishedOutcome.UNSPECIFIED]: "failed",
  [FinishedOutcome.SUCCEEDED]: "succeeded",
  [FinishedOutcome.FAILED]: "failed",
  [FinishedOutcome.TIMED_OUT]: "timed-out",
  [FinishedOutcome.CANCELLED]: "cancelled",
};

/** A host's JSON is kept only if it is JSON and not too long. */
function cleanJson(text: string): string {
  if (text === "" || text.length > RESULT_MAX) return "";
  try {
    return JSON.stringify(JSON.parse(text)).replaceAll("\\u0000", "");
  } catch {
    return "";
  }
}

/** The event, its texts cleaned and bounded; undefined when it says nothing we know. */
export function fromWireEvent(wire: WireEvent, now: Instant): CommandEvent | undefined {
  const what = fromWireWhat(wire);
  if (what === undefined || wire.mode === WireMode.UNSPECIFIED) return undefined;
  return {
    ...fromOrderId(wire.commandId.slice(0, 64)),
    sequence: wire.sequence,
    at: wire.at === undefined ? now : timestampMs(wire.at),
    mode: wire.mode === WireMode.PREVIEW ? "preview" : "run",
    what,
  };
}

function fromWireWhat({ event }: WireEvent): CommandEvent["what"] | undefined {
  switch (event.case) {
    case "accepted":
    case "started":
      return { kind: event.case };
    case "output":
      return {
        kind: "output",
        stream: event.value.stream === OutputStream.STDERR ? "stderr" : "stdout",
        offset: Number(event.value.offset),
        skippedBytes: Number(event.value.skippedBytes),
        data: event.value.data.subarray(0, DATA_MAX),
      };
    case "finished":
      return {
        kind: "finished",
        outcome: OUTCOMES[event.value.outcome] ?? "failed",
        exitCode: event.value.exitCode,
        summary: cleanText(event.value.summary, SUMMARY_MAX),
        resultJson: cleanJson(event.value.resultJson),
        planHash: /^[0-9a-f]{64}$/.test(event.value.planHash) ? event.value.planHash : "",
      };
    case "refused":
      return {
        kind: "refused",
        because: cleanText(event.value.because, SUMMARY_MAX),
        detail: cleanText(event.value.detail, SUMMARY_MAX),
      };
    case "interrupted":
      return { kind: "interrupted", detail: cleanText(event.value.detail, SUMMARY_MAX) };
    default:
      return undefined;
  }
}
