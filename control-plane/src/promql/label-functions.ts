import { executionError, PromqlError } from "./errors.js";
import { type Grid, relabel } from "./grid.js";
import { labelValue, withLabel } from "./label-sets.js";
import { compilePattern } from "./match.js";
import { isUsableLabelName, quote } from "./quote.js";
import { expandTemplate } from "./regexp.js";

function requireLabelName(name: string, what: string): void {
  if (!isUsableLabelName(name)) throw executionError(`invalid ${what}: ${quote(name)}`);
}

/** `label_replace`: where the whole value of `source` matches, `target` becomes the template with its groups filled in. */
export function labelReplace(
  grid: Grid,
  target: string,
  template: string,
  source: string,
  pattern: string,
): Grid {
  const regexp = compileLabelPattern(pattern);
  requireLabelName(target, "destination label name in label_replace()");
  const labels = grid.labels.map((set) => {
    const groups = regexp.groups(labelValue(set, source));
    return groups === undefined
      ? set
      : withLabel(set, target, expandTemplate(template, groups, regexp.names));
  });
  return relabel(grid, labels, false);
}

function compileLabelPattern(pattern: string): ReturnType<typeof compilePattern> {
  try {
    return compilePattern(pattern);
  } catch (error) {
    if (!(error instanceof PromqlError)) throw error;
    throw executionError(`invalid regular expression in label_replace(): ${pattern}`);
  }
}

/** `label_join`: `target` becomes the values of `sources`, with `separator` between them. */
export function labelJoin(grid: Grid, target: string, separator: string, sources: readonly string[]): Grid {
  for (const source of sources) requireLabelName(source, "source label name in label_join()");
  requireLabelName(target, "destination label name in label_join()");
  const labels = grid.labels.map((set) =>
    withLabel(set, target, sources.map((source) => labelValue(set, source)).join(separator)),
  );
  return relabel(grid, labels, false);
}
