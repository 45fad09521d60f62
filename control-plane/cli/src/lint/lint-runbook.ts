/** A runbook as code: its form, what it says of others, and how long ago it was reviewed. */
import { type ContentPath, parseYamlText } from "#src/platform/yaml-text";
import { checkRunbook, daysOverdue } from "#src/runbooks/domain/check-runbook";
import { parseRunbook, type Runbook } from "#src/runbooks/domain/runbook";
import { fault, type Remark, warning } from "./finding.js";

export interface ReadRunbook {
  readonly book: Runbook;
  readonly lineOf: (path: ContentPath) => number;
}

export function readRunbook(text: string): ReadRunbook | { readonly remarks: readonly Remark[] } {
  const read = parseYamlText<ReadRunbook>("", text, ({ value, lineOf }) => {
    const parsed = parseRunbook(value, lineOf);
    return "faults" in parsed ? parsed : { value: { book: parsed.value, lineOf } };
  });
  if (!("faults" in read)) return read.value;
  return {
    remarks: read.faults.map((said) => {
      const [, line = "1", message = said] = /^:(\d+): ([\s\S]*)$/.exec(said) ?? [];
      return fault(Number(line), message, "", "");
    }),
  };
}

export function lintRunbook(
  { book, lineOf }: ReadRunbook,
  others: ReadonlyMap<string, Runbook>,
  now: number,
): readonly Remark[] {
  const remarks = checkRunbook(book, { others, lineOf }).map(({ line, severity, message }) =>
    (severity === "fault" ? fault : warning)(line, message, "", ""),
  );
  const days = daysOverdue(book, now);
  if (days > 0)
    remarks.push(
      warning(
        lineOf(["lastReviewed"]),
        `its review is ${days} days overdue`,
        `it is to be reviewed every ${book.reviewDays} days`,
        "read it through, try it with --dry-run, and set lastReviewed",
      ),
    );
  return remarks;
}
