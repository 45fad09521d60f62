/** Looks by itself where traffic goes while this replica leads, and tells it as series. */
import { type Duration, MINUTE, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Clock } from "../platform/system.js";
import { type TrafficSample, trafficSamples } from "./domain/traffic-series.js";
import type { TrafficDesk } from "./traffic-desk.js";

/** Two calls for each target: Route 53 takes five a second of one account. */
const LOOK_EVERY: Duration = 15 * SECOND;

export interface TrafficWatchPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly mayLead: () => boolean;
  readonly desk: TrafficDesk;
  readonly append: (samples: readonly TrafficSample[]) => Promise<void>;
}

export class TrafficWatch {
  readonly loop: Loop;
  readonly #ports: TrafficWatchPorts;

  constructor(ports: TrafficWatchPorts) {
    this.#ports = ports;
    const { clock, logger } = ports;
    const run = (): Promise<void> => this.run();
    this.loop = new Loop({
      name: "traffic-watch",
      interval: LOOK_EVERY,
      deadline: MINUTE,
      clock,
      logger,
      run,
    });
  }

  async run(): Promise<void> {
    const { clock, mayLead, desk, append } = this.#ports;
    if (!mayLead()) return;
    const looked = await Promise.all(
      desk.targets.map(async (target) => ({ target, ...(await desk.stand(target)) })),
    );
    const at = clock.now();
    await append(
      looked.flatMap(({ target, seen, place, health }) => trafficSamples(target, seen, place, health, at)),
    );
  }
}
