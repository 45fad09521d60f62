/** What the journal is told of a run's change: one entry for each step that has moved, and one when the run itself has. */
import type { NewEntry } from "../../journal/domain/entry.js";
import { type Actor, SYSTEM } from "../../kernel/actor.js";
import { isOpenRun, type Run, stepOf } from "./run.js";

export function entriesOf(before: Run | undefined, run: Run, by: Actor = SYSTEM): readonly NewEntry[] {
  const entry = (kind: string, because: string, actor: Actor, facts: NewEntry["facts"]): NewEntry => ({
    at: run.changedAt,
    kind,
    subject: `run:${run.id}`,
    actor,
    because: because.slice(0, 1_000),
    facts: { runbook: run.runbook, ...(run.dryRun ? { dryRun: true } : {}), ...facts },
    traceparent: run.traceparent,
  });
  if (before === undefined)
    return [
      entry("runbook.started", run.reason || run.because, by, {
        digest: run.digest,
        parameters: run.parameters,
        steps: run.program.steps.length,
      }),
    ];
  const entries: NewEntry[] = [];
  if (before.cancelBecause === undefined && run.cancelBecause !== undefined)
    entries.push(entry("runbook.cancelling", run.cancelBecause, by, {}));
  for (const { id } of run.program.steps) {
    const [was, is] = [stepOf(before, id), stepOf(run, id)];
    if (was.state === is.state && was.attempt === is.attempt) continue;
    const commands = (is.targets ?? []).flatMap(({ commandId }) =>
      commandId === undefined ? [] : [commandId],
    );
    entries.push(
      entry(`runbook.step-${is.state}`, is.because, is.decidedBy ?? SYSTEM, {
        step: id,
        attempt: is.attempt,
        ...(commands.length === 0 ? {} : { commands: commands.slice(0, 20) }),
      }),
    );
  }
  if (!isOpenRun(run.state) && isOpenRun(before.state))
    entries.push(entry(`runbook.${run.state}`, run.because, SYSTEM, {}));
  return entries;
}
