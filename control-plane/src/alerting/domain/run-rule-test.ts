/** Runs unit tests of rules as promtool does; what is wrong is told in promtool's words. */
import { compareText, type Labels, labelsKey } from "../../kernel/labels.js";
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";
import { PromqlError } from "../../promql/errors.js";
import { evaluateInstant } from "../../promql/evaluate.js";
import { MemorySeries } from "../../promql/memory-series.js";
import { ParsedQueries } from "../../promql/parsed-queries.js";
import { parseLabels, parseSeriesValues, SeriesNotationError } from "../../promql/series-notation.js";
import { Rehearsal } from "./rehearsal.js";
import type { Rule, RuleGroup } from "./rule.js";
import { type RuleSample } from "./rule-series.js";
import type { AlertTest, ExprTest, RuleTest, RuleTestFile } from "./rule-test-file.js";
import { vectorOf } from "./rule-vector.js";
import { askAtOnce } from "./template-queries.js";

/** Most evaluations of one test: a month of minutes. What asks for more would run for hours. */
const EVALUATIONS_MAX = 50_000;

/** The faults of one test, each a text of one or more lines; none when it passes. Never throws for what a file holds. */
export function runRuleTest(
  test: RuleTest,
  groups: readonly RuleGroup[],
  file: Pick<RuleTestFile, "evaluationInterval" | "groupEvalOrder" | "fuzzyCompare">,
): readonly string[] {
  try {
    return new RuleTestRun(test, orderedGroups(groups, file.groupEvalOrder), file).run();
  } catch (error) {
    if (error instanceof SeriesNotationError || error instanceof PromqlError || error instanceof RangeError)
      return [`    ${error.message}`];
    throw error;
  }
}

/** Those named in `order` first, as they stand there. */
function orderedGroups(groups: readonly RuleGroup[], order: readonly string[]): readonly RuleGroup[] {
  const place = (group: RuleGroup): number => {
    const at = order.indexOf(group.name);
    return at === -1 ? order.length : at;
  };
  return [...groups].sort((a, b) => place(a) - place(b));
}

class RuleTestRun {
  readonly #series = new MemorySeries();
  readonly #queries = new ParsedQueries();
  readonly #rehearsal: Rehearsal;
  readonly #faults: string[] = [];
  readonly #input: PendingInput;

  constructor(
    private readonly test: RuleTest,
    private readonly groups: readonly RuleGroup[],
    private readonly file: Pick<RuleTestFile, "evaluationInterval" | "fuzzyCompare">,
  ) {
    const { externalLabels, externalUrl } = test;
    this.#rehearsal = new Rehearsal({
      surroundings: { externalLabels, externalUrl },
      ask: (query, at) => askAtOnce(() => this.#evaluate(query, at), at),
    });
    this.#input = new PendingInput(test);
  }

  run(): readonly string[] {
    const { alertTests, exprTests } = this.test;
    const last = Math.max(0, ...[...alertTests, ...exprTests].map(({ evalTime }) => evalTime));
    const { evaluationInterval } = this.file;
    if (last / evaluationInterval > EVALUATIONS_MAX)
      return [`    more than ${EVALUATIONS_MAX} evaluations up to ${formatDuration(last)}`];
    const times = [...new Set(alertTests.map(({ evalTime }) => evalTime))].sort((a, b) => a - b);
    for (let now = 0; now <= last; now += evaluationInterval) {
      this.#input.loadUpTo(now, this.#series);
      this.#judgeGroups(now);
      if (this.#faults.length > 0) return this.#faults;
      // An evaluation stands for all times up to the next one.
      for (const time of times) {
        if (time < now || time >= now + evaluationInterval) continue;
        for (const one of alertTests) if (one.evalTime === time) this.#compareAlerts(one);
      }
    }
    this.#input.loadUpTo(last, this.#series);
    for (const one of exprTests) this.#compareSamples(one);
    return this.#faults;
  }

  #judgeGroups(now: Instant): void {
    for (const group of this.groups) {
      for (const rule of group.rules) {
        const failure = this.#judge(group, rule, now);
        if (failure !== undefined)
          this.#faults.push(`    rule: ${rule.name}, time: ${formatDuration(now)}, err: ${failure}`);
      }
    }
  }

  /** Why the rule could not be judged. */
  #judge(group: RuleGroup, rule: Rule, now: Instant): string | undefined {
    try {
      const { samples, failure } = this.#rehearsal.step(group, rule, this.#evaluate, now);
      appendSamples(this.#series, samples);
      return failure;
    } catch (error) {
      if (error instanceof PromqlError) return error.message;
      throw error;
    }
  }

  readonly #evaluate = (expr: string, at: Instant) =>
    evaluateInstant(this.#queries.parse(expr), at, this.#series, { text: expr });

  #compareAlerts(test: AlertTest): void {
    const got = this.groups
      .flatMap(({ rules }) => rules)
      .flatMap((rule) => (rule.kind === "alerting" && rule.name === test.alertname ? [rule] : []))
      .flatMap((rule) => this.#rehearsal.alertsOf(rule))
      .filter(({ state }) => state.kind === "firing");
    const sorted = (alerts: readonly LabelledTexts[]): readonly LabelledTexts[] =>
      [...alerts].sort((a, b) => compareText(alertKey(a), alertKey(b)));
    const expected = sorted(test.expected);
    const found = sorted(got);
    const same =
      expected.length === found.length &&
      expected.every((alert, index) => alertKey(alert) === alertKey(found[index] as LabelledTexts));
    if (same) return;
    const name = this.test.name === "" ? "" : `    name: ${this.test.name},\n`;
    this.#faults.push(
      `${name}    alertname: ${test.alertname}, time: ${formatDuration(test.evalTime)}, \n` +
        `        exp:${describeAlerts(expected)}, \n        got:${describeAlerts(found)}`,
    );
  }

  #compareSamples(test: ExprTest): void {
    const fault = (what: string): void =>
      void this.#faults.push(
        `    expr: ${JSON.stringify(test.expr)}, time: ${formatDuration(test.evalTime)},${what}`,
      );
    try {
      const value = this.#evaluate(test.expr, test.evalTime);
      const vector = vectorOf(value, test.evalTime);
      if (vector === undefined) {
        fault(` err: rule result is not a vector or scalar`);
        return;
      }
      const expected = inOrder(
        test.expected.map(({ labels, value: number }) => ({
          labels: parseExpectedLabels(labels),
          value: number,
        })),
      );
      const found = inOrder(vector);
      const same =
        expected.length === found.length &&
        expected.every((sample, index) => {
          const other = found[index] as LabelledNumber;
          return (
            labelsKey(sample.labels) === labelsKey(other.labels) &&
            sameNumber(sample.value, other.value, this.file.fuzzyCompare)
          );
        });
      if (!same) fault(`\n        exp: ${describeSamples(expected)}\n        got: ${describeSamples(found)}`);
    } catch (error) {
      if (!(error instanceof PromqlError || error instanceof SeriesNotationError)) throw error;
      fault(` err: ${error.message}`);
    }
  }
}

