/** Looks whether this replica can truly serve, when somebody asks; however many ask, twice a second at most. */
import { type Duration, SECOND } from "../../kernel/time.js";
import type { Clock } from "../../platform/system.js";
import { within } from "./check-health.js";
import { type FailoverFacts, type FailoverHealth, judgeFailover } from "./judge-failover.js";

const ANSWER_WITHIN: Duration = SECOND;
const FRESH_FOR: Duration = 500;

export interface FailoverCheckPorts {
  readonly clock: Clock;
  readonly serving: () => boolean;
  readonly live: () => boolean;
  /** Whether PostgreSQL takes writes. Throws, or takes too long, when it is away. */
  readonly writable: () => Promise<boolean>;
  readonly leadership: () => FailoverFacts["leadership"];
}

export class FailoverCheck {
  readonly #ports: FailoverCheckPorts;
  #last: { readonly database: Promise<FailoverFacts["database"]>; readonly startedAt: number } | undefined;

  constructor(ports: FailoverCheckPorts) {
    this.#ports = ports;
  }

  /** Takes little more than a second at most. Never rejects. */
  async read(): Promise<FailoverHealth> {
    const { clock, serving, live, leadership } = this.#ports;
    const startedAt = clock.monotonic();
    if (this.#last === undefined || startedAt - this.#last.startedAt >= FRESH_FOR)
      this.#last = { database: this.#ask(), startedAt };
    const database = await this.#last.database;
    return judgeFailover({ serving: serving(), live: live(), database, leadership: leadership() });
  }

  #ask(): Promise<FailoverFacts["database"]> {
    const { clock, writable } = this.#ports;
    return within(ANSWER_WITHIN, clock, writable).then(
      (takesWrites) => (takesWrites ? "writable" : "read-only"),
      () => "away",
    );
  }
}
