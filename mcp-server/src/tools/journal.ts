import { z } from "zod";
import { entrySchema, verdictSchema } from "../control-plane/journal.js";
import { count, table } from "./answer.js";
import { ROWS_SHARE, rowsWithin } from "./budget.js";
import { budgetInput } from "./page.js";
import { defineTool } from "./tool.js";

export const journalTools = [
  defineTool({
    name: "journal_list",
    toolset: "journal",
    title: "Read the journal",
    description:
      "The audit log: every change of state with who, why and its facts. The newest entries, or those after after_position. subject: node:ID, alert:ID, command:ID. kind: command.requested, or command. for that family.",
    input: z.strictObject({
      after_position: z.int().min(0).optional(),
      subject: z.string().max(200).optional(),
      kind: z.string().max(80).optional(),
      limit: z.int().min(1).max(200).default(30),
      ...budgetInput,
    }),
    output: z.object({
      entries: z.array(entrySchema),
      last_position: z.number(),
      next_after_position: z.number().optional(),
    }),
    effect: "read",
    idempotent: true,
    hostMade: ["entries[].because", "entries[].facts", "entries[].subject", "entries[].actor"],
    async run({ after_position: after, subject, kind, limit, max_tokens: tokens }, { rooms }) {
      const tail = after === undefined;
      const { entries, lastPosition } = await rooms.journal.listEntries({
        afterPosition: after ?? 0,
        size: limit,
        subject: subject ?? "",
        kind: kind ?? "",
        tail,
      });
      const rows = withinBudget(entries, tail, tokens * ROWS_SHARE);
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
      "Recomputes the journal's hash chain and says whether it holds, else where it breaks. Reads every entry.",
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
function withinBudget<T>(entries: readonly T[], newest: boolean, tokens: number): T[] {
  return newest ? rowsWithin(entries.toReversed(), tokens).reverse() : rowsWithin(entries, tokens);
}
