/** Notification whole, on a database of its own, with a clock turned by hand and a receiver that listens. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Labels } from "../../kernel/labels.js";
import { silentLogger } from "../../platform/logger.js";
import { type FakeSystem, fakeSystem } from "../../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/test-database.js";
import { AlertBook } from "../alert-book.js";
import { ChannelWatch } from "../channel-watch.loop.js";
import { ConfigFile } from "../config-file.js";
import { Deliverer } from "../deliver.loop.js";
import { GroupBook } from "../group-book.js";
import { Lead } from "../lead.js";
import { NotificationDesk } from "../notification-desk.js";
import { Notifier } from "../notify.loop.js";

export interface Replica {
  readonly notifier: Notifier;
  readonly deliverer: Deliverer;
  readonly desk: NotificationDesk;
  readonly configFile: ConfigFile;
  readonly watch: ChannelWatch;
  readonly lead: Lead;
  readonly samples: { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
  rulesJudged: boolean;
  mayLead: boolean;
}

/** One database, one file, and as many replicas as are asked for. */
export class NotificationHouse {
  private constructor(
    readonly fixture: TestDatabase,
    readonly system: FakeSystem,
    readonly directory: string,
  ) {}

  static async open(): Promise<NotificationHouse> {
    const fixture = await createTestDatabase();
    const directory = await mkdtemp(join(tmpdir(), "mainstay-notification-"));
    return new NotificationHouse(fixture, fakeSystem(), directory);
  }

  async close(): Promise<void> {
    await this.fixture.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  async write(config: string): Promise<void> {
    await writeFile(join(this.directory, "alertmanager.yml"), config);
  }

  async openReplica(name = "replica-1", externalLabels: Labels = {}): Promise<Replica> {
    const { database } = this.fixture;
    const { system } = this;
    const logger = silentLogger;
    const switches = { rulesJudged: true, mayLead: true };
    const configFile = new ConfigFile({
      path: join(this.directory, "alertmanager.yml"),
      externalUrl: "http://mainstay.example",
      clock: system.clock,
      logger,
    });
    await configFile.load();
    const inForce = () => configFile.inForce;
    const lead = new Lead(database, name, () => switches.mayLead);
    const groups = new GroupBook();
    const alerts = new AlertBook({ database, externalLabels, sourceOf: () => "" });
    const deliverer = new Deliverer({
      database,
      system,
      logger,
      lead,
      groups,
      inForce,
      readFile: async () => "from-a-file",
    });
    const notifier = new Notifier({
      database,
      system,
      logger,
      lead,
      inForce,
      alerts,
      groups,
      rulesJudged: () => ({ judged: switches.rulesJudged, because: "a test says so" }),
      queued: () => {},
    });
    const samples: Replica["samples"] = [];
    const watch = new ChannelWatch({
      database,
      system,
      logger,
      lead,
      health: () => deliverer.health(),
      append: async (some) => void samples.push(...some),
    });
    const desk = new NotificationDesk({
      database,
      system,
      configFile,
      alerts,
      externalLabels,
      channels: () => deliverer.health(),
      because: () => notifier.because,
      changed: () => {},
    });
    return Object.assign(switches, { notifier, deliverer, desk, configFile, watch, lead, samples });
  }

  /** One beat of everything, at the time the clock shows. */
  async beat(replica: Replica): Promise<void> {
    await replica.notifier.run(this.system.clock.now());
    await replica.deliverer.run(this.system.clock.now());
    await replica.deliverer.settled();
  }

  /** Lets time pass, a beat each `step`. */
  async pass(replica: Replica, duration: number, step = 1_000): Promise<void> {
    for (let passed = 0; passed < duration; passed += step) {
      this.system.clock.advance(Math.min(step, duration - passed));
      await this.beat(replica);
    }
  }
}
