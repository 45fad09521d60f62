/** What the texts of one rule query while it is judged: asked all together, answered, and asked again for the rest. */
import { TemplateError } from "../../kernel/template/template-error.js";
import type { Instant } from "../../kernel/time.js";
import { PromqlError } from "../../promql/errors.js";
import type { Sample, Value } from "../../promql/value.js";
import { vectorOf } from "./rule-vector.js";

/** Throws TemplateError. */
export type AskQuery = (query: string) => readonly Sample[];

export type QueryAnswer = { readonly samples: readonly Sample[] } | { readonly because: string };

/** Different queries of one rule at one time: each alert may ask its own. */
const QUERIES_MAX = 1_000;
/** Samples of one answer that a text sees. */
const SAMPLES_MAX = 10_000;

export class TemplateQueries {
  readonly #answers = new Map<string, QueryAnswer>();
  readonly #open = new Set<string>();

  readonly ask: AskQuery = (query) => {
    const answer = this.#answers.get(query);
    if (answer !== undefined) return samplesOf(answer);
    if (this.#answers.size + this.#open.size >= QUERIES_MAX && !this.#open.has(query))
      throw failed(`more than ${QUERIES_MAX} different queries in the texts of one rule`);
    this.#open.add(query);
    throw failed("its answer depends on too many others");
  };

  /** What was asked and is not answered yet. */
  open(): readonly string[] {
    return [...this.#open];
  }

  answer(query: string, answer: QueryAnswer): void {
    this.#open.delete(query);
    this.#answers.set(query, answer);
  }
}

/** Asks an engine that answers at once. What is no fault of the query passes through. */
export function askAtOnce(evaluate: () => Value, at: Instant): readonly Sample[] {
  try {
    const value = evaluate();
    const samples = vectorOf(value, at);
    return samplesOf(samples === undefined ? { because: notAVector(value.kind) } : { samples });
  } catch (error) {
    if (error instanceof PromqlError) throw failed(error.message);
    throw error;
  }
}

const notAVector = (kind: string): string => `the query gives a ${kind}, expected a vector or a scalar`;

function samplesOf(answer: QueryAnswer): readonly Sample[] {
  if ("because" in answer) throw failed(answer.because);
  if (answer.samples.length > SAMPLES_MAX)
    throw failed(`the query gives ${answer.samples.length} samples, at most ${SAMPLES_MAX} are taken`);
  return answer.samples;
}

const failed = (because: string): TemplateError => new TemplateError(`error calling query: ${because}`);
