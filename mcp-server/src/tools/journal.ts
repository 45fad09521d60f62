import { z } from "zod";
import { entrySchema, verdictSchema } from "../control-plane/journal.js";
import { count, table } from "./answer.js";
import { ROWS_BUDGET } from "./page.js";
import { defineTool } from "./tool.js";

export const journalTools = [
  defineTool({
    name: "journal_list",
    toolset: "journal",
    title: "Read the journal",
    description:
      "What happened, as the audit log has it: every change of state with who, why and its facts. Without after_position the newest entries; with it the entries after that position, oldest first (next_after_position goes on). Narrow by subject (node:..., alert:..., command:...) or kind (command.requested, or command. for all of that family).",
    input: z.strictObject({
      after_position: z.int().min(0).optional(),
      subject: z.string().max(200).optional(),
      kind: z.string().max(80).optional(),
      limit: z.int().min(1).max(200).default(30),
    }),
    output: z.object({
      entries: z.array(entrySchema),
      last_position: z.number(),
      next_after_position: z.number().optional(),
    }),
    effect: "read",
    idempotent: true,
    hostMade: ["entries[].because", "entries[].facts", "entries[].subject", "entries[].actor"],
    async run({ after_position: after, subject, kind, limit }, { rooms }) {
      const tail = after === undefined;
      const { entries, lastPosition } = await rooms.journal.listEntries({
        afterPosition: after ?? 0,
        size: limit,
        subject: subject ?? "",
        kind: kind ?? "",
        tail,
      });
      const rows = withinBudget(entries, tail);
      const last = rows.at(-1)?.position;
      const next = !tail && last !== undefined && entries.length === limit ? last : undefined;
      const left = !tail && rows.length < entries.length ? last : next;
      return {
        structured: {
          entries: rows,
          last_position: lastPosition,
          ...(left === undefined ? {} : { next_after_position: left }),
        },
        summary: `${count(rows.length, "entry", "entries")}, oldest first; the journal's last position is ${lastPosition}.${left === undefined ? "" : " There may be more: call again with after_position set to next_after_position."}`,
        data: table(rows, {
          position: (row) => row.position,
          at: (row) => row.at,
          kind: (row) => row.kind,
          subject: (row) => row.subject,
          actor: (row) => row.actor,
          because: (row) => row.because,
        }),
      };
    },
  }),
  defineTool({
    name: "journal_verify",
    toolset: "journal",
    title: "Verify the journal",
    description:
      "Recomputes the journal's hash chain and says whether it holds, else the first position that does not. Reads every entry: not for every minute. Keep head_hash elsewhere, and a cut tail shows too.",
    input: z.strictObject({}),
    output: verdictSchema,
    effect: "read",
    idempotent: true,
    hostMade: [],
    async run(_input, { rooms }) {
      const verdict = await rooms.journal.verify();
      return {
        structured: verdict,
        summary: verdict.intact
          ? `The journal is intact: ${count(verdict.entries, "entry", "entries")}, head ${verdict.head_hash}.`
          : `The journal is BROKEN at position ${verdict.broken_at ?? "?"} of ${count(verdict.entries, "entry", "entries")}.`,
        ...(verdict.because === undefined ? {} : { data: verdict.because }),
      };
    },
  }),
];

/** As many entries as fit, counted from the newest for the newest, else from the oldest. */
function withinBudget<T>(entries: readonly T[], newest: boolean): T[] {
  const kept: T[] = [];
  let left = ROWS_BUDGET;
  for (const entry of newest ? [...entries].reverse() : entries) {
    left -= JSON.stringify(entry).length;
    if (left < 0 && kept.length > 0) break;
    kept.push(entry);
  }
  return newest ? kept.reverse() : kept;
}
