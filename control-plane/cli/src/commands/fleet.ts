/** How things stand: health, nodes, and what a query says. */
import { toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ListNodesResponseSchema,
  Liveness,
  type Node,
} from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { GetOverviewResponseSchema, HealthStatus } from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import {
  QueryRangeResponseSchema,
  QueryResponseSchema,
  type SeriesResult,
} from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import { formatLabels } from "#src/kernel/labels";
import { parseDuration } from "#src/kernel/time";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, labelsText, render, table, timeText } from "../output.js";

/** Nodes asked for at a time, and how many pages are read at most. */
const PAGE_SIZE = 500;
const PAGES_MAX = 100;

async function health({ controlPlane, write, form }: Invocation): Promise<ExitCode> {
  const answer = await (await controlPlane()).health.getOverview({});
  write(
    render(form, toJson(GetOverviewResponseSchema, answer), () => {
      const words = enumWords(HealthStatus, answer.status);
      const numbers = [
        `nodes: ${answer.nodesLive} live, ${answer.nodesLate} late, ${answer.nodesLost} lost`,
        `alerts: ${answer.alertsFiring} firing, ${answer.alertsPending} pending`,
        `commands open: ${answer.commandsOpen}`,
      ];
      const parts = answer.components.map((part) => [
        part.name,
        enumWords(HealthStatus, part.status),
        part.because,
      ]);
      return [words, ...numbers, "", table(["COMPONENT", "STATUS", "BECAUSE"], parts)].join("\n");
    }),
  );
  return answer.status === HealthStatus.HEALTHY ? EXIT.ok : EXIT.degraded;
}

async function nodes(invocation: Invocation): Promise<ExitCode> {
  const { fleet } = await invocation.controlPlane();
  const wanted = textFlag(invocation, "liveness") ?? "";
  const liveness = wanted === "" ? Liveness.UNSPECIFIED : named(Liveness, wanted, "--liveness");
  const found: Node[] = [];
  let token = "";
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer = await fleet.listNodes({ page: { size: PAGE_SIZE, token }, liveness });
    found.push(...answer.nodes);
    token = answer.nextToken;
    if (token === "") break;
  }
  const json = toJson(ListNodesResponseSchema, {
    $typeName: "mainstay.operator.v1.ListNodesResponse",
    nodes: found,
    nextToken: token,
  });
  invocation.write(
    render(invocation.form, json, () =>
      table(
        ["NODE", "ID", "LIVENESS", "LAST HEARD", "AGENT", "LABELS"],
        found.map((node) => [
          node.name,
          node.nodeId,
          enumWords(Liveness, node.liveness),
          timeText(node.lastHeardAt),
          node.agentVersion,
          labelsText(node.labels),
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

async function query(invocation: Invocation): Promise<ExitCode> {
  const { metrics } = await invocation.controlPlane();
  const expr = invocation.positionals[0] ?? "";
  const back = textFlag(invocation, "range");
  const span = back === undefined ? undefined : durationOf(back, "--range");
  const step = durationOf(textFlag(invocation, "step") ?? "1m", "--step");
  if (span === undefined) {
    const answer = await metrics.query({ expr });
    for (const warning of answer.warnings) invocation.warn(`warning: ${warning}`);
    invocation.write(
      render(invocation.form, toJson(QueryResponseSchema, answer), () =>
        answer.kind === "string" ? answer.text : seriesTable(answer.series),
      ),
    );
    return EXIT.ok;
  }
  const to = invocation.now();
  const answer = await metrics.queryRange({
    expr,
    from: timestampFromMs(to - span),
    to: timestampFromMs(to),
    stepMs: BigInt(step),
  });
  for (const warning of answer.warnings) invocation.warn(`warning: ${warning}`);
  invocation.write(
    render(invocation.form, toJson(QueryRangeResponseSchema, answer), () => seriesTable(answer.series)),
  );
  return EXIT.ok;
}

function seriesTable(series: readonly SeriesResult[]): string {
  return table(
    ["VALUE", "AT", "SERIES"],
    series.flatMap(({ labels, points }) =>
      points.map((point) => [
        String(point.value),
        new Date(Number(point.timestampMs)).toISOString(),
        formatLabels(labels),
      ]),
    ),
  );
}

function durationOf(text: string, flag: string): number {
  const duration = parseDuration(text);
  if (duration === undefined || duration === 0)
    throw new Failure(`${flag} is "${text}", expected a duration such as 5m or 1h30m`);
  return duration;
}

function named(values: Readonly<Record<string, string | number>>, text: string, flag: string): number {
  const value = values[text.toUpperCase().replaceAll("-", "_").replaceAll(" ", "_")];
  if (typeof value === "number") return value;
  const known = Object.keys(values)
    .filter((name) => Number.isNaN(Number(name)) && name !== "UNSPECIFIED")
    .map((name) => name.toLowerCase().replaceAll("_", "-"));
  throw new Failure(`${flag} is "${text}", expected one of ${known.join(", ")}`);
}

export const fleetCommands: readonly Command[] = [
  {
    name: "health",
    usage: "",
    summary: "How the control plane and its fleet are; exit code 2 when not healthy.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: health,
  },
  {
    name: "nodes",
    usage: "[--liveness STATE]",
    summary: "The nodes there are.",
    help: "  --liveness STATE      only those live, late, lost, revoked or never-seen",
    options: { liveness: { type: "string" } },
    positionals: { least: 0, most: 0 },
    run: nodes,
  },
  {
    name: "query",
    usage: "EXPR [--range DURATION [--step DURATION]]",
    summary: "What a PromQL expression gives now, or over the time until now.",
    help: `  --range DURATION      over so long until now
  --step DURATION       every so long (default 1m)`,
    options: { range: { type: "string" }, step: { type: "string" } },
    positionals: { least: 1, most: 1 },
    run: query,
  },
];
