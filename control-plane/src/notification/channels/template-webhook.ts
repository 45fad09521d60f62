/** A request of any shape: method, headers and body from templates. For whoever speaks neither of the others. */
import type { TemplateWebhookSettings } from "../domain/channel-settings.js";
import type { Channel, ChannelPorts } from "./channel.js";
import { sendMessage } from "./http-sender.js";

/** A header cannot hold a line break. */
const oneLine = (text: string): string => text.replace(/[^\t\x20-\x7e]+/g, " ").trim();

export function templateWebhookChannel(settings: TemplateWebhookSettings, ports: ChannelPorts): Channel {
  return async ({ id, data, texts }, signal) => {
    const filler = texts.filler(data, ports.clock.now());
    const body = filler.text(settings.body);
    if (/^application\/(?:[\w.-]+\+)?json\b/.test(settings.contentType) && !isJson(body))
      return { kind: "refused", answer: "the body that the template gives is not JSON" };
    const headers = Object.entries(settings.headers).map(([name, text]) => [
      name,
      oneLine(filler.text(text)),
    ]);
    return sendMessage(
      {
        url: settings.url,
        http: settings.http,
        method: settings.method,
        contentType: settings.contentType,
        headers: { "Idempotency-Key": id, ...Object.fromEntries(headers) },
        body,
      },
      ports,
      signal,
    );
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
