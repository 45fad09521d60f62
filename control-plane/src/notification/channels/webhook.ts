/** Alertmanager's webhook, version 4 of its payload, to the letter. */
import type { WebhookSettings } from "../domain/channel-settings.js";
import { webhookPayload } from "../domain/notice-data.js";
import type { Channel, ChannelPorts } from "./channel.js";
import { sendMessage } from "./http-sender.js";

export function webhookChannel(settings: WebhookSettings, ports: ChannelPorts): Channel {
  return ({ id, data, texts }, signal) =>
    sendMessage(
      {
        url: settings.url,
        http: settings.http,
        contentType: "application/json",
        // For receivers that keep what they have seen: the same at each attempt.
        headers: { "Idempotency-Key": id },
        body: webhookPayload(data, texts.externalUrl, settings.maxAlerts),
      },
      ports,
      signal,
    );
}
