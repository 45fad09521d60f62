/** A command as the person is told of it: its plan, its end, what it printed, and the exit code that goes with it. */
import { toJson } from "@bufbuild/protobuf";
import {
  CommandSchema,
  CommandState,
  type Plan,
  type Command as WireCommand,
} from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, printable, render, timeText } from "../output.js";

const ENDS: ReadonlyMap<CommandState, ExitCode> = new Map([
  [CommandState.SUCCEEDED, EXIT.ok],
  [CommandState.FAILED, EXIT.failed],
  [CommandState.REFUSED, EXIT.denied],
  [CommandState.CANCELLED, EXIT.failed],
  [CommandState.TIMED_OUT, EXIT.failed],
  [CommandState.EXPIRED, EXIT.failed],
  [CommandState.INTERRUPTED, EXIT.failed],
]);

export function exitOf(command: WireCommand | undefined): ExitCode {
  if (command?.state === CommandState.AWAITING_APPROVAL) return EXIT.waiting;
  // It was done, and its alert still holds.
  if (command?.state === CommandState.SUCCEEDED && command.verification === "not-cleared")
    return EXIT.degraded;
  return ENDS.get(command?.state ?? CommandState.UNSPECIFIED) ?? EXIT.ok;
}

export function describe(command: WireCommand): string {
  const { plan } = command;
  return [
    `${command.commandId}: ${enumWords(CommandState, command.state)}, because ${command.because}`,
    `${command.action} on ${command.nodeName}, arguments ${command.argumentsJson}`,
    `requested by ${command.requestedBy?.kind ?? ""}:${command.requestedBy?.name ?? ""} at ${timeText(command.requestedAt)}${command.reason === "" ? "" : `: ${command.reason}`}`,
    ...(plan === undefined ? [] : describePlan(plan)),
    ...command.approvals.map(
      ({ actor, at, reason, elicited }) =>
        `approved by ${actor?.kind ?? ""}:${actor?.name ?? ""}${elicited ? " (asked by the MCP client)" : ""} at ${timeText(at)}: ${reason}`,
    ),
    ...(command.summary === "" ? [] : [`result: exit code ${command.exitCode}, ${command.summary}`]),
    ...(command.verification === "" ? [] : [`verification: ${command.verification}`]),
    ...(command.undoesCommandId === "" ? [] : [`it undoes ${command.undoesCommandId}`]),
    ...(command.undoneByCommandId === "" ? [] : [`undone by ${command.undoneByCommandId}`]),
  ]
    .map(printable)
    .join("\n");
}

function describePlan(plan: Plan): readonly string[] {
  const { blastRadius: reach } = plan;
  const affected = [...(reach?.components ?? []), ...(reach?.dependents ?? [])];
  const share = `${Math.round((reach?.roleShare ?? 0) * 1_000) / 10} % of the role`;
  const needs =
    plan.approvalsNeeded === 0
      ? ""
      : `; ${plan.approvalsNeeded} to approve, each ${plan.approverRole}${plan.elicitation ? ", or the person at the MCP client" : ""}`;
  return [
    `plan ${plan.hash}: ${plan.summary}`,
    ...plan.drift.map((line) => `  changed since the plan before: ${line}`),
    ...(reach === undefined
      ? []
      : [
          `reach: ${reach.nodes.join(", ")}; ${share}${affected.length === 0 ? "" : `; affects ${affected.join(", ")} (${reach.criticality})`}`,
        ]),
    ...(plan.expiresAt === undefined ? [] : [`may be run until ${timeText(plan.expiresAt)}`]),
    `undone by: ${plan.inverseKind === "action" ? plan.inverseJson : plan.inverseKind || "unknown"}`,
    `policy says ${plan.verdict}: ${plan.verdictBecause}${needs}`,
  ];
}

/** What a command printed, line by line, without what would steer a terminal. */
export function outputText(data: Uint8Array): string {
  return new TextDecoder().decode(data).replace(/[^\P{Cc}\n\t]/gu, "");
}

