/** Slack's incoming webhooks and chat.postMessage: one message with one attachment. */
import type { HttpAnswer } from "../../platform/http-request.js";
import type { SlackSettings } from "../domain/channel-settings.js";
import type { DeliveryAnswer } from "../domain/deliver-again.js";
import type { Channel, ChannelPorts } from "./channel.js";
import { excerpt, sendMessage } from "./http-sender.js";

/** Slack cuts longer titles off (https://api.slack.com/reference/messaging/attachments). */
const TITLE_MAX = 1_024;

/** Errors of Slack's API after which a later attempt may succeed. */
const LATER = new Set([
  "ratelimited",
  "rate_limited",
  "internal_error",
  "fatal_error",
  "service_unavailable",
  "request_timeout",
]);

export function slackChannel(settings: SlackSettings, ports: ChannelPorts): Channel {
  return ({ data, texts }, signal) => {
    const filler = texts.filler(data, ports.clock.now());
    const { texts: own } = settings;
    const fill = (name: keyof SlackSettings["texts"]): string => filler.text(own[name]);
    const title = fill("title");
    const attachment = {
      color: fill("color"),
      fallback: fill("fallback"),
      callback_id: fill("callback_id"),
      title: title.length > TITLE_MAX ? `${title.slice(0, TITLE_MAX - 1)}…` : title,
      title_link: fill("title_link"),
      text: fill("text"),
      footer: fill("footer"),
      mrkdwn_in: settings.markdownIn,
    };
    const optional = {
      pretext: fill("pretext"),
      image_url: fill("image_url"),
      thumb_url: fill("thumb_url"),
      fields: settings.fields.map(({ title: name, value, short }) => ({
        title: filler.text(name),
        value: filler.text(value),
        short: short ?? settings.shortFields,
      })),
      actions: settings.actions.map((action) =>
        Object.fromEntries(Object.entries(action).map(([name, text]) => [name, filler.text(text)])),
      ),
    };
    const body = {
      channel: fill("channel"),
      username: fill("username"),
      icon_emoji: fill("icon_emoji"),
      icon_url: fill("icon_url"),
      link_names: settings.linkNames,
      attachments: [{ ...attachment, ...withoutEmpty(optional) }],
    };
    return sendMessage(
      {
        url: settings.url,
        http: settings.http,
        contentType: "application/json",
        body: JSON.stringify(withoutEmpty(body)),
        judge: judgeSlack,
      },
      ports,
      signal,
    );
  };
}

function withoutEmpty(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const empty = (value: unknown): boolean =>
    value === "" || value === false || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(record).filter(([, value]) => !empty(value)));
}

/** Slack's API says no with a 200. */
function judgeSlack({ status, headers, body }: HttpAnswer): DeliveryAnswer | undefined {
  const type = headers["content-type"];
  if (status !== 200 || typeof type !== "string" || !type.startsWith("application/json")) return undefined;
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof answer !== "object" || answer === null || !("ok" in answer) || answer.ok === true)
    return undefined;
  const error = "error" in answer && typeof answer.error === "string" ? answer.error : "unknown error";
  return { kind: LATER.has(error) ? "failed" : "refused", answer: `Slack: ${excerpt(error, [])}` };
}
