/** Runbooks' door: procedures in files, runs carried on, both told. */
import type { CommandDesk } from "../commands/commands.module.js";
import type { Logger } from "../platform/logger.js";
import type { LoopStatus } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { System } from "../platform/system.js";
import { handOf } from "./hand.js";
import { RunDesk } from "./run-desk.js";
import { runbooksApi } from "./runbooks.api.js";
import { Runner, type RunnerPorts } from "./runs.loop.js";
import { Shelf } from "./shelf.js";

export interface RunbooksDeps extends Pick<RunnerPorts, "query" | "mayLead"> {
  readonly database: Database;
  readonly commands: CommandDesk;
  readonly live: Live;
  readonly system: System;
  readonly logger: Logger;
  /** Files, and folders of files. */
  readonly paths: readonly string[];
}

export interface Runbooks {
  readonly api: ReturnType<typeof runbooksApi>;
  readonly desk: RunDesk;
  /** Reads the files again; answers why some are not in force. */
  reload(): Promise<readonly string[]>;
  loops(): readonly LoopStatus[];
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function createRunbooks(deps: RunbooksDeps): Runbooks {
  const { database, commands, live, system, logger, paths, query, mayLead } = deps;
  const { clock } = system;
  const shelf = new Shelf({ paths, clock, logger });
  const desk = new RunDesk({ database, live, system, shelf });
  const hand = handOf(commands, database);
  const runner = new Runner({ database, desk, hand, shelf, query, mayLead, live, system, logger });
  return {
    api: runbooksApi({ database, desk, shelf, live, clock }),
    desk,
    reload: async () => {
      await shelf.load();
      return shelf.faults;
    },
    loops: () => [shelf.loop.status, runner.loop.status],
    start: async () => {
      await shelf.load();
      shelf.loop.start();
      runner.start();
    },
    stop: async () => {
      await runner.stop();
      await shelf.loop.stop();
    },
  };
}