/** Shows a command in the form that was asked for, and how to take it back. */
export function told(invocation: Invocation, command: WireCommand | undefined): ExitCode {
  if (command === undefined) throw new Failure("the control plane answered without a command");
  invocation.write(render(invocation.form, toJson(CommandSchema, command), () => describe(command)));
  const next = nextStep(command);
  if (next !== undefined) invocation.warn(next);
  return exitOf(command);
}

function nextStep({ commandId, state, plan }: WireCommand): string | undefined {
  const hash = plan?.hash.slice(0, 12) ?? "";
  switch (state) {
    case CommandState.PLANNED:
      return `apply it: mainstay apply ${commandId} --plan ${hash}`;
    case CommandState.AWAITING_APPROVAL:
      return `another person approves it: mainstay approve ${commandId} --plan ${hash} --reason TEXT`;
    case CommandState.APPROVED:
    case CommandState.SENT:
    case CommandState.RUNNING:
    case CommandState.SUCCEEDED:
      return plan?.inverseKind === "action"
        ? `plan ${hash}; undo it: mainstay undo ${commandId} --reason TEXT`
        : `plan ${hash}; it cannot be undone: ${plan?.inverseKind || "unknown"}`;
    default:
      return undefined;
  }
}

/** What came of a change; with --watch, after following it to its end. */
export function followed(
  invocation: Invocation,
  command: WireCommand | undefined,
): Promise<ExitCode> | ExitCode {
  const code = told(invocation, command);
  const goesOn = code === EXIT.ok && command !== undefined && !ENDS.has(command.state);
  return invocation.flags["watch"] === true && goesOn
    ? follow(invocation, command.commandId, CommandState.AWAITING_APPROVAL)
    : code;
}

/** Until it has ended, is in state `rest`, or the person has seen enough; the exit code is that of where it stands then. */
export async function follow(
  invocation: Invocation,
  commandId: string,
  rest?: CommandState,
): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  let last: WireCommand | undefined;
  const events = commands.watchCommand({ commandId }, { signal: invocation.signal });
  try {
    for await (const { event } of events) {
      if (event.case === "output") invocation.write(outputText(event.value.data).replace(/\n$/, ""));
      if (event.case !== "command") continue;
      last = event.value;
      const { state, because } = event.value;
      invocation.warn(printable(`${enumWords(CommandState, state)}: ${because}`));
      if (ENDS.has(state) || state === rest) break;
    }
  } catch (error) {
    if (!invocation.signal.aborted) throw error;
  }
  return exitOf(last);
}

const PREFIX_MIN = 12;

/**
 * The hash of the plan that the person has read: what --plan says, or what they confirm where somebody sits there.
 * Throws {@link Failure} when neither is so.
 */
export async function planToConfirm(
  invocation: Invocation,
  commandId: string,
  verb: string,
): Promise<string> {
  const said = textFlag(invocation, "plan");
  const { commands } = await invocation.controlPlane();
  if (said !== undefined && said.length === 64) return said;
  const { command } = await commands.getCommand({ commandId });
  const hash = command?.plan?.hash ?? "";
  if (said !== undefined) {
    if (said.length >= PREFIX_MIN && hash.startsWith(said)) return hash;
    throw new Failure(
      said.length < PREFIX_MIN
        ? `--plan is "${said}", expected at least the first ${PREFIX_MIN} characters of the hash`
        : `the plan is ${hash.slice(0, PREFIX_MIN)}…, not ${said}`,
    );
  }
  if (command !== undefined) invocation.warn(describe(command));
  if (invocation.ask !== undefined && hash !== "") {
    const answer = await invocation.ask(`${verb} plan ${hash.slice(0, PREFIX_MIN)}? [y/N] `);
    if (/^y(es)?$/i.test(answer.trim())) return hash;
    throw new Failure(`nothing was done: the plan was not confirmed`);
  }
  throw new Failure(
    `give --plan HASH of the plan that you have read, so that no other is ${verb === "apply" ? "applied" : "approved"} by it`,
  );
}

export const WATCH = { watch: { type: "boolean" } } as const;
export const WATCH_HELP =
  "  --watch               follow it until it has ended; the exit code is then that of its end";
