/** How a run reaches machines: through the one hand, as any other requester does, under the name of whoever started it. */
import { type CommandDesk, readCommand, readCommandByRequest } from "../commands/commands.module.js";
import type { Command } from "../commands/domain/command.js";
import { isOpen } from "../commands/domain/command.js";
import { OpsError } from "../kernel/errors.js";
import { commandId } from "../kernel/ids.js";
import { type Duration, MINUTE } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import type { Run } from "./domain/run.js";
import type { Answer, SeenCommand, Want } from "./domain/want.js";

/** A command waits at least so long for its agent, or for a person who has to approve it. */
const EXPIRES_AFTER_MIN: Duration = 30 * MINUTE;
const UNDO_TIMEOUT: Duration = 10 * MINUTE;
/** Of a dry run only the plan is wanted. */
const DRY_RUN_EXPIRES_AFTER: Duration = 2 * MINUTE;

type Wanted<K extends Want["kind"]> = Extract<Want, { readonly kind: K }>;

export interface Hand {
  request(run: Run, want: Wanted<"request">): Promise<Answer>;
  command(run: Run, want: Wanted<"command">): Promise<Answer>;
  cancel(run: Run, want: Wanted<"cancel">): Promise<Answer>;
  find(run: Run, want: Wanted<"find">): Promise<Answer>;
  undo(run: Run, want: Wanted<"undo">): Promise<Answer>;
}

export function handOf(desk: CommandDesk, database: Database): Hand {
  const cancelIfOpen = (run: Run, id: string, because: string) =>
    desk.cancel(commandId(id), run.requestedBy, because).catch((error: unknown) => {
      // It has ended, or is being cancelled: a look says which.
      if (!(error instanceof OpsError) || error.code !== "FAILED_PRECONDITION") throw error;
    });
  const look = async (run: Run, id: string): Promise<Answer> => {
    const command = await readCommand(database, commandId(id));
    if (command === undefined) return { kind: "refused", because: `there is no command ${id}` };
    // A plan that was only to be seen is not left lying where someone might approve it.
    if (run.dryRun && command.plan !== undefined && isOpen(command.state))
      await cancelIfOpen(run, id, "it was a dry run");
    return { kind: "command", command: seen(command) };
  };
  return {
    request: async (run, want) => {
      const command = await desk.request({
        requestId: want.requestId,
        node: want.node,
        action: want.action,
        argumentsJson: want.argumentsJson,
        requestedBy: run.requestedBy,
        roles: run.roles,
        reason: `runbook ${run.runbook}, run ${run.id}, step ${want.step}`,
        expiresInMs: run.dryRun ? DRY_RUN_EXPIRES_AFTER : Math.max(want.timeout, EXPIRES_AFTER_MIN),
        timeoutMs: want.timeout,
        traceparent: run.traceparent,
        // Whatever policy says, nothing of a dry run is run.
        hold: run.dryRun,
      });
      return { kind: "command", command: seen(command) };
    },
    command: (run, { commandId: id }) => look(run, id),
    cancel: async (run, { commandId: id, because }) => {
      await cancelIfOpen(run, id, because);
      return look(run, id);
    },
    find: async (run, { requestId }) => {
      const { kind, name } = run.requestedBy;
      const command = await readCommandByRequest(database, `${kind}/${name}/${requestId}`);
      return command === undefined
        ? { kind: "refused", because: "it was not asked for" }
        : { kind: "command", command: seen(command) };
    },
    undo: async (run, { commandId: id, requestId }) => {
      const command = await desk.undo(commandId(id), {
        requestId,
        requestedBy: run.requestedBy,
        roles: run.roles,
        reason: `a step of runbook ${run.runbook}, run ${run.id}, failed`,
        hold: false,
        expiresInMs: EXPIRES_AFTER_MIN,
        timeoutMs: UNDO_TIMEOUT,
        traceparent: run.traceparent,
      });
      return { kind: "command", command: seen(command) };
    },
  };
}

function seen({ id, state, because, summary, plan }: Command): SeenCommand {
  return {
    id,
    state,
    because,
    summary,
    plan: plan && { summary: plan.summary, verdict: plan.verdict, because: plan.verdictBecause },
  };
}