/** The input series, loaded as time goes on, so that what rules write stands between their samples in order. */
class PendingInput {
  readonly #series: readonly {
    readonly labels: Labels;
    readonly points: ReturnType<typeof parseSeriesValues>;
    next: number;
  }[];
  readonly #interval: Duration;

  constructor({ inputSeries, interval }: RuleTest) {
    this.#interval = interval;
    this.#series = inputSeries.map(({ series, values }) => ({
      labels: parseLabels(series),
      points: parseSeriesValues(values),
      next: 0,
    }));
  }

  loadUpTo(now: Instant, into: MemorySeries): void {
    for (const series of this.#series) {
      for (; series.next < series.points.length && series.next * this.#interval <= now; series.next++) {
        const point = series.points[series.next];
        const at = series.next * this.#interval;
        if (typeof point === "number") into.append(series.labels, at, point);
        else if (point === "stale") into.appendStale(series.labels, at);
      }
    }
  }
}

/** Ends first: a series that ends and goes on at one time goes on. */
function appendSamples(series: MemorySeries, samples: readonly RuleSample[]): void {
  for (const { labels, timestampMs, value } of samples)
    if (value === "stale") series.appendStale(labels, timestampMs);
  for (const { labels, timestampMs, value } of samples)
    if (value !== "stale") series.append(labels, timestampMs, value);
}

interface LabelledTexts {
  readonly labels: Labels;
  readonly annotations: Labels;
}

interface LabelledNumber {
  readonly labels: Labels;
  readonly value: number;
}

function alertKey({ labels, annotations }: LabelledTexts): string {
  return `${labelsKey(labels)}\n${labelsKey(annotations)}`;
}

function inOrder(samples: readonly LabelledNumber[]): readonly LabelledNumber[] {
  return [...samples].sort((a, b) => compareText(labelsKey(a.labels), labelsKey(b.labels)));
}

function parseExpectedLabels(text: string): Labels {
  return text.trim() === "" ? {} : parseLabels(text);
}

const bits = new DataView(new ArrayBuffer(8));

/** The number's place among all doubles, so that neighbours differ by one. */
function placeOf(value: number): bigint {
  bits.setFloat64(0, value);
  const place = bits.getBigInt64(0);
  return place < 0n ? -(place & 0x7fffffffffffffffn) : place;
}

function sameNumber(a: number, b: number, fuzzy: boolean): boolean {
  if (Object.is(a, b) || a === b) return true;
  if (!fuzzy || Number.isNaN(a) || Number.isNaN(b)) return false;
  const distance = placeOf(a) - placeOf(b);
  return distance >= -1n && distance <= 1n;
}

/** All labels in braces, as promtool prints them. */
function braced(labels: Labels): string {
  const parts = Object.keys(labels)
    .sort(compareText)
    .map((name) => `${name}=${JSON.stringify(labels[name])}`);
  return `{${parts.join(", ")}}`;
}

function describeAlerts(alerts: readonly LabelledTexts[]): string {
  if (alerts.length === 0) return "[]";
  const lines = alerts.map(
    ({ labels, annotations }, index) =>
      `            ${index}:\n              Labels:${braced(labels)}\n              Annotations:${braced(annotations)}`,
  );
  return `[\n${lines.join("\n")}\n            ]`;
}

function describeSamples(samples: readonly LabelledNumber[]): string {
  if (samples.length === 0) return "nil";
  return samples.map(({ labels, value }) => `${braced(labels)} ${formatE(value)}`).join(", ");
}

/** As Go's strconv.FormatFloat(value, 'E', -1, 64). */
function formatE(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return value
    .toExponential()
    .toUpperCase()
    .replace(/E([+-])(\d)$/, "E$10$2");
}
