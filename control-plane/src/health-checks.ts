/** What health looks at: the parts of this process, its dependencies, and the few numbers of the overview. */
import { readOpen } from "./commands/commands.module.js";
import type { FailoverCheckPorts } from "./edge/health/check-failover.js";
import type { Check } from "./edge/health/check-health.js";
import type { EventLoopLag } from "./edge/health/event-loop.js";
import type { HeadlineInput } from "./edge/health/headlines.js";
import type { OverviewReads } from "./edge/health/health.api.js";
import {
  judgeAgents,
  judgeApi,
  judgeCpu,
  judgeDatabase,
  judgeDisk,
  judgeLoops,
  judgeMemory,
  judgeRedis,
  judgeRoom,
  judgeVault,
} from "./edge/health/judge-parts.js";
import type { Serving } from "./edge/health/serving.js";
import type { Dependency } from "./edge/health/watch-readiness.js";
import { certificateFigures, countByLiveness } from "./fleet/fleet.module.js";
import type { Ground } from "./ground.js";
import { readEntries } from "./journal/journal.module.js";
import { OpsError } from "./kernel/errors.js";
import { SECOND } from "./kernel/time.js";
import { readHost } from "./platform/host.js";
import type { Rooms } from "./rooms.js";

const PING = { text: "select 1", values: [] };

/** What this replica leans on. Without PostgreSQL it can do nothing; without the others, much. */
export function dependencies({ database, live, secrets, config }: Ground): readonly Dependency[] {
  const found: Dependency[] = [
    {
      name: "postgresql",
      vital: true,
      ping: async () => {
        await database.query(PING);
      },
    },
  ];
  if (config.redisUrl !== undefined) {
    found.push({
      name: "redis",
      vital: false,
      ping: async () => {
        await live.ping();
      },
    });
  }
  if (secrets !== undefined) {
    found.push({
      name: "vault",
      vital: false,
      ping: async () => {
        const health = await secrets.health();
        if (health !== "active" && health !== "standby")
          throw new OpsError("UNAVAILABLE", `Vault is ${health}`);
      },
    });
  }
  return found;
}

const TAKES_WRITES = {
  text: "select not pg_is_in_recovery() and current_setting('default_transaction_read_only') = 'off' as writable",
  values: [],
};

/** What a replica must be able to do before traffic is sent to it. A lease that is held proves that PostgreSQL stores. */
export function failoverPorts(
  { database, system }: Ground,
  { leadership }: Rooms,
  eventLoop: EventLoopLag,
  serving: Serving,
): FailoverCheckPorts {
  return {
    clock: system.clock,
    serving: () => serving.isServing(),
    live: () => eventLoop.read().kind === "live",
    writable: async () => (await database.query<{ writable: boolean }>(TAKES_WRITES))[0]?.writable === true,
    leadership: () => {
      const { state } = leadership;
      return state.kind === "leads" || (state.kind === "follows" && state.leader !== undefined)
        ? "led"
        : "nobody";
    },
  };
}

