/**
 * Datadog's events, API v1 (https://docs.datadoghq.com/api/latest/events/). One group of alerts is one aggregation key,
 * so that what is told of it stands together.
 */
import { HOUR } from "../../kernel/time.js";
import { sha256Hex } from "../../platform/system.js";
import type { DatadogSettings, DatadogText } from "../domain/channel-settings.js";
import type { Channel, ChannelPorts } from "./channel.js";
import { revealSecret, sendMessage } from "./http-sender.js";

/** Datadog's own bounds. */
const TITLE_MAX = 100;
const TEXT_MAX = 4_000;
const TAG_MAX = 200;
const TAGS_MAX = 100;
/** What is longer ago Datadog does not take; then it happened when it arrives. */
const AGE_MAX = 17 * HOUR;
const TYPES: ReadonlySet<string> = new Set(["error", "warning", "info", "success"]);

export function datadogChannel(settings: DatadogSettings, ports: ChannelPorts): Channel {
  return async ({ id, data, texts }, signal) => {
    const now = ports.clock.now();
    const filler = texts.filler(data, now);
    const fill = (name: DatadogText): string => filler.text(settings.texts[name]).trim();
    let key: string;
    try {
      key = await revealSecret(settings.apiKey, ports);
    } catch {
      return { kind: "failed", answer: "the file with the API key cannot be read" };
    }
    const type = fill("alert_type");
    if (!TYPES.has(type)) {
      const answer = `the alert type "${type.slice(0, 40)}" is none of ${[...TYPES].join(", ")}`;
      return { kind: "refused", answer };
    }
    const at = Math.max(...data.alerts.map(({ startsAt, endsAt }) => endsAt ?? startsAt));
    const host = fill("host");
    const named = Object.entries(data.groupLabels).map(([name, value]) => `${name}:${value}`);
    const own = settings.tags.map((tag) => filler.text(tag).trim());
    return sendMessage(
      {
        ...{ url: settings.url, http: settings.http, contentType: "application/json", secrets: [key] },
        headers: { "DD-API-KEY": key, "Idempotency-Key": id },
        body: JSON.stringify({
          title: cut(fill("title"), TITLE_MAX),
          text: cut(fill("text"), TEXT_MAX),
          alert_type: type,
          priority: fill("priority") === "low" ? "low" : "normal",
          ...(host === "" ? {} : { host }),
          ...(now - at > AGE_MAX ? {} : { date_happened: Math.floor(at / 1_000) }),
          tags: [...named, ...own, "source:mainstay"]
            .filter((tag) => tag !== "")
            .slice(-TAGS_MAX)
            .map((tag) => cut(tag, TAG_MAX)),
          aggregation_key: sha256Hex(data.groupKey),
        }),
      },
      ports,
      signal,
    );
  };
}

const cut = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;
