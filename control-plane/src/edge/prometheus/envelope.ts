/** The envelope in which the Prometheus API answers. */
import { type Asked, type Endpoint, type HttpAnswer, json, type Verb } from "../http-endpoint.js";

/** What a successful answer holds. */
export interface Answer {
  readonly data: unknown;
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

/** Rows of the permit table. */
export const QUERY = "mainstay.operator.v1.MetricsService/Query";
export const ALERTS = "mainstay.operator.v1.AlertsService/ListAlerts";
export const RULES = "mainstay.operator.v1.AlertsService/ListRules";
export const WRITE = "prometheus.v1/Write";

export const GET: readonly Verb[] = ["GET"];
export const GET_OR_POST: readonly Verb[] = ["GET", "POST"];

/** Said of every list that was cut. */
export const TRUNCATED = "results truncated due to limit";

/** An endpoint whose answer stands in the envelope. */
export function enveloped(
  path: string,
  verbs: readonly Verb[],
  needs: string,
  work: (asked: Asked) => Promise<Answer>,
): Endpoint {
  return { path, verbs, needs, answer: async (asked): Promise<HttpAnswer> => succeed(await work(asked)) };
}

export function succeed(answer: Answer): HttpAnswer {
  return json({ status: "success", ...answer });
}
