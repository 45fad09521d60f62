/** Circuit breakers: services of others that are left alone because they do not answer. */
import { toJson } from "@bufbuild/protobuf";
import {
  type Breaker,
  BreakerSchema,
  BreakerState,
  ListBreakersResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/breakers_pb";
import type { Command, Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, render, table, timeText } from "../output.js";
import { REASON, REASON_HELP, reasonOf } from "./reason.js";

function rows(breakers: readonly Breaker[]): string {
  return table(
    ["SERVICE", "STATE", "SINCE", "NEXT TRY", "REFUSED", "BECAUSE"],
    breakers.map((breaker) => [
      breaker.name,
      enumWords(BreakerState, breaker.state),
      timeText(breaker.since),
      breaker.state === BreakerState.OPEN && breaker.nextTryAt === undefined
        ? "when reset"
        : timeText(breaker.nextTryAt),
      `${breaker.refused}`,
      breaker.because,
    ]),
  );
}

async function list(invocation: Invocation): Promise<ExitCode> {
  const { breakers } = await invocation.controlPlane();
  const answer = await breakers.listBreakers({});
  invocation.write(
    render(invocation.form, toJson(ListBreakersResponseSchema, answer), () => rows(answer.breakers)),
  );
  return answer.breakers.every(({ state }) => state === BreakerState.CLOSED) ? EXIT.ok : EXIT.degraded;
}

const change =
  (verb: "tripBreaker" | "resetBreaker") =>
  async (invocation: Invocation): Promise<ExitCode> => {
    const reason = reasonOf(invocation);
    const { breakers } = await invocation.controlPlane();
    const { breaker } = await breakers[verb]({ name: invocation.positionals[0] ?? "", reason });
    if (breaker === undefined) throw new Failure("the control plane answered without a breaker");
    invocation.write(render(invocation.form, toJson(BreakerSchema, breaker), () => rows([breaker])));
    return EXIT.ok;
  };

const CHANGE = {
  help: REASON_HELP,
  options: REASON,
  positionals: { least: 1, most: 1 },
  changes: true,
} as const;

export const breakerCommands: readonly Command[] = [
  {
    name: "breaker list",
    usage: "",
    summary: "Services that are called, and whether they are left alone; exit code 2 when one is.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: list,
  },
  {
    name: "breaker trip",
    usage: "SERVICE --reason TEXT",
    summary: "Call a service no more until its breaker is reset.",
    ...CHANGE,
    run: change("tripBreaker"),
  },
  {
    name: "breaker reset",
    usage: "SERVICE --reason TEXT",
    summary: "Call a service again at once.",
    ...CHANGE,
    run: change("resetBreaker"),
  },
];
