/** What a query's answer should be, and whether it is. */
import { z } from "zod";
import { formatLabels, type Labels } from "../../kernel/labels.js";

export const COMPARISON = /^(==|!=|<=|>=|<|>) ?(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$/;
const comparison = z.string().regex(COMPARISON, {
  error: ({ input }) => `${JSON.stringify(input)} is no comparison, expected such as ">= 0.15" or "== 3"`,
});

export const EXPECT = z.union(
  [
    z.literal("none"),
    z.literal("some"),
    z.strictObject({ every: comparison }),
    z.strictObject({ any: comparison }),
    z.strictObject({ count: comparison }),
  ],
  {
    error:
      'expected none, some, or one of every, any, count with a comparison, such as { every: ">= 0.15" } or { count: "== 3" }',
  },
);

/**
 * - `none`: no series may be there; `some`: at least one must be.
 * - `every`, `any`: the values of all, or of at least one, compare so; `count`: the number of series does.
 */
export type Expect = z.infer<typeof EXPECT>;

/** What no series at all means for `every` and `any`: a fault, agreement, or nothing to judge. */
export const ABSENT = z.enum(["fail", "pass", "skip"]);
export type Absent = z.infer<typeof ABSENT>;

export interface Finding {
  readonly labels: Labels;
  readonly value: number;
}

export type Judgement = {
  readonly kind: "holds" | "fails" | "absent";
  readonly because: string;
  readonly findings: readonly string[];
};

export const FINDINGS_MAX = 20;
/** Findings are kept in the run and shown in lists. */
const FINDING_LENGTH_MAX = 300;

export function judgeAnswer(expect: Expect, absent: Absent, answer: readonly Finding[]): Judgement {
  const judged = (holds: boolean, because: string, which: readonly Finding[]): Judgement => ({
    kind: holds ? "holds" : "fails",
    because,
    findings: listed(which),
  });
  if (expect === "none") {
    const many = `${answer.length} series ${answer.length === 1 ? "is" : "are"} there`;
    return answer.length === 0
      ? judged(true, "no series is there", [])
      : judged(false, `${many}, expected none`, answer);
  }
  if (expect === "some")
    return judged(
      answer.length > 0,
      answer.length > 0 ? `${answer.length} series` : "no series is there",
      answer,
    );
  if ("count" in expect) {
    const holds = compare(answer.length, expect.count);
    return judged(holds, `${answer.length} series, expected ${expect.count}`, answer);
  }
  if (answer.length === 0) {
    if (absent === "skip")
      return { kind: "absent", because: "no series is there: nothing to judge", findings: [] };
    return judged(absent === "pass", "no series is there", []);
  }
  if ("every" in expect) {
    const wrong = answer.filter(({ value }) => !compare(value, expect.every));
    return wrong.length === 0
      ? judged(true, `all ${answer.length} are ${expect.every}`, answer)
      : judged(false, `${wrong.length} of ${answer.length} are not ${expect.every}`, wrong);
  }
  const right = answer.filter(({ value }) => compare(value, expect.any));
  return right.length > 0
    ? judged(true, `${right.length} of ${answer.length} are ${expect.any}`, right)
    : judged(false, `none of ${answer.length} is ${expect.any}`, answer);
}

function compare(value: number, text: string): boolean {
  const [, operator, digits] = COMPARISON.exec(text) ?? [];
  const bound = Number(digits);
  switch (operator) {
    case "==":
      return value === bound;
    case "!=":
      return value !== bound;
    case "<":
      return value < bound;
    case "<=":
      return value <= bound;
    case ">":
      return value > bound;
    default:
      return value >= bound;
  }
}

function listed(findings: readonly Finding[]): readonly string[] {
  const shown = findings
    .slice(0, FINDINGS_MAX)
    .map(({ labels, value }) =>
      `${formatLabels(labels)} ${Number(value.toPrecision(6))}`.slice(0, FINDING_LENGTH_MAX),
    );
  const more = findings.length - shown.length;
  return more > 0 ? [...shown.slice(0, FINDINGS_MAX - 1), `and ${more + 1} more`] : shown;
}
