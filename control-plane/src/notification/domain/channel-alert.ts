/** The alert that a channel is down. */
import type { Instant } from "../../kernel/time.js";
import { fingerprintOf } from "./fingerprint.js";
import type { KeptAlert } from "./posted-alert.js";

export interface ChannelAlertState {
  readonly receiver: string;
  readonly integration: string;
  readonly downSince: Instant;
}

/** It holds until `endsAt`; what the channel answered last is in its annotations. */
export function channelAlert(
  { receiver, integration, downSince }: ChannelAlertState,
  lastAnswer: string,
  endsAt: Instant,
  now: Instant,
): KeptAlert {
  const labels = { alertname: "MainstayChannelDown", severity: "critical", receiver, integration };
  return {
    fingerprint: fingerprintOf(labels),
    labels,
    annotations: {
      summary: `Notices do not reach ${receiver} by ${integration}`,
      description: `The last answer: ${lastAnswer}`,
    },
    startsAt: downSince,
    endsAt,
    // A later end that we named must not outlast the moment it answers again.
    timesOut: true,
    updatedAt: now,
    generatorUrl: "",
  };
}
