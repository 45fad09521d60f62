/** Events of commands as messages of the contract. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type CommandEvent,
  CommandEventSchema,
  FinishedOutcome,
  OrderMode,
  OutputStream,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { EventBody, LocalEvent, Mode, Outcome } from "./command.js";

const modes: Readonly<Record<Mode, OrderMode>> = { preview: OrderMode.PREVIEW, run: OrderMode.RUN };
const outcomes: Readonly<Record<Outcome, FinishedOutcome>> = {
  succeeded: FinishedOutcome.SUCCEEDED,
  failed: FinishedOutcome.FAILED,
  "timed-out": FinishedOutcome.TIMED_OUT,
  cancelled: FinishedOutcome.CANCELLED,
};

/** A mode of the contract; undefined for one this agent does not know. */
export function modeFromWire(mode: OrderMode): Mode | undefined {
  return mode === OrderMode.PREVIEW ? "preview" : mode === OrderMode.RUN ? "run" : undefined;
}

/** An event's message. `planText` finds the plan that a preview ended with. */
export function eventToWire(
  event: LocalEvent,
  repeatedAnswer: boolean,
  planText: (hash: string) => string | undefined,
): CommandEvent {
  return create(CommandEventSchema, {
    commandId: event.commandId,
    sequence: event.sequence,
    at: timestampFromMs(event.at),
    mode: modes[event.mode],
    repeatedAnswer,
    event: bodyToWire(event.body, planText),
  });
}

function bodyToWire(body: EventBody, planText: (hash: string) => string | undefined): CommandEvent["event"] {
  switch (body.kind) {
    case "accepted":
      return { case: "accepted", value: { $typeName: "mainstay.agent.v1.Accepted" } };
    case "started":
      return { case: "started", value: { $typeName: "mainstay.agent.v1.Started" } };
    case "output":
      return {
        case: "output",
        value: {
          $typeName: "mainstay.agent.v1.Output",
          stream: body.stream === "stdout" ? OutputStream.STDOUT : OutputStream.STDERR,
          offset: BigInt(body.offset),
          data: Buffer.from(body.data, "base64"),
          skippedBytes: BigInt(body.skippedBytes),
        },
      };
    case "finished":
      return {
        case: "finished",
        value: {
          $typeName: "mainstay.agent.v1.Finished",
          outcome: outcomes[body.outcome],
          exitCode: body.exitCode,
          summary: body.summary,
          resultJson:
            body.resultJson === "" && body.planHash !== ""
              ? (planText(body.planHash) ?? "")
              : body.resultJson,
          planHash: body.planHash,
        },
      };
    case "refused":
      return {
        case: "refused",
        value: { $typeName: "mainstay.agent.v1.Refused", because: body.because, detail: body.detail },
      };
    case "interrupted":
      return {
        case: "interrupted",
        value: { $typeName: "mainstay.agent.v1.Interrupted", detail: body.detail },
      };
  }
}