export function healthChecks(
  ground: Ground,
  rooms: Rooms,
  eventLoop: EventLoopLag,
  requestsActive: () => number,
): readonly Check[] {
  const { database, live, secrets, config, system } = ground;
  const { clock } = system;
  const startedAt = clock.now();
  const cpuShare = measureCpu(ground);
  return [
    {
      name: "database",
      vital: true,
      run: async () => {
        const started = clock.monotonic();
        await database.query(PING);
        const { active, max, waiting } = database.figures();
        const seconds = (clock.monotonic() - started) / SECOND;
        return judgeDatabase({ seconds, connectionsActive: active, connectionsMax: max, waiting });
      },
    },
    {
      name: "redis",
      vital: false,
      run: async () => {
        const { adapter } = live.figures();
        const connected = await live.ping().then(
          () => true,
          () => false,
        );
        return judgeRedis({ kind: adapter, connected });
      },
    },
    {
      name: "vault",
      vital: false,
      run: async () => judgeVault(secrets === undefined ? "not-configured" : await secrets.health()),
    },
    {
      name: "api",
      vital: true,
      run: async () =>
        judgeApi({ eventLoopLag: eventLoop.read().worstLag, requestsActive: requestsActive() }),
    },
    {
      name: "agents",
      vital: false,
      run: async () => judgeAgents(await countByLiveness(database)),
    },
    {
      name: "disk",
      vital: true,
      run: async () => {
        const host = await readHost(config.stateDirectory);
        return judgeDisk({ freeBytes: host.diskFreeBytes, totalBytes: host.diskTotalBytes });
      },
    },
    {
      name: "memory",
      vital: true,
      run: async () => {
        const host = await readHost(config.stateDirectory);
        return judgeMemory({
          freeBytes: host.memoryAvailableBytes,
          totalBytes: host.memoryTotalBytes,
          residentBytes: host.residentBytes,
        });
      },
    },
    { name: "cpu", vital: false, run: async () => judgeCpu(await cpuShare()) },
    {
      name: "loops",
      vital: false,
      run: async () => judgeLoops(rooms.loops(), startedAt, clock.now()),
    },
    {
      name: "journal",
      vital: true,
      run: async () => {
        const [last] = await readEntries(database, { after: 0, limit: 1, tail: true });
        return judgeRoom({ kind: "ok" }, { entries: last?.position ?? 0 });
      },
    },
    {
      name: "notification",
      vital: false,
      run: async () => {
        const { faults, channels } = rooms.notification.status();
        const down = channels.filter(({ up }) => !up);
        const [fault] = faults;
        const because =
          down.length > 0
            ? `notices do not reach ${down.map(({ receiver, integration }) => `${receiver} by ${integration}`).join(", ")}`
            : fault;
        return judgeRoom(because === undefined ? { kind: "ok" } : { kind: "degraded", because }, {
          channels: channels.length,
          channels_down: down.length,
          notices_queued: channels.reduce((sum, { queued }) => sum + queued, 0),
        });
      },
    },
    {
      name: "timeseries",
      vital: true,
      run: async () => {
        const health = rooms.allSeries.health();
        // An engine that is down has no figures, and must not take its reason down with it.
        const figures = health.kind === "down" ? undefined : await rooms.allSeries.figures();
        if (figures === undefined) return judgeRoom(health, {});
        const { evaluator, activeSeries, samplesNotDurable } = figures;
        const found = judgeRoom(health, {
          active_series: activeSeries,
          samples_not_durable: samplesNotDurable,
          ...(evaluator.kind === "remote"
            ? {
                remote_samples_waiting: evaluator.samplesWaiting,
                remote_samples_taken: evaluator.samplesTaken,
                remote_samples_refused: evaluator.samplesRefused,
                remote_chunks_lost: evaluator.chunksLost,
              }
            : {}),
        });
        const who = evaluator.kind === "remote" ? `the engine at ${evaluator.at}` : "this engine";
        return { ...found, because: `${found.because}; expressions are evaluated by ${who}` };
      },
    },
  ];
}

/** This process' share of a core between two readings. */
function measureCpu({ config, system }: Ground) {
  let last: { at: number; cpuSeconds: number } | undefined;
  return async () => {
    const { load, cores, cpuSeconds } = await readHost(config.stateDirectory);
    const at = system.clock.monotonic();
    const ownCores = last === undefined ? 0 : ((cpuSeconds - last.cpuSeconds) * SECOND) / (at - last.at);
    last = { at, cpuSeconds };
    return { load, cores, ownCores };
  };
}

/** As df has it: of what an unprivileged user could use, how much is used. What nobody can write to is left out. */
const FULLEST =
  "topk(1, 1 - (node_filesystem_avail_bytes / node_filesystem_size_bytes) unless node_filesystem_readonly == 1)";

export function overviewReads(ground: Ground, rooms: Rooms): OverviewReads {
  const { database, system } = ground;
  return {
    nodes: () => countByLiveness(database),
    alerts: async () => {
      const alerts = await rooms.alertReads.alerts();
      const firing = alerts.filter(({ state }) => state === "firing").length;
      return { firing, pending: alerts.length - firing };
    },
    commandsOpen: async () => (await readOpen(database)).length,
    fullest: async (): Promise<HeadlineInput["fullest"]> => {
      const value = await rooms.allSeries.query(FULLEST, system.clock.now(), { timeoutMs: SECOND });
      const sample = value.kind === "vector" ? value.samples[0] : undefined;
      if (sample === undefined) return undefined;
      const { node = "", mountpoint = "" } = sample.labels;
      return { node, mountpoint, usedRatio: sample.value };
    },
    certificates: () => certificateFigures(database),
  };
}
