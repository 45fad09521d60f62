/** Routes of alertmanager.yml tried out: where an alert goes, and who would have been told of the past. */
import { readFile } from "node:fs/promises";
import { toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ReachedRoute,
  type ReplayedTelling,
  ReplayRoutesResponseSchema,
  TestRoutesResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/routes_pb";
import { messageOf } from "#src/kernel/errors";
import { formatDuration, parseDuration } from "#src/kernel/time";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { labelsText, printable, render, table, timeText } from "../output.js";

const SINCE_DEFAULT = "24h";
const REPLAY_TIMEOUT_MS = 120_000;

async function test(invocation: Invocation): Promise<ExitCode> {
  const { routes: service } = await invocation.controlPlane();
  const labels = Object.fromEntries(invocation.positionals.map(readLabel));
  const answer = await service.testRoutes({ config: await readConfig(invocation), labels });
  invocation.write(
    render(invocation.form, toJson(TestRoutesResponseSchema, answer), () =>
      table(
        ["RECEIVER", "GROUPED BY", "WAIT", "INTERVAL", "REPEAT", "MUTED BY", "ROUTE"],
        answer.routes.map(row),
      ),
    ),
  );
  return EXIT.ok;
}

function row(route: ReachedRoute): readonly string[] {
  const times = [route.groupWaitMs, route.groupIntervalMs, route.repeatIntervalMs];
  return [
    route.receiver,
    labelsText(route.groupLabels),
    ...times.map((time) => formatDuration(Number(time))),
    route.mutedBy.length === 0 ? "-" : route.mutedBy.join(", "),
    route.route,
  ];
}

/** `severity=critical`; quotes around the value may stand as amtool takes them. */
function readLabel(text: string): readonly [string, string] {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new Failure(`"${text}" is no label, expected NAME=VALUE`);
  return [name, /^"(.*)"$/s.exec(value)?.[1] ?? value];
}

async function replay(invocation: Invocation): Promise<ExitCode> {
  const { routes: service } = await invocation.controlPlane();
  const since = textFlag(invocation, "since") ?? SINCE_DEFAULT;
  const back = parseDuration(since);
  if (back === undefined || back === 0)
    throw new Failure(`--since is "${since}", expected a duration such as ${SINCE_DEFAULT}`);
  const to = invocation.now();
  const config = await readConfig(invocation);
  const answer = await service.replayRoutes(
    { config, from: timestampFromMs(to - back), to: timestampFromMs(to) },
    { timeoutMs: REPLAY_TIMEOUT_MS },
  );
  invocation.write(
    render(invocation.form, toJson(ReplayRoutesResponseSchema, answer), () =>
      [
        table(
          ["RECEIVER", "NOTICES IT WOULD HAVE HAD", "IT HAD"],
          answer.receivers.map(({ receiver, would, did }) => [receiver, String(would), String(did)]),
        ),
        "",
        table(["", "RECEIVER", "WOULD", "DID", "HIDDEN BY", "ALERT"], answer.tellings.map(tellingRow)),
      ].join("\n"),
    ),
  );
  for (const note of answer.notes) invocation.warn(printable(note));
  return answer.tellings.every(({ would, did }) => would > 0 === did > 0) ? EXIT.ok : EXIT.degraded;
}

function tellingRow(telling: ReplayedTelling): readonly string[] {
  const { would, did, hidden, hiddenBy } = telling;
  const what = would > 0 === did > 0 ? "same" : would > 0 ? "new" : "gone";
  const times = (count: number, first: ReplayedTelling["didFirstAt"]) =>
    count === 0 ? "-" : `${count} from ${timeText(first)}`;
  return [
    what,
    telling.receiver,
    times(would, telling.wouldFirstAt),
    times(did, telling.didFirstAt),
    hidden === 0 ? "-" : hiddenBy.join(", "),
    labelsText(telling.labels),
  ];
}

/** Empty: the file in force. */
async function readConfig(invocation: Invocation): Promise<string> {
  const file = textFlag(invocation, "config");
  if (file === undefined) return "";
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new Failure(messageOf(error));
  }
  if (text.trim() === "") throw new Failure(`${file} is empty`);
  return text;
}

const CONFIG_HELP = "  --config FILE         an alertmanager.yml (default: the one in force)";

export const routeCommands: readonly Command[] = [
  {
    name: "routes test",
    usage: "LABEL=VALUE... [--config FILE]",
    summary: "Which receivers an alert of some labels reaches.",
    help: CONFIG_HELP,
    options: { config: { type: "string" } },
    positionals: { least: 0, most: 100 },
    run: test,
  },
  {
    name: "routes replay",
    usage: "[--config FILE] [--since DURATION]",
    summary: "Who would have been told of the past by a file, beside who was; exit code 2 when they differ.",
    help: `${CONFIG_HELP}
  --since DURATION      from so long ago until now (default ${SINCE_DEFAULT}, at most 30d)`,
    options: { config: { type: "string" }, since: { type: "string" } },
    positionals: { least: 0, most: 0 },
    run: replay,
  },
];
