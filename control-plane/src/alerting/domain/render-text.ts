/**
 * Templates of labels and annotations: Go's text/template as rules use it, with Prometheus' functions. The variables are
 * `$value`, `$labels`, `$externalLabels` and `$externalURL`.
 */
import type { Labels } from "../../kernel/labels.js";
import { TemplateError } from "../../kernel/template/template-error.js";
import { TemplateSet } from "../../kernel/template/template-set.js";
import type { Instant } from "../../kernel/time.js";
import { samplesValue } from "./query-functions.js";
import { RULE_FUNCTIONS } from "./template-functions.js";

import type { AskQuery } from "./template-queries.js";

export interface RenderContext {
  readonly labels: Labels;
  readonly value: number;
  readonly now: Instant;
  /** What this Mainstay says of itself beside every alert. @default none */
  readonly externalLabels?: Labels;
  /** Where it can be reached by people. @default "" */
  readonly externalUrl?: string;
  /** Evaluates what a text queries. @default queries fail */
  readonly ask?: AskQuery;
}

/** A label or annotation is a line or a paragraph, not a book. */
const OUTPUT_MAX = 64 * 1024;
const STEPS_MAX = 50_000;

const templates = new TemplateSet(RULE_FUNCTIONS, ["$value", "$labels", "$externalLabels", "$externalURL"]);

/** What is wrong with a template; undefined when nothing is. */
export function checkTemplate(text: string): string | undefined {
  try {
    templates.check(text);
    return undefined;
  } catch (error) {
    if (error instanceof TemplateError) return `template: ${error.message}`;
    throw error;
  }
}

/** The text for one alert. As in Prometheus, a template that fails gives a text that says so. */
export function renderText(text: string, context: RenderContext): string {
  if (!text.includes("{{")) return text;
  const { labels, value, now, externalLabels = {}, externalUrl = "", ask } = context;
  try {
    return templates.fill(
      text,
      { Labels: labels, Value: value, ExternalLabels: externalLabels, ExternalURL: externalUrl },
      {
        now,
        outputMax: OUTPUT_MAX,
        stepsMax: STEPS_MAX,
        ...(ask === undefined ? {} : { ask: (query: string) => samplesValue(ask(query)) }),
        variables: {
          $labels: labels,
          $value: value,
          $externalLabels: externalLabels,
          $externalURL: externalUrl,
        },
      },
    );
  } catch (error) {
    if (error instanceof TemplateError) return `<error expanding template: ${error.message}>`;
    throw error;
  }
}
