import { existsSync } from "node:fs";
import { Beat } from "./beat.js";
import { CertificateGroup } from "./certificates/certificate-group.js";
import type { CollectSettings, TlsEndpoint } from "./collect-settings.js";
import type { CollectGroup } from "./group.js";
import { Mounts } from "./host/filesystem.js";
import { hostReaders } from "./host/host.js";
import { HostGroup } from "./host/host-group.js";
import { readPageBytes } from "./host/page-size.js";
import { RemoteFilesystems } from "./host/remote-filesystems.js";
import { InventoryBoard } from "./inventory.js";
import { type OwnFigure, OwnFigures } from "./own-figures.js";
import type { CollectClock, RunProgram, Say } from "./ports.js";
import { HttpProbeGroup } from "./probes/http-probe-group.js";
import { DeclaredProcesses } from "./processes/declared-processes.js";
import { TopProcesses } from "./processes/top-processes.js";
import type { CollectSink } from "./reading.js";
import { ScrapeGroup } from "./scrape/scrape-group.js";
import type { LabelSet } from "./series.js";
import { SystemdUnits } from "./services/systemd-units.js";

const NOTHING = { files: [], endpoints: [] };

/** What a collector is made of. */
export interface CollectorOptions {
  readonly settings: CollectSettings;
  /** Labels of every series: `instance` (the node's name), `node`. `job` is `node` unless it is given. */
  readonly labels: LabelSet;
  readonly clock: CollectClock;
  readonly say: Say;
  /** For `systemctl show`; without it no service is read. */
  readonly run?: RunProgram;
  /** Certificates that are watched whatever the settings say: the agent's own, the control plane's. */
  readonly always?: { readonly files: readonly string[]; readonly endpoints: readonly TlsEndpoint[] };
  /** The agent's own process, which never is a declared one. */
  readonly ownPid?: number;
  /** Groups that need more than a collector has. */
  readonly more?: readonly CollectGroup[];
  /** Figures of the rest of the agent, read with the host. */
  readonly extra?: () => Iterable<OwnFigure>;
}

/**
 * Reads the host and what is on it, each group at its own pace, and hands readings to a sink. A group that fails or is
 * late holds up no other. `start` once, `stop` once.
 */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #groups: CollectGroup[] = [];
  readonly #beats: Beat[] = [];
  readonly #late = new Map<string, number>();
  #readings = 0;
  #sinkFailures = 0;
  #inventory: InventoryBoard | undefined;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** Begins: the first reading of each group comes on the next turns. */
  start(sink: CollectSink): void {
    const { clock, say } = this.#options;
    this.#inventory = new InventoryBoard(clock, (snapshot) => this.#toSink(() => sink.inventory(snapshot)));
    this.#groups.push(...this.#makeGroups(this.#inventory));
    for (const group of this.#groups) {
      const beat = new Beat(group.intervalMs, clock, (timestampMs) => this.#read(group, sink, timestampMs), {
        late: (missed) => this.#wasLate(group, missed),
        failed: (error) =>
          say("warn", "A reading failed", {
            group: group.name,
            because: error instanceof Error ? error.message : String(error),
          }),
      });
      this.#beats.push(beat);
      beat.start();
    }
  }

  /** Ends: waits for readings in flight, then gives back what is open. No reading comes after it answered. */
  async stop(): Promise<void> {
    await Promise.all(this.#beats.map((beat) => beat.stop()));
    this.#inventory?.close();
    for (const group of this.#groups) group.close();
    this.#beats.length = 0;
    this.#groups.length = 0;
  }

  #makeGroups(inventory: InventoryBoard): CollectGroup[] {
    const { settings, clock, say, run, always, ownPid } = this.#options;
    const { proc } = settings.roots;
    const common: LabelSet = { job: "node", ...this.#options.labels };
    const mounts = new Mounts(settings.roots, common, settings.filesystem);
    const readers = hostReaders(settings, common, mounts);
    if (settings.processes.declared.length > 0) {
      readers.push(new DeclaredProcesses(settings.processes.declared, proc, common, ownPid ?? 0));
    }
    readers.push(new OwnFigures(() => this.#figures(), common));
    const host = new HostGroup(readers, common, clock, say);
    const remote = new RemoteFilesystems(() => mounts.current(), clock, settings.filesystem.timeoutMs);
    const groups: CollectGroup[] = [
      {
        name: "host",
        intervalMs: settings.intervalMs,
        read: (timestampMs) => host.read(timestampMs),
        close: () => host.close(),
      },
      {
        name: "remote-filesystems",
        intervalMs: settings.intervalMs,
        read: (timestampMs) => remote.read(timestampMs),
        close: () => {},
      },
      new CertificateGroup(settings.certificates, always ?? NOTHING, common, clock, (found) =>
        inventory.certificates(found),
      ),
      ...settings.scrape.map((target) => new ScrapeGroup(target, common, clock, say)),
      ...settings.probes.map((probe) => new HttpProbeGroup(probe, common, clock, say)),
      ...(this.#options.more ?? []),
    ];
    if (settings.processes.topCount > 0) {
      const top = new TopProcesses(proc, settings.processes.topCount, readPageBytes(proc));
      groups.push({
        name: "processes",
        intervalMs: settings.processes.intervalMs,
        read: () => {
          inventory.processes(top.look(clock.monotonic()));
          return [];
        },
        close: () => {},
      });
    }
    // systemd's own way to ask whether it is the one that runs the host: sd_booted(3).
    if (settings.services.units.length > 0 && run !== undefined && existsSync("/run/systemd/system")) {
      groups.push(
        new SystemdUnits(settings.services, common, run, say, (found) => inventory.services(found)),
      );
    }
    return groups;
  }

  /** Synchronous groups stay synchronous: a promise a beat would be garbage, and another turn of the loop. */
  #read(group: CollectGroup, sink: CollectSink, timestampMs: number): void | Promise<void> {
    const answer = group.read(timestampMs);
    const send = (readings: Awaited<typeof answer>): void => {
      for (const reading of readings) {
        this.#readings++;
        this.#toSink(() => sink.reading(reading));
      }
    };
    return answer instanceof Promise ? answer.then(send) : send(answer);
  }

  #toSink(give: () => void): void {
    try {
      give();
    } catch (error) {
      this.#sinkFailures++;
      const because = error instanceof Error ? error.message : String(error);
      this.#options.say("warn", "A reading was not taken over", { because, failures: this.#sinkFailures });
    }
  }

  #wasLate(group: CollectGroup, missed: number): void {
    const before = this.#late.get(group.name) ?? 0;
    this.#late.set(group.name, before + missed);
    // Once at the first, then at each power of two: a target that is always too slow must not fill the log.
    const total = before + missed;
    if (Math.floor(Math.log2(total)) > Math.floor(Math.log2(before || 0.5))) {
      this.#options.say("warn", "Readings are late", {
        group: group.name,
        missed,
        total,
        intervalMs: group.intervalMs,
      });
    }
  }

  *#figures(): Iterable<OwnFigure> {
    yield { name: "mainstay_agent_collect_readings_total", value: this.#readings };
    yield { name: "mainstay_agent_collect_refused_total", value: this.#sinkFailures };
    for (const group of this.#groups) {
      const value = this.#late.get(group.name) ?? 0;
      yield { name: "mainstay_agent_collect_late_total", labels: { group: group.name }, value };
    }
    if (this.#options.extra !== undefined) yield* this.#options.extra();
  }
}
