/** What happened, by whom and why; and whether the record is whole. */
import { toJson } from "@bufbuild/protobuf";
import {
  ListEntriesResponseSchema,
  VerifyJournalResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { render, table, timeText } from "../output.js";

const VERIFY_TIMEOUT_MS = 10 * 60_000;
const SIZE_DEFAULT = 50;

async function entries(invocation: Invocation): Promise<ExitCode> {
  const { journal } = await invocation.controlPlane();
  const after = numberOf(invocation, "after");
  const answer = await journal.listEntries({
    afterPosition: BigInt(after ?? 0),
    size: numberOf(invocation, "last") ?? SIZE_DEFAULT,
    subject: textFlag(invocation, "subject") ?? "",
    kind: kindOf(textFlag(invocation, "kind") ?? ""),
    tail: after === undefined,
  });
  invocation.write(
    render(invocation.form, toJson(ListEntriesResponseSchema, answer), () =>
      table(
        ["POSITION", "AT", "KIND", "SUBJECT", "BY", "BECAUSE"],
        answer.entries.map((entry) => [
          String(entry.position),
          timeText(entry.at),
          entry.kind,
          entry.subject,
          `${entry.actor?.kind ?? ""}:${entry.actor?.name ?? ""}`,
          entry.because,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

/** Kinds have a dot inside; a word without one is a family, which the contract writes with a dot behind. */
function kindOf(word: string): string {
  return word === "" || word.includes(".") ? word : `${word}.`;
}

function numberOf(invocation: Invocation, flag: string): number | undefined {
  const text = textFlag(invocation, flag);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0)
    throw new Failure(`--${flag} is "${text}", expected a whole number`);
  return number;
}

async function verify(invocation: Invocation): Promise<ExitCode> {
  const { journal } = await invocation.controlPlane();
  const answer = await journal.verifyJournal({}, { timeoutMs: VERIFY_TIMEOUT_MS });
  invocation.write(
    render(invocation.form, toJson(VerifyJournalResponseSchema, answer), () =>
      answer.intact
        ? `intact: ${answer.entries} entries, the last one's hash is ${answer.headHash}`
        : `broken at entry ${answer.brokenAt}: ${answer.because}`,
    ),
  );
  return answer.intact ? EXIT.ok : EXIT.failed;
}

export const journalCommands: readonly Command[] = [
  {
    name: "journal",
    usage: "[--last N | --after POSITION] [--kind KIND] [--subject SUBJECT]",
    summary: "What happened, the newest entries by default.",
    help: `  --last N              so many entries (default ${SIZE_DEFAULT})
  --after POSITION      the entries after this one
  --kind KIND           only this kind, such as alert.fired, or alert for the whole family
  --subject SUBJECT     only what is about this, such as node:ID`,
    options: {
      last: { type: "string" },
      after: { type: "string" },
      kind: { type: "string" },
      subject: { type: "string" },
    },
    positionals: { least: 0, most: 0 },
    run: entries,
  },
  {
    name: "journal verify",
    usage: "",
    summary: "Whether every entry is what was written, in its order; exit code 1 when not.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: verify,
  },
];
