/** One alert's account for the eye, and its chart as a file. */
import { writeFile } from "node:fs/promises";
import { toJson } from "@bufbuild/protobuf";
import {
  AlertState,
  type GetAlertResponse,
  GetAlertResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { messageOf } from "#src/kernel/errors";
import { formatLabels } from "#src/kernel/labels";
import { formatDuration } from "#src/kernel/time";
import { type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, labelsText, printable, render, table, timeText } from "../output.js";

export async function why(invocation: Invocation): Promise<ExitCode> {
  const { alerts: service } = await invocation.controlPlane();
  const alertId = invocation.positionals[0] ?? "";
  const picture = textFlag(invocation, "chart");
  if (picture !== undefined) await saveChart(invocation, alertId, picture);
  const answer = await service.getAlert({ alertId });
  invocation.write(
    render(invocation.form, toJson(GetAlertResponseSchema, answer), () => {
      const { alert } = answer;
      const held = formatDuration(Number(answer.forMs));
      const lines = [
        `${alert?.rule ?? ""}: ${enumWords(AlertState, alert?.state ?? 0)}, because ${alert?.because ?? ""}`,
        `labels: ${labelsText(alert?.labels ?? {})}`,
        `value: ${alert?.value ?? ""}, active since ${timeText(alert?.activeAt)}`,
        `expression: ${answer.expr} (for ${held})`,
        `told to: ${answer.receivers.length === 0 ? "nobody now" : answer.receivers.join(", ")}`,
        ...Object.entries(alert?.annotations ?? {}).map(([name, text]) => `${name}: ${text}`),
      ].map(printable);
      const changes = answer.transitions.map((change) => [
        timeText(change.at),
        change.to === AlertState.UNSPECIFIED ? "inactive" : enumWords(AlertState, change.to),
        String(change.value),
        change.because,
      ]);
      const seen = answer.seen.map(({ labels, points }) => {
        const last = points.slice(-5).map(({ value }) => String(value));
        return [last.join(" "), formatLabels(labels)];
      });
      const history = answer.history.map((firing) => [
        timeText(firing.firedAt),
        timeText(firing.resolvedAt),
        String(firing.value),
        labelsText(firing.labels),
      ]);
      const part = (names: readonly string[], rows: readonly (readonly string[])[]) =>
        rows.length === 0 ? [] : ["", table(names, rows)];
      return [
        ...lines,
        "",
        table(["AT", "TO", "VALUE", "BECAUSE"], changes),
        ...part(["TOLD", "RECEIVER", "WHY", "STATE", "ATTEMPTS", "LAST ANSWER"], toldRows(answer)),
        ...part(["HIDDEN BY", "NOW", "SINCE", "FROM", "NOTICES", "WHAT"], hiderRows(answer)),
        ...(seen.length === 0 ? [] : ["", table(["LAST VALUES", "SEEN"], seen)]),
        ...(history.length === 0
          ? []
          : ["", table(["FIRED", "RESOLVED", "VALUE", "OF THE SAME RULE"], history)]),
      ].join("\n");
    }),
  );
  for (const note of answer.notes) invocation.warn(printable(note));
  return EXIT.ok;
}

function toldRows({ notices }: GetAlertResponse): readonly (readonly string[])[] {
  return notices.map((notice) => [
    timeText(notice.settledAt ?? notice.queuedAt),
    `${notice.receiver}/${notice.integration}`,
    notice.reason,
    notice.state,
    String(notice.attempts),
    notice.lastAnswer,
  ]);
}

function hiderRows({ hiddenBy }: GetAlertResponse): readonly (readonly string[])[] {
  return hiddenBy.map((hider) => [
    `${hider.kind} ${hider.name}`,
    hider.hidesNow ? "yes" : "no",
    timeText(hider.since),
    hider.receiver === "" ? "all" : hider.receiver,
    hider.reason === "" ? "0" : `${hider.notices} (${hider.reason})`,
    hider.what,
  ]);
}

async function saveChart(invocation: Invocation, alertId: string, path: string): Promise<void> {
  const { alerts: service } = await invocation.controlPlane();
  const file = path.endsWith(".png") ? "chart.png" : "chart.svg";
  const { chart } = await service.getAlertChart({ alertId, file });
  try {
    await writeFile(path, chart?.data ?? new Uint8Array());
  } catch (error) {
    throw new Failure(messageOf(error));
  }
}
