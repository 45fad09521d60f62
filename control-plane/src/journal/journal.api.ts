/** JournalService: proto message ↔ entry. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type EntrySchema,
  JournalService,
  ListEntriesResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { canonicalJson } from "../kernel/canonical-json.js";
import { OpsError } from "../kernel/errors.js";
import type { CallContext } from "../platform/call.js";
import type { Database } from "../platform/postgres/database.js";
import type { Entry } from "./domain/entry.js";
import { JOURNAL_CHANNEL, readEntries, verifyJournal } from "./journal.store.js";

const SIZE_DEFAULT = 100;
const SIZE_MAX = 1_000;

function toWire(entry: Entry): MessageInitShape<typeof EntrySchema> {
  return {
    position: BigInt(entry.position),
    at: timestampFromMs(entry.at),
    kind: entry.kind,
    subject: entry.subject,
    actor: entry.actor,
    because: entry.because,
    factsJson: canonicalJson(entry.facts),
    hash: entry.hash,
    traceparent: entry.traceparent ?? "",
  };
}

export function journalApi(database: Database): ServiceImplementation<typeof JournalService, CallContext> {
  return {
    async listEntries(request) {
      if (request.size > SIZE_MAX) {
        throw new OpsError("INVALID_ARGUMENT", `list entries: size is ${request.size}, at most ${SIZE_MAX}`);
      }
      const entries = await readEntries(database, {
        after: Number(request.afterPosition),
        subject: request.subject,
        kind: request.kind,
        limit: request.size === 0 ? SIZE_DEFAULT : request.size,
        tail: request.tail,
      });
      return create(ListEntriesResponseSchema, {
        entries: entries.map(toWire),
        lastPosition: BigInt(entries.at(-1)?.position ?? Number(request.afterPosition)),
      });
    },

    async verifyJournal() {
      const verdict = await verifyJournal(database);
      return verdict.kind === "intact"
        ? {
            intact: true,
            entries: BigInt(verdict.head.position),
            because: `all ${verdict.head.position} entries hold`,
            headHash: verdict.head.hash,
          }
        : { intact: false, brokenAt: BigInt(verdict.at), because: verdict.because };
    },

    async *watchJournal(request, context) {
      let position = Number(request.afterPosition);
      let wake: () => void = () => {};
      let news = false;
      const heard = (): void => {
        news = true;
        wake();
      };
      const stop = database.listen(JOURNAL_CHANNEL, heard);
      context.signal.addEventListener("abort", heard, { once: true });
      try {
        while (!context.signal.aborted) {
          news = false;
          const entries = await readEntries(database, { after: position, limit: SIZE_DEFAULT });
          for (const entry of entries) {
            yield { entry: toWire(entry) };
            position = entry.position;
          }
          if (entries.length === 0 && !news && !context.signal.aborted) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        }
      } finally {
        await stop();
      }
    },
  };
}
