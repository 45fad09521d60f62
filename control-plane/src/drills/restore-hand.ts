/** Restore drills, through the one hand: planned by the node's agent, judged by policy, signed, run once. */
import { type CommandDesk, readCommand } from "../commands/commands.module.js";
import { type Command, isOpen } from "../commands/domain/command.js";
import type { Actor } from "../kernel/actor.js";
import { canonicalJson } from "../kernel/canonical-json.js";
import { OpsError } from "../kernel/errors.js";
import { commandId } from "../kernel/ids.js";
import { type Duration, MINUTE } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import { type DrillAims, scoreRestore } from "../recovery/domain/drill.js";
import { readRestoreReport } from "../recovery/domain/restore-report.js";
import type { DrillHand } from "./drill-hand.js";

/** An agent that is away, or a person who has to approve: so long it waits. */
const EXPIRES_AFTER: Duration = 30 * MINUTE;

export interface RestoreHandPorts {
  readonly database: Database;
  readonly commands: CommandDesk;
  readonly aimsOf: (component: string) => DrillAims;
  /** What a node's agent offers; undefined when there is no such node, or it is away. */
  readonly offeredBy: (node: string) => Promise<readonly string[] | undefined>;
}

const ACTION = "restore-drill";

export function restoreHand({ database, commands, aimsOf, offeredBy }: RestoreHandPorts): DrillHand {
  return {
    reach: ({ restore }) =>
      `a folder of its own on ${restore?.node}, a server that listens on no address, and reads of repository ${restore?.repository}`,

    async whyNot({ restore }) {
      if (restore === undefined) return "it names no repository";
      const offered = await offeredBy(restore.node);
      if (offered === undefined) return `node "${restore.node}" is not live`;
      return offered.includes(ACTION) ? undefined : `the agent of "${restore.node}" does not offer ${ACTION}`;
    },

    async ask(run, { restore, atMost }) {
      if (restore === undefined) return { kind: "refused", because: "it names no repository any more" };
      const { node, repository } = restore;
      const command = await commands.request({
        requestId: `drill-${run.id}`,
        node,
        action: ACTION,
        argumentsJson: canonicalJson({ repository, ...(run.to === undefined ? {} : { to: run.to }) }),
        requestedBy: requesterOf(run.begunBy),
        reason: `drill ${run.drill}, run ${run.id}: ${run.reason}`,
        expiresInMs: EXPIRES_AFTER,
        timeoutMs: atMost,
        traceparent: "",
      });
      return { kind: "asked", reference: command.id };
    },

    async look(run) {
      const command = await readCommand(database, commandId(run.reference));
      if (command === undefined) return ended("there is no such command any more");
      if (isOpen(command.state)) return { kind: "open", because: `${command.state}: ${command.because}` };
      return seen(command, aimsOf(run.component));
    },

    async abort(run, because) {
      try {
        await commands.cancel(commandId(run.reference), requesterOf(run.begunBy), because);
      } catch (error) {
        // It has ended, or is being cancelled: a look says which.
        if (!(error instanceof OpsError) || error.code !== "FAILED_PRECONDITION") throw error;
      }
    },
  };
}

/** What begins by itself is the schedule's, which policy judges as such. */
const requesterOf = (begunBy: Actor): Actor =>
  begunBy.kind === "system" ? { kind: "schedule", name: "drills" } : begunBy;

function seen(command: Command, aims: DrillAims): Awaited<ReturnType<DrillHand["look"]>> {
  const { state, because, summary, resultJson } = command;
  const report = readRestoreReport(resultJson);
  // Its host may say what it likes: only a command that succeeded, with a report that holds, is a drill that passed.
  if (state !== "succeeded" && (report === undefined || report.because === undefined))
    return { ...ended(`${state}: ${summary || because}`), report };
  return { kind: "ended", score: scoreRestore(report, aims), report };
}

const ended = (because: string) => ({
  kind: "ended" as const,
  score: { last: "failed" as const, score: 0, because },
  report: undefined,
});
