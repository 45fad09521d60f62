/**
 * Log records over OTLP/HTTP in its JSON form (https://opentelemetry.io/docs/specs/otlp/), each alert of a notice a
 * record of its own: what happened stands where a team's other events are.
 */
import { cleanText } from "../../kernel/clean-text.js";
import type { Labels } from "../../kernel/labels.js";
import type { OtlpSettings } from "../domain/channel-settings.js";
import type { DeliveryAnswer } from "../domain/deliver-again.js";
import type { NoticeAlert } from "../domain/notice-data.js";
import type { Channel, ChannelPorts } from "./channel.js";
import { revealSecret, sendMessage } from "./http-sender.js";

/** Numbers of the data model's severities: the first of each range. */
const SEVERITIES: Readonly<Record<string, number>> = {
  ...{ TRACE: 1, DEBUG: 5, INFO: 9, WARN: 13, ERROR: 17, FATAL: 21 },
};
const PATH = "/v1/logs";

export function otlpChannel(settings: OtlpSettings, ports: ChannelPorts): Channel {
  return async ({ id, data, texts }, signal) => {
    const filler = texts.filler(data, ports.clock.now());
    const severity = filler.text(settings.severity).trim().toUpperCase();
    const severityNumber = SEVERITIES[severity];
    if (severityNumber === undefined)
      return {
        kind: "refused",
        answer: `the severity "${cleanText(severity, 40)}" is none of ${Object.keys(SEVERITIES).join(", ")}`,
      };
    let url: string;
    let headers: Record<string, string>;
    try {
      url = await revealSecret(settings.url, ports);
      headers = await revealAll(settings.headers, ports);
    } catch {
      return { kind: "failed", answer: "a file of the OTLP settings cannot be read" };
    }
    const body = filler.text(settings.body);
    const about = { "mainstay.notice.id": id, "mainstay.notice.group_key": data.groupKey };
    const record = (alert: NoticeAlert) => ({
      // As a text: it does not fit a double.
      timeUnixNano: nanoseconds(alert.endsAt ?? alert.startsAt),
      observedTimeUnixNano: nanoseconds(ports.clock.now()),
      severityNumber,
      severityText: severity,
      eventName: `mainstay.alert.${alert.status}`,
      body: { stringValue: body },
      attributes: attributes({
        ...about,
        "mainstay.alert.status": alert.status,
        "mainstay.alert.fingerprint": alert.fingerprint,
        "mainstay.alert.receiver": data.receiver,
        "mainstay.alert.source": alert.generatorUrl,
        ...prefixed("mainstay.alert.label.", alert.labels),
        ...prefixed("mainstay.alert.annotation.", alert.annotations),
      }),
    });
    return sendMessage(
      {
        url: /\/v1\/logs\/?(?:[?#]|$)/.test(url) ? url : withPath(url),
        secrets: [url, ...Object.values(headers)],
        ...{ http: settings.http, contentType: "application/json", headers },
        body: JSON.stringify({
          resourceLogs: [
            {
              resource: { attributes: attributes(settings.resource) },
              scopeLogs: [{ scope: { name: "mainstay.notification" }, logRecords: data.alerts.map(record) }],
            },
          ],
        }),
        judge: ({ status, body: said }) => (status === 200 ? judgePartial(said) : undefined),
      },
      ports,
      signal,
    );
  };
}

/** A collector's base address with the path of logs; a query stays behind it. */
function withPath(url: string): string {
  const [, base = "", rest = ""] = /^([^?#]*)(.*)$/s.exec(url) ?? [];
  return `${base.replace(/\/+$/, "")}${PATH}${rest}`;
}

async function revealAll(
  sources: OtlpSettings["headers"],
  ports: ChannelPorts,
): Promise<Record<string, string>> {
  const revealed: Record<string, string> = {};
  for (const [name, one] of Object.entries(sources)) revealed[name] = await revealSecret(one, ports);
  return revealed;
}

const nanoseconds = (at: number): string => `${Math.round(at)}000000`;

const prefixed = (prefix: string, labels: Labels): Labels =>
  Object.fromEntries(Object.entries(labels).map(([name, value]) => [prefix + name, value]));

const attributes = (of: Labels) =>
  Object.entries(of).map(([key, value]) => ({ key, value: { stringValue: value } }));

/** A collector may take the request and refuse what is in it; sent again it would refuse it again. */
function judgePartial(said: string): DeliveryAnswer | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(said);
  } catch {
    return undefined;
  }
  const partial = member(answer, "partialSuccess");
  const rejected = Number(member(partial, "rejectedLogRecords") ?? 0);
  if (!(rejected > 0)) return undefined;
  const because = cleanText(String(member(partial, "errorMessage") ?? ""), 200);
  return { kind: "refused", answer: `${rejected} records were rejected: ${because}` };
}

function member(of: unknown, name: string): unknown {
  return typeof of === "object" && of !== null && Object.hasOwn(of, name) ? Reflect.get(of, name) : undefined;
}
