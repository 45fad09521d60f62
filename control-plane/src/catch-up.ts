/**
 * Whether the nodes that were live before a start have come back and delivered what they had kept: a hot window that is
 * not whole yet would resolve alerts that still hold.
 */

import type { NodeId } from "./kernel/ids.js";
import type { Duration } from "./kernel/time.js";
import { SECOND } from "./kernel/time.js";
import type { Clock } from "./platform/system.js";
import type {
  FrameSession,
  OpenedSession,
  SessionNode,
  TimeSeriesDoor,
} from "./timeseries/timeseries.module.js";

/** A frame this young is news and not backlog; agents send in the order of reading, every 15 s by default. */
const FRESH: Duration = 30 * SECOND;

export class CatchUp {
  readonly #series: Pick<TimeSeriesDoor, "openSession">;
  readonly #clock: Clock;
  readonly #caughtUp = new Set<NodeId>();

  constructor(series: Pick<TimeSeriesDoor, "openSession">, clock: Clock) {
    this.#series = series;
    this.#clock = clock;
  }

  /** How many nodes have delivered news since the start. */
  get count(): number {
    return this.#caughtUp.size;
  }

  /** Counts anew: another replica had the streams until now. */
  restart(): void {
    this.#caughtUp.clear();
  }

  /** As the time series' own; looks at each frame's time until one is news. */
  async openSession(node: SessionNode): Promise<OpenedSession> {
    const opened = await this.#series.openSession(node);
    if (this.#caughtUp.has(node.id)) return opened;
    const { session } = opened;
    const frame: FrameSession["frame"] = (sequence, layoutId, timestampMs, values) => {
      const answer = session.frame(sequence, layoutId, timestampMs, values);
      if (answer === "taken" && this.#clock.now() - timestampMs <= FRESH) this.#caughtUp.add(node.id);
      return answer;
    };
    return { ...opened, session: watching(session, frame) };
  }
}

function watching(session: FrameSession, frame: FrameSession["frame"]): FrameSession {
  return {
    frame,
    announce: (series) => session.announce(series),
    layout: (layoutId, refs) => session.layout(layoutId, refs),
    get busy() {
      return session.busy;
    },
    ready: () => session.ready(),
    onLost: (heard) => session.onLost(heard),
    close: () => session.close(),
  };
}
