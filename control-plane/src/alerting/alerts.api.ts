/** AlertsService: proto message ↔ alert and rule. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type AlertSchema,
  AlertsService,
  AlertState as WireState,
} from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { readEntries } from "../journal/journal.module.js";
import { messageOf, OpsError } from "../kernel/errors.js";
import type { Labels } from "../kernel/labels.js";
import { DAY, type Duration, SECOND } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import type { Database } from "../platform/postgres/database.js";
import type { Clock } from "../platform/system.js";
import { alertChart, CHART_FILES } from "./alert-chart.js";
import { alertReads } from "./alert-reads.js";
import { readAlert, readAlerts, type StoredAlert } from "./alerts.store.js";
import { firingsOf } from "./domain/firings.js";
import type { Evaluator } from "./evaluation.loop.js";
import { readChanges } from "./journalled-changes.js";
import type { RuleFiles } from "./rule-files.js";
import { firingToWire, type RulesApiPorts, rulesApi } from "./rules.api.js";
import { type QueryRange, seenSeries } from "./seen-series.js";
import { type ToldAccount, toldToWire } from "./told-account.api.js";

const STATES = {
  pending: WireState.PENDING,
  firing: WireState.FIRING,
  resolved: WireState.RESOLVED,
} as const;
/** How the journal names a transition to each state. */
const BY_KIND: Readonly<Record<string, WireState>> = {
  "alert.pending": WireState.PENDING,
  "alert.fired": WireState.FIRING,
  "alert.resolved": WireState.RESOLVED,
  "alert.inactive": WireState.UNSPECIFIED,
};
const TRANSITIONS_MAX = 200;
/** How far back a rule's firings are told, and how many. */
const HISTORY: Duration = 7 * DAY;
const HISTORY_MAX = 50;

function toWire(alert: StoredAlert): MessageInitShape<typeof AlertSchema> {
  const { state } = alert;
  return {
    alertId: alert.id,
    rule: alert.rule,
    group: alert.group,
    state: STATES[state.kind],
    labels: alert.labels,
    annotations: alert.annotations,
    value: alert.value,
    activeAt: timestampFromMs(state.activeAt),
    ...(state.kind === "pending" ? {} : { firedAt: timestampFromMs(state.firedAt) }),
    ...(state.kind === "resolved" ? { resolvedAt: timestampFromMs(state.resolvedAt) } : {}),
    because: alert.because,
  };
}

export interface AlertsApiPorts extends RulesApiPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly evaluator: Evaluator;
  readonly ruleFiles: RuleFiles;
  /** Commands that were requested because of an alert, newest first. */
  readonly commandsOf: (alertId: string) => Promise<readonly string[]>;
  readonly queryRange: QueryRange;
  /** Who was told of the alert of these labels, and what hid it. */
  readonly accountOf: (labels: Labels) => Promise<ToldAccount>;
}

export function alertsApi(ports: AlertsApiPorts): ServiceImplementation<typeof AlertsService, CallContext> {
  const { database, clock, evaluator, ruleFiles, commandsOf, queryRange, accountOf } = ports;
  /** What cannot be looked up now is left out: why an alert fires is asked most when things are broken. */
  const seenOf = async (expr: string | undefined, { labels, state }: StoredAlert) => {
    if (expr === undefined) return [];
    const until = state.kind === "resolved" ? state.resolvedAt : clock.now();
    return seenSeries(expr, labels, until, queryRange).catch(() => []);
  };
  const demandAlert = async (alertId: string) => {
    const alert = await readAlert(database, alertId);
    if (alert === undefined) throw new OpsError("NOT_FOUND", `there is no alert "${alertId}"`);
    return alert;
  };
  const ruleOf = ({ ruleKey }: StoredAlert) =>
    evaluator.groups.flatMap(({ rules }) => rules).find(({ key }) => key === ruleKey);
  return {
    ...rulesApi(ports),

    async listAlerts(request) {
      const since = clock.now() - request.resolvedWithinSeconds * SECOND;
      const alerts = await readAlerts(
        database,
        request.state === WireState.RESOLVED && request.resolvedWithinSeconds === 0 ? 0 : since,
      );
      const wanted = alerts.filter(
        (alert) =>
          (request.rule === "" || alert.rule === request.rule) &&
          (request.state === WireState.UNSPECIFIED
            ? alert.state.kind !== "resolved" || request.resolvedWithinSeconds > 0
            : STATES[alert.state.kind] === request.state),
      );
      return { alerts: wanted.map(toWire) };
    },

    async getAlert(request) {
      const alert = await demandAlert(request.alertId);
      const rule = ruleOf(alert);
      const entries = await readEntries(database, {
        subject: `alert:${alert.id}`,
        limit: TRANSITIONS_MAX,
        tail: true,
      });
      const now = clock.now();
      const changes = await readChanges(database, new Set([alert.rule]), now - HISTORY, now);
      const history = firingsOf(changes.byRule.get(alert.rule) ?? []);
      const seen = await seenOf(rule?.expr, alert);
      const told = await accountOf(alert.labels).catch((error: unknown) => messageOf(error));
      return {
        alert: toWire(alert),
        ...(typeof told === "string" ? { notes: [`who was told is not known: ${told}`] } : toldToWire(told)),
        history: history.slice(-HISTORY_MAX).reverse().map(firingToWire),
        seen: seen.map(({ labels, points }) => ({
          labels,
          points: points.map(({ at, value }) => ({ timestampMs: BigInt(Math.round(at)), value })),
        })),
        expr: rule?.expr ?? "",
        forMs: BigInt(rule?.kind === "alerting" ? rule.holdFor : 0),
        commandIds: [...(await commandsOf(alert.id))],
        transitions: entries.flatMap((entry) => {
          const to = BY_KIND[entry.kind];
          return to === undefined
            ? []
            : [
                {
                  at: timestampFromMs(entry.at),
                  to,
                  value: Number(entry.facts["value"]),
                  because: entry.because,
                },
              ];
        }),
      };
    },

    async getAlertChart(request) {
      const file = CHART_FILES.find((name) => name === request.file);
      if (file === undefined)
        throw new OpsError(
          "NOT_FOUND",
          `an alert has no "${request.file.slice(0, 100)}", it has ${CHART_FILES.join(" and ")}`,
        );
      const alert = await demandAlert(request.alertId);
      const rule = ruleOf(alert);
      if (rule === undefined)
        throw new OpsError(
          "FAILED_PRECONDITION",
          `rule ${alert.rule} is in force no more: there is no expression to draw`,
        );
      const chart = await alertChart(alert, rule.expr, file, clock.now(), queryRange);
      return { chart };
    },

    async listRules() {
      const groups = await alertReads(database, evaluator).rules();
      return {
        faults: [...ruleFiles.faults()],
        rules: groups.flatMap((group) =>
          group.rules.map((rule) => ({
            file: group.file,
            group: group.name,
            name: rule.name,
            expr: rule.query,
            labels: rule.labels,
            health: rule.health,
            lastError: rule.lastError,
            evaluationSeconds: rule.evaluationSeconds,
            ...(rule.lastEvaluation === undefined
              ? {}
              : { lastEvaluationAt: timestampFromMs(rule.lastEvaluation) }),
            ...(rule.kind === "recording"
              ? {}
              : { forMs: BigInt(rule.for), annotations: rule.annotations, state: rule.state }),
          })),
        ),
      };
    },
  };
}
