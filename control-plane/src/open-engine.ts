/** The engine that evaluates expressions: this replica's own, another's, or the leader's. */
import { readFile } from "node:fs/promises";
import type { Leadership } from "./fleet/fleet.module.js";
import type { Ground } from "./ground.js";
import { guardOf } from "./platform/breakers.js";
import { HttpClient } from "./platform/http-client.js";
import {
  type LeaderPlace,
  openRemote,
  type TimeSeries,
  type TimeSeriesDoor,
} from "./timeseries/timeseries.module.js";

/** The engine that evaluates, by name. */
export const evaluatedBy = ({ config: { timeseries } }: Ground): string =>
  timeseries.kind === "embedded"
    ? "embedded"
    : `${timeseries.queryUrl.origin}${timeseries.queryUrl.pathname}`;

/** The engine that evaluates what this replica's own has taken. */
export function openEngine(
  { config, system, logger, lifecycle, database, breakers }: Ground,
  own: TimeSeries,
  leadership: Leadership,
): TimeSeriesDoor {
  const { timeseries } = config;
  if (timeseries.kind === "embedded") return own;
  const http = new HttpClient({ guard: guardOf(breakers) });
  lifecycle.started("line to the engine", () => http.close());
  const { tokenFile } = timeseries;
  const { series, loop } = openRemote({
    own,
    database,
    system,
    logger,
    http,
    ...timeseries,
    token: tokenFile === undefined ? undefined : () => readToken(tokenFile),
    leads: () => leadership.leads,
    mayWrite: (tx) => leadership.stillLeads(tx),
  });
  lifecycle.startLoop(loop);
  logger.info("expressions are evaluated by another engine", { at: series.at });
  return series;
}

/** Where the engine is that sees all samples. */
export function placeOf(leadership: Leadership): LeaderPlace {
  const { state } = leadership;
  if (state.kind === "leads") return { kind: "here" };
  if (state.kind === "follows" && state.leader !== undefined)
    return { kind: "there", restUrl: state.leader.restUrl };
  return { kind: "unknown", because: `no replica leads now: ${leadership.because}` };
}

/** Of a file that may change; read for each call. */
export const readToken = async (path: string): Promise<string> => (await readFile(path, "utf8")).trim();
