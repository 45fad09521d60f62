/** The room put together: the file, the books, the loops, the desk. */
import { readFile } from "node:fs/promises";
import { JOURNAL_CHANNEL } from "../journal/journal.module.js";
import type { Labels } from "../kernel/labels.js";
import { escapeQuery } from "../kernel/template/builtins.js";
import type { Guard } from "../platform/breakers.js";
import type { Logger } from "../platform/logger.js";
import type { LoopStatus } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import { AlertBook } from "./alert-book.js";
import { ChannelWatch, type ChannelWatchPorts } from "./channel-watch.loop.js";
import { ConfigFile } from "./config-file.js";
import { Deliverer } from "./deliver.loop.js";
import { GroupBook } from "./group-book.js";
import { Lead } from "./lead.js";
import { NotificationDesk } from "./notification-desk.js";
import type { NotificationDoor } from "./notification-door.js";
import { Notifier, type RulesJudged } from "./notify.loop.js";
import { routesApi } from "./routes.api.js";

export interface NotificationPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  /** Names this replica. */
  readonly replica: string;
  /** alertmanager.yml. */
  readonly file: string;
  /** Where people reach this house; without a slash at its end. */
  readonly externalUrl: string;
  /** What every alert of ours is told with, unless it says otherwise itself. @default none */
  readonly externalLabels?: Labels;
  /** Leaves a receiver alone that does not answer. @default every attempt is made */
  readonly guard?: Guard;
  /** Whether this replica is the one that sees all samples. */
  readonly mayLead: () => boolean;
  readonly rulesJudged: () => RulesJudged;
  /** A rule's expression; undefined: there is no such rule. */
  readonly exprOf: (ruleKey: string) => string | undefined;
  readonly append: ChannelWatchPorts["append"];
}

export interface Notification {
  readonly door: NotificationDoor;
  readonly routesApi: ReturnType<typeof routesApi>;
  /** Reads the file once, then watches, decides and sends. */
  start(): Promise<void>;
  stop(): Promise<void>;
  loops(): readonly LoopStatus[];
}

export function createNotification(ports: NotificationPorts): Notification {
  const { database, system, logger, externalUrl, externalLabels = {} } = ports;
  const configFile = new ConfigFile({ path: ports.file, externalUrl, clock: system.clock, logger });
  const lead = new Lead(database, ports.replica, ports.mayLead);
  const groups = new GroupBook();
  const alerts = new AlertBook({
    database,
    externalLabels,
    sourceOf: (key) => sourceOf(externalUrl, ports.exprOf(key)),
  });
  const inForce = () => configFile.inForce;
  const deliverer = new Deliverer({
    database,
    system,
    logger,
    lead,
    groups,
    inForce,
    readFile: (path) => readFile(configFile.resolvePath(path), "utf8"),
    ...(ports.guard === undefined ? {} : { guard: ports.guard }),
  });
  const notifier = new Notifier({
    database,
    system,
    logger,
    lead,
    inForce,
    alerts,
    groups,
    rulesJudged: ports.rulesJudged,
    queued: () => deliverer.loop.wake(),
  });
  const watch = new ChannelWatch({
    database,
    system,
    logger,
    lead,
    health: () => deliverer.health(),
    append: ports.append,
  });
  const door = new NotificationDesk({
    database,
    system,
    configFile,
    alerts,
    externalLabels,
    channels: () => deliverer.health(),
    because: () => notifier.because,
    changed: () => notifier.loop.wake(),
  });
  let deaf: () => Promise<void> = async () => {};
  return {
    door,
    routesApi: routesApi({ database, system, inForce, externalLabels }),
    async start() {
      await configFile.load();
      configFile.loop.start();
      // An alert that changed state is in the journal: there is no need to wait for the beat.
      deaf = database.listen(JOURNAL_CHANNEL, () => notifier.loop.wake());
      notifier.loop.start();
      deliverer.loop.start();
      watch.loop.start();
    },
    async stop() {
      await deaf();
      await Promise.all([configFile.loop.stop(), notifier.loop.stop(), watch.loop.stop(), deliverer.stop()]);
      await lead.release().catch(() => {});
    },
    loops: () => [configFile, notifier, deliverer, watch].map(({ loop }) => loop.status),
  };
}

/** Prometheus' own form of the link, so that tools that read the expression out of it find it. */
function sourceOf(externalUrl: string, expr: string | undefined): string {
  if (expr === undefined) return "";
  return `${externalUrl}/graph?g0.expr=${escapeQuery(expr)}&g0.tab=1`;
}
