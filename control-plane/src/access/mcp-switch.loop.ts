/** The switch as this replica last read it. */
import { type Duration, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { Clock } from "../platform/system.js";
import { readSwitch } from "./delegation.store.js";
import { SWITCHED_ON, type Switch } from "./domain/judge-switch.js";

/** With an MCP server's own look each second it counts everywhere within two. */
const LOOK_INTERVAL: Duration = SECOND / 2;

export class McpSwitchWatch {
  readonly loop: Loop;
  readonly #database: Database;
  #current: Switch = SWITCHED_ON;

  constructor(database: Database, clock: Clock, logger: Logger) {
    this.#database = database;
    this.loop = new Loop({
      name: "mcp-switch",
      interval: LOOK_INTERVAL,
      clock,
      logger,
      run: () => this.look(),
    });
  }

  /** As last read; while PostgreSQL is away it stands as it stood. */
  get current(): Switch {
    return this.#current;
  }

  async look(): Promise<void> {
    this.#current = await readSwitch(this.#database);
  }
}
