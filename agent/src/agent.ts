/** The agent put together: collecting, sending, doing. Wiring only; each part decides for itself. */
import type { Server } from "node:http";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import { BackupGroup } from "./collect/backups/backup-group.js";
import { Collector } from "./collect/collector.js";
import type { RunProgram as CollectRun } from "./collect/ports.js";
import type { AgentConfig } from "./config.js";
import type { Poolers } from "./failover/pooler/start.js";
import type { Failover } from "./failover/start.js";
import { readHostFacts } from "./host-facts.js";
import { enroll } from "./identity/enroll.js";
import { IdentityKeeper } from "./identity/keeper.js";
import { makePrivateDirectory, statePaths } from "./identity/state-files.js";
import { lockState } from "./identity/state-lock.js";
import { urgentBackoff } from "./link/backoff.js";
import { openStream, serverName, urgency } from "./link/channel.js";
import { Link } from "./link/connect.js";
import { Outbox } from "./link/outbox.js";
import { inventoryMessage } from "./link/wire.js";
import { type Log, reasonOf } from "./log.js";
import { probeToken, serveProbes } from "./probes.js";
import { allActions } from "./run/actions.js";
import { Journal } from "./run/journal.js";
import { PlanStore } from "./run/plans.js";
import { allowedActions, policyHash } from "./run/policy.js";
import { runProgram } from "./run/process.js";
import { Runner } from "./run/runner.js";
import { runsSystemd, TransientUnits } from "./run/transient-unit.js";
import { SelfWatch } from "./self-watch.js";
import type { System } from "./system.js";

/** A running agent. */
export interface Agent {
  /** Where the probes listen; undefined when they are off. */
  readonly healthPort: number | undefined;
  /** Stops everything in order; what waits is made durable. A few seconds at most. */
  stop(): Promise<void>;
}

/** Why an agent could not be started, as a sentence. */
export class StartFault extends Error {}

const parting = { actionsMs: 5_000 };
const tidyEveryMs = 3_600_000;

