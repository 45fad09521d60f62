/**
 * PagerDuty's Events API v2. One group of alerts is one incident: its dedup key is the digest of the group key, as
 * Alertmanager makes it, so that an incident that an Alertmanager opened is closed by us.
 */
import { sha256Hex } from "../../platform/system.js";
import type { PagerdutySettings } from "../domain/channel-settings.js";
import { statusOf } from "../domain/notice-data.js";
import type { Channel, ChannelPorts } from "./channel.js";
import { revealSecret, sendMessage } from "./http-sender.js";

/** PagerDuty's own bounds (https://developer.pagerduty.com/docs/events-api-v2-overview). */
const SUMMARY_MAX = 1_024;
const EVENT_BYTES_MAX = 512_000;

const cut = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;

export function pagerdutyChannel(settings: PagerdutySettings, ports: ChannelPorts): Channel {
  return async ({ data, texts }, signal) => {
    const filler = texts.filler(data, ports.clock.now());
    const { texts: own } = settings;
    const fill = (name: keyof PagerdutySettings["texts"]): string => filler.text(own[name]);
    const resolved = statusOf(data) === "resolved";
    const client = fill("client");
    const each = <T extends Readonly<Record<string, string>>>(items: readonly T[]) =>
      items.map((item) =>
        Object.fromEntries(Object.entries(item).map(([name, text]) => [name, filler.text(text)])),
      );
    const details = Object.entries(settings.details).map(
      ([name, text]) => [name, filler.text(text)] as const,
    );
    const images = each(settings.images).filter((image) => image["src"] !== "");
    const links = each(settings.links).filter((link) => link["href"] !== "");
    let routingKey: string;
    try {
      routingKey = (await revealSecret(settings.routingKey, ports)).trim();
    } catch {
      return { kind: "failed", answer: "the file with the routing key cannot be read" };
    }
    const event = (custom: Readonly<Record<string, string>>) =>
      JSON.stringify({
        routing_key: filler.text(routingKey),
        event_action: resolved ? "resolve" : "trigger",
        dedup_key: sha256Hex(data.groupKey),
        client,
        client_url: fill("client_url"),
        payload: {
          summary: cut(fill("description"), SUMMARY_MAX),
          source: fill("source") || client,
          severity: fill("severity") || "error",
          ...present({ class: fill("class"), component: fill("component"), group: fill("group") }),
          custom_details: custom,
        },
        ...(images.length === 0 ? {} : { images }),
        ...(links.length === 0 ? {} : { links }),
      });
    const whole = event(Object.fromEntries(details));
    const body =
      Buffer.byteLength(whole) <= EVENT_BYTES_MAX
        ? whole
        : event({
            error: `Custom details have been removed: the event was larger than ${EVENT_BYTES_MAX} bytes`,
          });
    const { url, http } = settings;
    return sendMessage(
      { url, http, contentType: "application/json", body, secrets: [routingKey] },
      ports,
      signal,
    );
  };
}

const present = (record: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(record).filter(([, text]) => text !== ""));
