/** What the agent says of itself: its health by parts, its figures, and how late its event loop is. */
import type { IdentityKeeper } from "./identity/keeper.js";
import type { Link } from "./link/connect.js";
import type { Outbox } from "./link/outbox.js";
import type { Figure, PartHealth, ProbeSubject } from "./probes.js";
import type { Runner } from "./run/runner.js";
import type { System } from "./system.js";

interface Watched {
  readonly outbox: Outbox;
  readonly link: Link;
  readonly runner: Runner;
  readonly keeper: IdentityKeeper;
  readonly linkStarted: () => boolean;
}

const lagEveryMs = 5_000;
/** A link that is down for less is being opened again: nobody needs to know. */
const linkGraceMs = 60_000;
const certificateWarnMs = 3_600_000;

export class SelfWatch implements ProbeSubject {
  /** The control plane's clock minus this host's, in ms, as of the last greeting. */
  clockOffsetMs = 0;
  readonly #system: System;
  readonly #startedAt: number;
  readonly #endLag: () => void;
  #expectedTurn: number;
  #lastTurnLate = 0;
  #watched: Watched | undefined;
  #downSince: number | undefined;

  constructor(
    system: System,
    readonly version: string,
  ) {
    this.#system = system;
    this.#startedAt = system.clock.monotonic();
    this.#expectedTurn = this.#startedAt + lagEveryMs;
    this.#endLag = system.timers.every(lagEveryMs, () => {
      const now = system.clock.monotonic();
      this.#lastTurnLate = Math.max(0, now - this.#expectedTurn);
      this.#expectedTurn = now + lagEveryMs;
    });
  }

  /** Names what is watched. */
  look(watched: Watched): void {
    this.#watched = watched;
  }

  close(): void {
    this.#endLag();
  }

  now(): number {
    return this.#system.clock.now();
  }

  uptimeMs(): number {
    return this.#system.clock.monotonic() - this.#startedAt;
  }

  loopLagMs(): number {
    return Math.max(this.#lastTurnLate, this.#system.clock.monotonic() - this.#expectedTurn);
  }

  parts(): Readonly<Record<string, PartHealth>> {
    if (this.#watched === undefined)
      return { start: { status: "unhealthy", because: "the agent is starting" } };
    const { outbox, link, keeper } = this.#watched;
    return {
      identity: identityHealth(keeper.expiresAt, this.now() + this.clockOffsetMs),
      link: this.#linkHealth(link),
      outbox:
        outbox.figures.droppedFrames > 0
          ? {
              status: "degraded",
              because: `${outbox.figures.droppedFrames} readings were dropped for want of room`,
            }
          : { status: "healthy", because: `${outbox.figures.frames} readings wait` },
    };
  }

  *figures(): Iterable<Figure> {
    if (this.#watched === undefined) return;
    const { outbox, link, runner, keeper } = this.#watched;
    const { frames, bytes, droppedFrames } = outbox.figures;
    const { streamsOpened, framesSent, eventsSent, state } = link.figures;
    const own = (name: string, type: Figure["type"], value: number, help: string): Figure => ({
      name: `mainstay_agent_${name}`,
      type,
      value,
      help,
    });
    yield own("outbox_frames", "gauge", frames, "Readings that the control plane has not taken over.");
    yield own("outbox_bytes", "gauge", bytes, "Bytes of the outbox on disk.");
    yield own("outbox_dropped_frames_total", "counter", droppedFrames, "Readings given up for want of room.");
    yield own(
      "link_live",
      "gauge",
      state === "live" ? 1 : 0,
      "Whether the stream to the control plane is open.",
    );
    yield own("link_streams_total", "counter", streamsOpened, "Streams that were opened.");
    yield own("link_frames_sent_total", "counter", framesSent, "Readings sent, again ones too.");
    yield own("link_events_sent_total", "counter", eventsSent, "Events of commands sent, again ones too.");
    yield own(
      "clock_offset_seconds",
      "gauge",
      this.clockOffsetMs / 1000,
      "The control plane's clock minus this host's.",
    );
    yield own("uptime_seconds", "gauge", this.uptimeMs() / 1000, "How long this agent runs.");
    yield own("resident_bytes", "gauge", process.memoryUsage.rss(), "Resident memory of this agent.");
    const { expiresAt } = keeper;
    if (expiresAt !== undefined) {
      yield own(
        "certificate_expiry_timestamp_seconds",
        "gauge",
        expiresAt / 1000,
        "When the agent's certificate ends.",
      );
    }
    for (const [outcome, value] of Object.entries(runner.counts)) {
      yield {
        ...own("orders_total", "counter", value, "Orders by what became of them."),
        labels: { outcome },
      };
    }
  }

  #linkHealth(link: Link): PartHealth {
    const { state } = link.figures;
    const now = this.#system.clock.monotonic();
    if (state === "live") {
      this.#downSince = undefined;
      return { status: "healthy", because: "the stream is open" };
    }
    this.#downSince ??= now;
    const downMs = now - this.#downSince;
    // Never unhealthy: readings wait on disk, and restarting the agent would not bring the control plane back.
    return downMs < linkGraceMs
      ? { status: "healthy", because: `the stream is being opened (${state})` }
      : {
          status: "degraded",
          because: `there is no stream for ${Math.round(downMs / 1000)} s; readings wait on disk`,
        };
  }
}

function identityHealth(expiresAt: number | undefined, now: number): PartHealth {
  if (expiresAt === undefined) return { status: "degraded", because: "this agent is not enrolled" };
  const left = expiresAt - now;
  if (left <= 0)
    return { status: "unhealthy", because: "the certificate ran out; enrol again with a join token" };
  const because = `the certificate holds until ${new Date(expiresAt).toISOString()}`;
  return { status: left < certificateWarnMs ? "degraded" : "healthy", because };
}
