/** What happened, as the control plane's journal has it. */
import type { Entry, JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { z } from "zod";
import { cleanJson, cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { defined, isoOf, textOf } from "./wire.js";

export const entrySchema = z.object({
  position: z.number(),
  at: z.string().optional(),
  kind: z.string(),
  subject: z.string(),
  actor: z.string(),
  because: z.string().optional(),
  facts: z.unknown(),
  hash: z.string(),
  trace_id: z.string().optional(),
});
export type EntryView = z.infer<typeof entrySchema>;

export const verdictSchema = z.object({
  intact: z.boolean(),
  entries: z.number(),
  broken_at: z.number().optional(),
  because: z.string().optional(),
  head_hash: z.string(),
});
export type VerdictView = z.infer<typeof verdictSchema>;

/** As much of an entry as says what changed. */
export type ChangeView = Pick<EntryView, "position" | "kind" | "subject">;

const FACTS_BUDGET = 1_500;
/** Every entry is read and hashed; a journal of millions takes a while. */
const VERIFY_TIMEOUT_MS = 110_000;

export function journalRoom(line: Line<typeof JournalService>) {
  return {
    /** Oldest first; the newest `size` when `tail`. */
    async listEntries(ask: {
      readonly afterPosition: number;
      readonly size: number;
      readonly subject: string;
      readonly kind: string;
      readonly tail: boolean;
    }): Promise<{ readonly entries: readonly EntryView[]; readonly lastPosition: number }> {
      const answer = await line.ask((to, how) =>
        to.listEntries({ ...ask, afterPosition: BigInt(ask.afterPosition) }, how),
      );
      return { entries: answer.entries.map(entryView), lastPosition: Number(answer.lastPosition) };
    },
    /** Which things changed, from the entry after `position` on and then live. */
    async *watch(position: number): AsyncGenerator<ChangeView> {
      for await (const { entry } of line.read((to, how) =>
        to.watchJournal({ afterPosition: BigInt(position) }, how),
      )) {
        if (entry === undefined) continue;
        yield {
          position: Number(entry.position),
          kind: cleanLine(entry.kind, 80),
          subject: cleanLine(entry.subject, 200),
        };
      }
    },
    async verify(): Promise<VerdictView> {
      const answer = await line.ask((to, how) => to.verifyJournal({}, how), VERIFY_TIMEOUT_MS);
      return defined({
        intact: answer.intact,
        entries: Number(answer.entries),
        broken_at: answer.brokenAt === 0n ? undefined : Number(answer.brokenAt),
        because: textOf(answer.because),
        head_hash: cleanLine(answer.headHash, 128),
      });
    },
  };
}

function entryView(entry: Entry): EntryView {
  return defined({
    position: Number(entry.position),
    at: isoOf(entry.at),
    kind: cleanLine(entry.kind, 80),
    subject: cleanLine(entry.subject, 200),
    actor: cleanLine(`${entry.actor?.kind ?? "unknown"}:${entry.actor?.name ?? ""}`, 160),
    because: textOf(entry.because),
    facts: cleanJson(entry.factsJson, FACTS_BUDGET),
    hash: cleanLine(entry.hash, 128),
    trace_id: textOf(entry.traceparent.split("-")[1], 32),
  });
}
