/** What the engine answers to the expressions of rules, and to what their texts query. */
import { messageOf } from "../kernel/errors.js";
import type { Instant } from "../kernel/time.js";
import type { Sample } from "../promql/value.js";
import type { Evaluation, KeyedExpression } from "../timeseries/timeseries.module.js";
import type { RuleOutcome } from "./domain/evaluate-rule.js";
import { vectorOf } from "./domain/rule-vector.js";
import { type AskQuery, type QueryAnswer, TemplateQueries } from "./domain/template-queries.js";

/** The answers to one batch of expressions. */
export type Answers = ReadonlyMap<string, Evaluation>;

export type EvaluateMany = (expressions: readonly KeyedExpression[], at: Instant) => Promise<Answers>;

/** A text whose query needs another's answer comes to its end in so many rounds, or is told that it has not. */
const QUERY_ROUNDS_MAX = 8;

/** The vector that an expression gave; a text when it failed; undefined when it was not asked. */
export function vectorIn(answers: Answers, key: string, at: Instant): readonly Sample[] | string | undefined {
  const answer = answers.get(key);
  if (answer === undefined) return undefined;
  if (answer.kind === "failed") return answer.error.message;
  const vector = vectorOf(answer.value, at);
  return vector ?? `the expression gives a ${answer.value.kind}, expected a vector or a scalar`;
}

/**
 * Decides again until all that the rule's texts query is known: what one asks may depend on what another was told. A
 * query that fails makes a text that says so, and keeps no alert back.
 */
export async function withQueries(
  evaluateMany: EvaluateMany,
  at: Instant,
  decide: (ask: AskQuery) => RuleOutcome,
): Promise<RuleOutcome> {
  const queries = new TemplateQueries();
  for (let round = 0; ; round++) {
    const outcome = decide(queries.ask);
    const open = queries.open();
    if (open.length === 0 || round >= QUERY_ROUNDS_MAX) return outcome;
    const answers = await evaluateMany(
      open.map((text) => ({ key: text, text })),
      at,
    ).catch(messageOf);
    for (const text of open) queries.answer(text, answerIn(answers, text, at));
  }
}

function answerIn(answers: Answers | string, text: string, at: Instant): QueryAnswer {
  if (typeof answers === "string") return { because: answers };
  const found = vectorIn(answers, text, at);
  return typeof found === "object" ? { samples: found } : { because: found ?? "it was not evaluated" };
}
