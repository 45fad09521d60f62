import fc from "fast-check";

const metric = fc.constantFrom("a_total", "b", "c_bucket");
const label = fc.constantFrom("x", "y", "le");
const duration = fc.constantFrom("1m", "90s", "2m30s", "5m");
const value = fc.constantFrom("", "1", "2", "+Inf");
const operator = fc.constantFrom("=", "!=", "=~", "!~");

const selector = fc
  .tuple(metric, fc.array(fc.tuple(label, operator, value), { maxLength: 2 }))
  .map(([name, matchers]) => {
    const inside = matchers.map(([key, op, text]) => `${key}${op}"${text.replace("+", "\\\\+")}"`).join(",");
    return inside === "" ? name : `${name}{${inside}}`;
  });

const modifiers = fc.constantFrom(
  "",
  "",
  "",
  " offset 1m",
  " offset -30s",
  " @ 100",
  " @ start()",
  " @ end() offset 1m",
);

const grouping = fc.constantFrom("", " by (x)", " by (x, y)", " without (x)", " without ()", " by (le)");

/**
 * Valid expressions of type instant vector over the metrics `a_total`, `b` and `c_bucket` with the labels `x`, `y` and `le`: selectors, functions,
 * aggregations, operators and subqueries, nested. For properties that must hold for all expressions.
 */
export const anyExpression: fc.Arbitrary<string> = fc.letrec<{
  vector: string;
  scalar: string;
  matrix: string;
}>((tie) => ({
  scalar: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom("1", "0.5", "-2", "NaN", "Inf", "30s", "time()"),
    tie("vector").map((vector) => `scalar(${vector})`),
    fc
      .tuple(tie("scalar"), fc.constantFrom("+", "*", "^", "%"), tie("scalar"))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
  ),
  matrix: fc.oneof(
    { maxDepth: 2 },
    fc.tuple(selector, duration, modifiers).map(([name, range, end]) => `${name}[${range}]${end}`),
    fc
      .tuple(tie("vector"), duration, fc.constantFrom("", "30s", "1m"), modifiers)
      .map(([inner, range, step, end]) => `(${inner})[${range}:${step}]${end}`),
  ),
  vector: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.tuple(selector, modifiers).map(([name, end]) => `${name}${end}`),
    fc
      .tuple(
        fc.constantFrom(
          "rate",
          "increase",
          "delta",
          "irate",
          "sum_over_time",
          "avg_over_time",
          "max_over_time",
          "last_over_time",
          "changes",
          "deriv",
          "stddev_over_time",
          "absent_over_time",
        ),
        tie("matrix"),
      )
      .map(([name, matrix]) => `${name}(${matrix})`),
    fc.tuple(tie("scalar"), tie("matrix")).map(([q, matrix]) => `quantile_over_time(${q}, ${matrix})`),
    fc.tuple(tie("matrix"), tie("scalar")).map(([matrix, ahead]) => `predict_linear(${matrix}, ${ahead})`),
    fc
      .tuple(fc.constantFrom("abs", "sgn", "timestamp", "absent", "hour", "round"), tie("vector"))
      .map(([name, vector]) => `${name}(${vector})`),
    fc.tuple(tie("vector"), tie("scalar")).map(([vector, low]) => `clamp_min(${vector}, ${low})`),
    fc.tuple(tie("scalar"), tie("vector")).map(([q, vector]) => `histogram_quantile(${q}, ${vector})`),
    fc
      .tuple(fc.constantFrom("sum", "avg", "min", "max", "count", "stddev", "group"), grouping, tie("vector"))
      .map(([name, by, vector]) => `${name}${by}(${vector})`),
    fc
      .tuple(
        fc.constantFrom("topk", "bottomk", "quantile"),
        grouping,
        fc.constantFrom("1", "2", "0.5"),
        tie("vector"),
      )
      .map(([name, by, k, vector]) => `${name}${by}(${k}, ${vector})`),
    fc
      .tuple(
        tie("vector"),
        fc.constantFrom("+", "-", "/", ">", "== bool", "and", "or", "unless"),
        fc.constantFrom("", " on (x)", " ignoring (le)"),
        tie("vector"),
      )
      .map(([left, op, matching, right]) => `(${left} ${op}${matching} ${right})`),
    fc
      .tuple(tie("vector"), fc.constantFrom("*", "-", "<", ">= bool"), tie("scalar"))
      .map(([left, op, right]) => `(${left} ${op} ${right})`),
    tie("vector").map((vector) => `-(${vector})`),
  ),
})).vector;
