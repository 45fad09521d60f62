/** What texts of rules do with the samples that they query: Prometheus' functions of the same names. */

import { compareText, type Labels } from "../../kernel/labels.js";
import { escapeQuery } from "../../kernel/template/builtins.js";
import type { TemplateFunction, TemplateFunctions } from "../../kernel/template/run-template.js";
import { TemplateError } from "../../kernel/template/template-error.js";
import {
  entryOf,
  isList,
  showValue,
  type TemplateMap,
  TemplateObject,
  type TemplateValue,
} from "../../kernel/template/value.js";
import type { Sample } from "../../promql/value.js";

/** One sample within a text: `.Labels`, `.Value`. */
class TemplateSample extends TemplateObject {
  constructor(
    readonly labels: Labels,
    readonly value: number,
  ) {
    super();
  }

  override member(name: string): TemplateValue | undefined {
    if (name === "Labels") return this.labels;
    return name === "Value" ? this.value : undefined;
  }

  override show(): string {
    return `{${showValue(this.labels)} ${showValue(this.value)}}`;
  }

  override plain(): TemplateMap {
    return { Labels: this.labels, Value: this.value };
  }
}

export function samplesValue(samples: readonly Sample[]): readonly TemplateValue[] {
  return samples.map(({ labels, value }) => new TemplateSample(labels, value));
}

const query: TemplateFunction = ([text], { ask }) => {
  if (typeof text !== "string") return undefined;
  if (ask === undefined) throw new TemplateError("error calling query: nothing can be queried here");
  return ask(text);
};

const first: TemplateFunction = ([samples]) => {
  if (samples === undefined || !isList(samples)) return undefined;
  const [sample] = samples;
  if (sample === undefined)
    throw new TemplateError("error calling first: first() called on vector with no elements");
  return sample;
};

const ofSample =
  (read: (sample: TemplateSample) => TemplateValue): TemplateFunction =>
  ([sample]) =>
    sample instanceof TemplateSample ? read(sample) : undefined;

const label: TemplateFunction = ([name, sample]) =>
  typeof name === "string" && sample instanceof TemplateSample ? entryOf(sample.labels, name) : undefined;

const sortByLabel: TemplateFunction = ([name, samples]) => {
  if (typeof name !== "string" || samples === undefined || !isList(samples)) return undefined;
  if (!samples.every((sample) => sample instanceof TemplateSample)) return undefined;
  return [...samples].sort((a, b) => compareText(a.labels[name] ?? "", b.labels[name] ?? ""));
};

/** A path of Prometheus' own page, whose tab 0 draws and whose tab 1 lists. */
const link =
  (tab: 0 | 1): TemplateFunction =>
  ([expr]) =>
    typeof expr === "string" ? `/graph?g0.expr=${escapeQuery(expr)}&g0.tab=${tab}` : undefined;

export const QUERY_FUNCTIONS: TemplateFunctions = {
  query,
  first,
  label,
  value: ofSample((sample) => sample.value),
  strvalue: ofSample((sample) => entryOf(sample.labels, "__value__")),
  sortByLabel,
  graphLink: link(0),
  tableLink: link(1),
};
