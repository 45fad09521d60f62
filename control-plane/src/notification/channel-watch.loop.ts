/** A channel that is down is an alert itself, told by the others; and each channel has a series of its own. */
import { type Labels, METRIC_NAME } from "../kernel/labels.js";
import { type Duration, type Instant, MINUTE, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import { type ChannelAlertState, channelAlert } from "./domain/channel-alert.js";
import type { Lead } from "./lead.js";
import type { ChannelHealth } from "./notification-door.js";
import { savePosted } from "./posted-alerts.store.js";

const BEAT: Duration = 15 * SECOND;
/** The alert ends by itself when nobody says any more that the channel is down. */
const HOLDS: Duration = 5 * MINUTE;

/** A sample of a series that tells of a channel. */
export interface ChannelSample {
  readonly labels: Labels;
  readonly timestampMs: Instant;
  readonly value: number;
}

export interface ChannelWatchPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly lead: Lead;
  readonly health: () => readonly ChannelHealth[];
  readonly append: (samples: readonly ChannelSample[]) => Promise<void>;
}

export class ChannelWatch {
  readonly loop: Loop;
  readonly #ports: ChannelWatchPorts;
  readonly #down = new Map<string, ChannelAlertState>();

  constructor(ports: ChannelWatchPorts) {
    this.#ports = ports;
    this.loop = new Loop({
      name: "channels",
      interval: BEAT,
      clock: ports.system.clock,
      logger: ports.logger,
      run: (now) => this.run(now),
    });
  }

  async run(now: Instant): Promise<void> {
    const { lead, health, database, append } = this.#ports;
    if (!lead.held) {
      this.#down.clear();
      return;
    }
    const channels = health();
    const alerts = channels.flatMap((channel) => {
      const id = `${channel.receiver}\n${channel.integration}`;
      const known = this.#down.get(id);
      if (channel.downSince !== undefined) {
        const state = {
          receiver: channel.receiver,
          integration: channel.integration,
          downSince: channel.downSince,
        };
        this.#down.set(id, state);
        return [channelAlert(state, channel.lastAnswer, now + HOLDS, now)];
      }
      if (known === undefined) return [];
      this.#down.delete(id);
      return [channelAlert(known, "it answers again", now, now)];
    });
    if (alerts.length > 0) await database.transaction((tx) => savePosted(tx, alerts, now));
    await append(channels.flatMap((channel) => seriesOf(channel, now)));
  }
}

function seriesOf(
  { receiver, integration, up, queued }: ChannelHealth,
  now: Instant,
): readonly ChannelSample[] {
  const named = (name: string, value: number): ChannelSample => ({
    labels: { [METRIC_NAME]: name, receiver, integration },
    timestampMs: now,
    value,
  });
  return [
    named("mainstay_notification_channel_up", up ? 1 : 0),
    named("mainstay_notification_queued", queued),
  ];
}
