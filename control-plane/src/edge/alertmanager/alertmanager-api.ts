/**
 * Alertmanager's API, version 2 (its OpenAPI document in prometheus/alertmanager, `api/v2/openapi.yaml`), over this
 * house's notification: what amtool, Prometheus, Grafana and other clients of Alertmanager ask. Answers have the statuses
 * of that document and no others, for its generated clients refuse what is not in it.
 */
import { OpsError } from "../../kernel/errors.js";
import {
  type AlertFilter,
  type LabelMatcher,
  type NotificationDoor,
  parseMatchers,
} from "../../notification/notification.module.js";
import type { Clock } from "../../platform/system.js";
import {
  type Asked,
  type Endpoint,
  type Fields,
  type HttpAnswer,
  json,
  plain,
  refuseForeignPage,
} from "../http-endpoint.js";
import { text, texts } from "../prometheus/parameters.js";
import { readAlerts, readSilence } from "./read-body.js";
import { alertShape, groupShape, silenceShape } from "./shapes.js";

export interface AlertmanagerDeps {
  readonly notification: Pick<
    NotificationDoor,
    | "listAlerts"
    | "listGroups"
    | "postAlerts"
    | "receivers"
    | "listSilences"
    | "getSilence"
    | "putSilence"
    | "expireSilence"
    | "status"
  >;
  readonly clock: Clock;
  readonly version: string;
  /** This replica's name, as the only member of its cluster. */
  readonly name: string;
}

const READ = "alertmanager.v2/Read";
const POST_ALERTS = "alertmanager.v2/PostAlerts";
const CHANGE_SILENCES = "alertmanager.v2/ChangeSilences";

/** The release of Alertmanager whose API is spoken: alerts say since then what mutes them. */
const SPOKEN_VERSION = "0.28.1";

const GET = ["GET"] as const;

export function alertmanagerEndpoints(deps: AlertmanagerDeps): readonly Endpoint[] {
  const { notification } = deps;
  return [
    { path: "status", verbs: GET, needs: READ, answer: async () => json(status(deps)) },
    {
      path: "alerts",
      verbs: ["GET", "POST"],
      needs: { GET: READ, POST: POST_ALERTS },
      answer: async (asked) =>
        asked.verb === "POST"
          ? postAlerts(deps, asked)
          : json((await notification.listAlerts(alertFilter(asked.fields))).map(alertShape)),
    },
    {
      path: "alerts/groups",
      verbs: GET,
      needs: READ,
      answer: async ({ fields }) =>
        json((await notification.listGroups(alertFilter(fields))).map(groupShape)),
    },
    {
      path: "receivers",
      verbs: GET,
      needs: READ,
      answer: async () => json(notification.receivers().map((name) => ({ name }))),
    },
    {
      path: "silences",
      verbs: ["GET", "POST"],
      needs: { GET: READ, POST: CHANGE_SILENCES },
      answer: async (asked) =>
        asked.verb === "POST"
          ? postSilence(deps, asked)
          : json((await notification.listSilences(matchers(asked.fields))).map(silenceShape)),
    },
    {
      path: "silence/*",
      verbs: ["GET", "DELETE"],
      needs: { GET: READ, DELETE: CHANGE_SILENCES },
      answer: (asked) => (asked.verb === "DELETE" ? deleteSilence(deps, asked) : getSilence(deps, asked)),
    },
  ];
}

function status({ notification, version, name }: AlertmanagerDeps): object {
  const { configOriginal, startedAt } = notification.status();
  return {
    // The replicas share one database, so there is nothing between them to settle.
    cluster: { name, peers: [], status: "ready" },
    config: { original: configOriginal },
    uptime: new Date(startedAt).toISOString(),
    versionInfo: {
      branch: "mainstay",
      buildDate: "",
      buildUser: "",
      goVersion: "",
      revision: `mainstay-${version}`,
      version: SPOKEN_VERSION,
    },
  };
}

const YES = /^(?:true|1|yes|ok|y|on|selected|checked|t|enabled)$/i;

/** A switch that is on unless something else is said. */
function isOn(fields: Fields, name: string): boolean {
  const said = text(fields, name);
  return said === undefined || YES.test(said);
}

function alertFilter(fields: Fields): AlertFilter {
  const receiver = text(fields, "receiver");
  return {
    active: isOn(fields, "active"),
    silenced: isOn(fields, "silenced"),
    inhibited: isOn(fields, "inhibited"),
    unprocessed: isOn(fields, "unprocessed"),
    muted: isOn(fields, "muted"),
    matchers: matchers(fields),
    ...(receiver === undefined ? {} : { receiver }),
  };
}

function matchers(fields: Fields): readonly LabelMatcher[] {
  return texts(fields, "filter").flatMap((filter) => {
    const parsed = parseMatchers(filter);
    if (parsed.kind === "matchers") return parsed.matchers;
    throw new OpsError("INVALID_ARGUMENT", parsed.because);
  });
}

const malformed = (faults: readonly string[]): HttpAnswer =>
  json({ code: 602, message: `validation failure list:\n${faults.join("\n")}` }, 422);

async function postAlerts({ notification }: AlertmanagerDeps, asked: Asked): Promise<HttpAnswer> {
  refuseForeignPage(asked.headers);
  const read = readAlerts(asked.body);
  if (read.kind === "malformed") return malformed(read.faults);
  const { faults } = await notification.postAlerts(read.alerts);
  // What was good is stored all the same, as Alertmanager does.
  return faults.length > 0 ? json(faults.join("; "), 400) : plain(200, "");
}

async function postSilence({ notification }: AlertmanagerDeps, asked: Asked): Promise<HttpAnswer> {
  refuseForeignPage(asked.headers);
  const read = readSilence(asked.body);
  if (read.kind === "malformed") return malformed(read.faults);
  const outcome = await notification.putSilence(read.request, asked.caller.actor);
  switch (outcome.kind) {
    case "stored":
      return json({ silenceID: outcome.id });
    case "invalid":
      return json(outcome.because, 400);
    case "unknown":
      return json(outcome.because, 404);
  }
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

async function getSilence({ notification }: AlertmanagerDeps, { segment }: Asked): Promise<HttpAnswer> {
  if (!UUID.test(segment)) return notAnId(segment);
  const silence = await notification.getSilence(segment);
  return silence === undefined ? plain(404, "") : json(silenceShape(silence));
}

async function deleteSilence({ notification }: AlertmanagerDeps, asked: Asked): Promise<HttpAnswer> {
  refuseForeignPage(asked.headers);
  if (!UUID.test(asked.segment)) return notAnId(asked.segment);
  const ended = await notification.expireSilence(asked.segment, asked.caller.actor);
  return ended ? plain(200, "") : json(`silence ${asked.segment} not found`, 404);
}

const notAnId = (segment: string): HttpAnswer =>
  json(
    { code: 601, message: `silenceID in path must be of type uuid: ${JSON.stringify(segment.slice(0, 60))}` },
    422,
  );
