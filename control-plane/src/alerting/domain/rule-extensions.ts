/**
 * What a rule may ask for beyond Prometheus, in annotations whose names are reserved: the file stays a valid Prometheus
 * rule file, promtool checks and tests it, and whoever reads the alert sees by what it is held.
 *
 *   mainstay_resolve_expr: the alert fires until this expression gives a series whose labels are among the alert's
 *   mainstay_flapping:     "5 in 30m": what fires so often within that time keeps firing until it has been quiet
 *   mainstay_nodes_expr:   each node of the fleet of which this expression gives no series holds the condition, with value 0
 */
import { type Duration, parseDuration } from "../../kernel/time.js";
import { PromqlError } from "../../promql/errors.js";
import { parseExpr } from "../../promql/parse.js";

/** How often within how long an alert fires before it is called flapping. */
export interface Flapping {
  /** 2 to 64. */
  readonly times: number;
  readonly within: Duration;
}

export interface RuleExtensions {
  readonly resolveExpr?: string;
  readonly flapping?: Flapping;
  readonly nodesExpr?: string;
}

/** Most firings that are remembered of one alert. */
export const TURNS_MAX = 64;

const PREFIX = "mainstay_";
const NAMES: readonly string[] = ["mainstay_resolve_expr", "mainstay_flapping", "mainstay_nodes_expr"];

/** What the annotations ask for; `fault` is told what is wrong with one. */
export function parseExtensions(
  annotations: Readonly<Record<string, string>>,
  fault: (annotation: string, message: string) => void,
): RuleExtensions {
  for (const name of Object.keys(annotations)) {
    if (name.startsWith(PREFIX) && !NAMES.includes(name))
      fault(name, `unknown annotation "${name}", expected one of ${NAMES.join(", ")}`);
  }
  const expression = (name: string): string | undefined => {
    const text = annotations[name];
    if (text === undefined) return undefined;
    try {
      parseExpr(text);
      return text;
    } catch (error) {
      if (!(error instanceof PromqlError)) throw error;
      fault(name, `annotation "${name}": could not parse expression: ${error.message}`);
      return undefined;
    }
  };
  const resolveExpr = expression("mainstay_resolve_expr");
  const nodesExpr = expression("mainstay_nodes_expr");
  const flapping = parseFlapping(annotations["mainstay_flapping"], fault);
  return {
    ...(resolveExpr === undefined ? {} : { resolveExpr }),
    ...(flapping === undefined ? {} : { flapping }),
    ...(nodesExpr === undefined ? {} : { nodesExpr }),
  };
}

function parseFlapping(
  text: string | undefined,
  fault: (annotation: string, message: string) => void,
): Flapping | undefined {
  if (text === undefined) return undefined;
  const match = /^\s*(\d+)\s+in\s+(\S+)\s*$/.exec(text);
  const times = Number(match?.[1]);
  const within = parseDuration(match?.[2] ?? "");
  if (within !== undefined && within > 0 && times >= 2 && times <= TURNS_MAX) return { times, within };
  fault(
    "mainstay_flapping",
    `annotation "mainstay_flapping" is "${text}", expected a number from 2 to ${TURNS_MAX} and a duration such as "5 in 30m"`,
  );
  return undefined;
}
