/** What a record of a region's run says, as a sentence for a person. */
import { type Duration, formatDuration } from "../../kernel/time.js";
import type { CascadeRecord, Missing } from "./cascade.js";

const time = (ms: Duration): string => formatDuration(Math.round(ms));
const list = (names: readonly string[]): string => names.join(", ") || "nothing";

export function tellMissing(missing: Missing | undefined): string {
  if (missing === undefined) return "";
  return missing === null ? "; nothing tells how much is missing" : `; at most ${time(missing)} missing`;
}

/** One sentence, without its time. */
export function tellCascade(record: CascadeRecord): string {
  switch (record.kind) {
    case "begun": {
      const doubts = record.doubts.map(({ says }) => says).join("; ");
      return `asked for by ${record.by}: ${record.reason}${doubts === "" ? "" : `; another person has to approve it: ${doubts}`}`;
    }
    case "approved":
      return `approved by ${record.by}: ${record.reason}`;
    case "refused":
      return `refused by ${record.by}: ${record.reason}`;
    case "acting":
      return `${record.step} is begun: ${record.because}${tellMissing(record.missingMs)}`;
    case "acted":
      return `${record.step}: ${record.because}`;
    case "failed":
      return `${record.step} does not go on: ${record.because}`;
    case "done":
      return `${record.step} is verified after ${time(record.tookMs)}: ${record.because}${tellMissing(record.missingMs)}`;
    case "over-budget":
      return `${record.step} is over its budget: ${time(record.spentMs)} of ${time(record.budgetMs)}`;
    case "over-rto":
      return `the region is away longer than it may be: ${time(record.spentMs)} of ${time(record.rtoMs)}`;
    case "asked":
      return `a person is asked to go on or abort: ${record.says}`;
    case "answered":
      return `${record.by} says to go on: ${record.reason}`;
    case "withdrawn":
      return `the question is withdrawn: ${record.because}`;
    case "aborted":
      return `aborted by ${record.by}: ${record.because}; done: ${list(record.done)}; under way: ${list(record.underWay)}; not begun: ${list(record.left)}`;
    case "closed":
      return `everything is verified ${time(record.tookMs)} after the loss`;
  }
}
