/** The channel of some settings. */
import type { ChannelSettings } from "../domain/channel-settings.js";
import type { Channel, ChannelPorts } from "./channel.js";
import { datadogChannel } from "./datadog.js";
import { emailChannel } from "./email.js";
import { otlpChannel } from "./otlp.js";
import { pagerdutyChannel } from "./pagerduty.js";
import { slackChannel } from "./slack.js";
import { templateWebhookChannel } from "./template-webhook.js";
import { webhookChannel } from "./webhook.js";

export function openChannel(settings: ChannelSettings, ports: ChannelPorts): Channel {
  switch (settings.kind) {
    case "webhook":
      return webhookChannel(settings, ports);
    case "template-webhook":
      return templateWebhookChannel(settings, ports);
    case "slack":
      return slackChannel(settings, ports);
    case "pagerduty":
      return pagerdutyChannel(settings, ports);
    case "email":
      return emailChannel(settings, ports);
    case "otlp":
      return otlpChannel(settings, ports);
    case "datadog":
      return datadogChannel(settings, ports);
    case "journal":
      // The journal's entry of the delivery is all there is.
      return async () => ({ kind: "delivered", answer: "kept in the journal" });
    case "unbuilt":
      return async () => ({ kind: "refused", answer: `${settings.name} is not built` });
  }
}