/** Starts an agent. Rejects with a {@link StartFault} for what a person can mend. */
export async function startAgent(
  config: AgentConfig,
  version: string,
  system: System,
  log: Log,
): Promise<Agent> {
  const paths = statePaths(config.stateDir);
  try {
    makePrivateDirectory(config.stateDir);
  } catch (error) {
    throw new StartFault(`stateDir ${config.stateDir}: cannot be made: ${reasonOf(error)}`);
  }
  const lock = await lockState(paths.lock, process.pid);
  if (lock.kind === "taken") {
    throw new StartFault(
      `stateDir ${config.stateDir}: another agent has it (pid ${lock.byPid}); one agent for one state directory`,
    );
  }
  const host = readHostFacts();
  const { clock, timers, draws } = system;
  const outbox = Outbox.open(
    { directory: paths.outbox, bytesMax: config.outboxBytesMax, bootId: host.bootId },
    timers,
    draws.id,
    log,
  );
  const plans = new PlanStore(paths.plans);
  const journal = await Journal.open(paths.journal, system, log, (hash) => plans.text(hash));
  const watch = new SelfWatch(system, version);

  const keeper: IdentityKeeper = new IdentityKeeper({
    system,
    log,
    nodeName: config.nodeName,
    paths,
    joinToken: config.joinToken,
    joinTokenFile: config.joinTokenFile,
    enroll: (token) =>
      enroll({
        at: config.controlPlane.enroll,
        token,
        nodeName: config.nodeName,
        hostname: host.hostname,
        agentVersion: version,
        identityFile: paths.identity,
        keyFile: paths.enrollKey,
        timeoutMs: 15_000,
        now: clock.now,
      }),
    askRenewal: (csr) => link.renew(csr),
    onIdentity: () => {
      if (linkStarted) link.tryNow();
      else startLink();
      failover?.identity();
    },
  });
  const runner = new Runner({
    system,
    log,
    journal,
    plans,
    policy: config.actions,
    actions: allActions,
    units: runsSystemd() ? new TransientUnits(runProgram, paths.units, system) : undefined,
    orderKeys: () => keeper.orderKeys,
    nodeId: () => keeper.nodeId,
    clockOffsetMs: () => watch.clockOffsetMs,
  });
  const { agents: agentDoors } = config.controlPlane;
  const isMember = config.postgres !== undefined;
  const link: Link = new Link({
    system,
    log,
    outbox,
    events: journal,
    open: (secure, events, place) =>
      openStream(agentDoors[place] ?? agentDoors[0], secure, events, isMember ? urgency(system) : undefined),
    places: agentDoors.length,
    ...(isMember ? { bounds: urgentBackoff } : {}),
    identity: {
      secure: () => keeper.secure(),
      hello: () => ({
        agentVersion: version,
        hostname: host.hostname,
        bootId: host.bootId,
        actions: allowedActions(config.actions),
        labels: { ...config.labels },
        openCommandIds: journal.openCommandIds(),
        intervalMs: config.intervalMs,
        policyHash: policyHash(config.actions),
        os: host.os,
        machineId: host.machineId,
      }),
    },
    listener: {
      order: (order) => runner.order(order),
      cancelOrder: (commandId, because) => runner.cancel(commandId, because),
      renewed: (renewed) => keeper.renewed(renewed),
      orderKeys: (keys) => keeper.offered(keys),
      failover: (message) => {
        if (poolers?.received(message) !== true) failover?.received(message);
      },
      clockOffset: (ms) => {
        watch.clockOffsetMs = ms;
        keeper.clockOffset(ms);
        runner.timeLearnt();
      },
      live: (isLive) => {
        if (isLive) keeper.check();
      },
    },
  });
  let failover: Failover | undefined;
  let poolers: Poolers | undefined;
  let linkStarted = false;
  const startLink = (): void => {
    linkStarted = true;
    link.start();
  };
  watch.look({ outbox, link, runner, keeper, linkStarted: () => linkStarted });

  let probes: Server | undefined;
  if (config.health !== undefined) {
    const token = probeToken(paths.probeToken, draws.secret);
    try {
      probes = await serveProbes(config.health, token, watch);
    } catch (error) {
      lock.release();
      throw new StartFault(
        `health ${config.health.host}:${config.health.port}: cannot be listened on: ${reasonOf(error)}`,
      );
    }
  }

  const collector = new Collector({
    settings: config.collect,
    labels: { instance: config.nodeName, node: config.nodeName },
    clock: { now: clock.now, monotonic: clock.monotonic, after: timers.after },
    say: log,
    run: runForCollector,
    ownPid: process.pid,
    always: {
      // Not the agent's own certificate: it lives for a day and renews itself, and has a figure of its own.
      files: [paths.authority],
      endpoints: agentDoors.map((door) => ({ ...door, serverName, caFile: paths.authority })),
    },
    extra: () => [...watch.figures(), ...(failover?.figures() ?? [])],
    more: backupGroups(config, log),
  });
  collector.start({
    reading: (reading) => outbox.put(reading),
    inventory: (snapshot) => link.offerInventory(inventoryMessage(snapshot)),
  });
  keeper.start();
  if (config.postgres !== undefined) {
    // Few agents have a database to start, and need what does it.
    const { startFailover } = await import("./failover/start.js");
    try {
      failover = startFailover({
        settings: config.postgres,
        node: config.nodeName,
        stateDir: config.stateDir,
        system,
        log,
        secure: () => {
          const answer = keeper.secure();
          return answer.kind === "ready" ? answer.secure : undefined;
        },
        say: (message) => link.sayFailover(message),
      });
    } catch (error) {
      lock.release();
      throw new StartFault(`postgres: ${reasonOf(error)}`);
    }
  }
  if (config.poolers.length > 0) {
    const { startPoolers } = await import("./failover/pooler/start.js");
    const say = (message: FailoverMessage): void => void link.sayFailover(message);
    poolers = startPoolers({ settings: config.poolers, system, log, say });
  }
  runner.recover().catch((error: unknown) => {
    log("error", "what an earlier life left was not looked after", { because: reasonOf(error) });
  });
  const tidying = timers.every(tidyEveryMs, () => {
    journal.tidy().catch((error: unknown) => {
      log("warn", "the journal was not tidied", { because: reasonOf(error) });
    });
  });
  const at = probes?.address();
  const healthPort = typeof at === "object" && at !== null ? at.port : undefined;
  log("info", "agent ready", { nodeName: config.nodeName, version, healthPort, stateDir: config.stateDir });

  return {
    healthPort,
    stop: async () => {
      tidying();
      keeper.stop();
      await failover?.stop();
      await poolers?.stop();
      await collector.stop();
      await runner.stop(parting.actionsMs);
      if (linkStarted) await link.stop();
      watch.close();
      await journal.close();
      await outbox.close();
      probes?.closeAllConnections();
      probes?.close();
      lock.release();
    },
  };
}

function backupGroups({ collect, actions, nodeName }: AgentConfig, log: Log): readonly BackupGroup[] {
  const { intervalMs } = collect.backups;
  const declared = [...collect.backups.repositories, ...(actions.restoreDrill?.repositories ?? [])];
  const repositories = [...new Map(declared.map((one) => [one.name, one])).values()];
  if (repositories.length === 0) return [];
  const common = { instance: nodeName, node: nodeName };
  return [new BackupGroup({ repositories, intervalMs }, common, runProgram, log)];
}

const runForCollector: CollectRun = async (argv, timeoutMs) => {
  let stdout = "";
  const end = await runProgram({
    argv,
    timeoutMs,
    output: (stream, text) => {
      if (stream === "stdout" && stdout.length < 1_048_576) stdout += text;
    },
  });
  return { exitCode: end.kind === "exited" ? end.exitCode : 1, stdout };
};
