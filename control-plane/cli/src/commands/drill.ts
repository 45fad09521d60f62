/** Drills: which there are, how each last went, which are overdue, and beginning one. */
import { toJson } from "@bufbuild/protobuf";
import { ListDrillsResponseSchema } from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { formatDuration } from "#src/kernel/time";
import type { Command, Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { render, table, timeText } from "../output.js";
import { tellRequest } from "./failover.js";
import { reasonOf } from "./reason.js";

async function list({ controlPlane, form, write }: Invocation): Promise<ExitCode> {
  const { recovery } = await controlPlane();
  const answer = await recovery.listDrills({});
  write(
    render(form, toJson(ListDrillsResponseSchema, answer), () =>
      table(
        ["DRILL", "EVERY", "LAST", "AT", "SCORE", "DUE", "WHY"],
        answer.drills.map((drill) => [
          drill.drill,
          formatDuration(Number(drill.everySeconds) * 1_000),
          drill.last,
          timeText(drill.lastAt),
          String(drill.score),
          drill.overdue ? `OVERDUE ${timeText(drill.dueAt)}` : timeText(drill.dueAt),
          drill.because,
        ]),
      ),
    ),
  );
  return answer.drills.some(({ overdue }) => overdue) ? EXIT.degraded : EXIT.ok;
}

async function start(invocation: Invocation): Promise<ExitCode> {
  const [drill = ""] = invocation.positionals;
  const { recovery } = await invocation.controlPlane();
  const answer = await recovery.startDrill({ drill, reason: reasonOf(invocation) });
  return tellRequest(invocation, answer.request);
}

export const drillCommands: readonly Command[] = [
  {
    name: "drill list",
    usage: "",
    summary: "Drills, how each last went, and which are overdue.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: list,
  },
  {
    name: "drill start",
    usage: "DRILL --reason TEXT",
    summary: "Begins a drill: for a switchover, the cluster changes its owner as planned.",
    changes: true,
    help: "  --reason TEXT         written into the journal",
    options: { reason: { type: "string" } },
    positionals: { least: 1, most: 1 },
    run: start,
  },
];
