/** The rooms, built from the ground up: each is given what is below it, and nothing is looked up. */
import { join } from "node:path";
import { type Access, CONTROL_PLANE_NAME, openAccess } from "./access/access.module.js";
import {
  alertReads,
  alertsApi,
  Evaluator,
  RuleFiles,
  RulesInForce,
  readFiringSince,
  readNodesFiring,
  StoredRules,
} from "./alerting/alerting.module.js";
import { backupsApi } from "./backups/backups.module.js";
import { CatchUp } from "./catch-up.js";
import {
  agentLine,
  CommandDesk,
  commandsApi,
  Dispatcher,
  outputsApi,
  readCommands,
  type TargetNode,
} from "./commands/commands.module.js";
import { DENY_ALL, type Policy, parsePolicy } from "./commands/domain/policy.js";
import { drillsApi } from "./drills/drills.module.js";
import type { Node } from "./fleet/domain/agent.js";
import {
  countByLiveness,
  countNodes,
  createFleet,
  type Fleet,
  findNamedNodes,
  findNode,
  findNodes,
  Leadership,
  readHealthByLabel,
  readNodeNames,
  readPlacedNodes,
} from "./fleet/fleet.module.js";
import type { Ground } from "./ground.js";
import { journalApi } from "./journal/journal.module.js";
import { SECOND } from "./kernel/time.js";
import {
  createNotification,
  type Notification,
  type NotificationDoor,
} from "./notification/notification.module.js";
import { openDrills } from "./open-drills.js";
import { evaluatedBy, openEngine, placeOf, readToken } from "./open-engine.js";
import { guardOf } from "./platform/breakers.js";
import { HttpClient } from "./platform/http-client.js";
import type { LoopStatus } from "./platform/loop.js";
import { PolicyFile } from "./platform/policy-file.js";
import {
  type PatroniCredentials,
  type PatroniCredentialsFile,
  parsePatroniCredentials,
} from "./recovery/domain/patroni/patroni-credentials.js";
import {
  Adoption,
  FailoverDesk,
  FailoverLoop,
  failoverLine,
  PatroniLoop,
  poolerLine,
  readClusters,
  recoveryApi,
} from "./recovery/recovery.module.js";
import { createRegions, type Regions, trafficPort } from "./region/region.module.js";
import {
  NO_REMEDIATION,
  parseRemediation,
  type Remediation,
  Remediator,
  remediationApi,
} from "./remediation/remediation.module.js";
import { judgeGate } from "./rollouts/domain/judge-gate.js";
import { RolloutDesk, RolloutDriver, rolloutsApi } from "./rollouts/rollouts.module.js";
import { createRunbooks, type Runbooks } from "./runbooks/runbooks.module.js";
import { DEFAULT_SAFETY, parseSafety, type SafetyPolicy } from "./safety/domain/safety-policy.js";
import { Safety, SafetyWatch, safetyApi } from "./safety/safety.module.js";
import {
  createTimeSeries,
  LeaderSeries,
  metricsApi,
  REMOTE_CHUNK_AFTER,
  type TimeSeries,
  type TimeSeriesDoor,
} from "./timeseries/timeseries.module.js";
import { parseComponents, type Topology } from "./topology/domain/component.js";
import { topologyApi } from "./topology/topology.module.js";
import { parseTraffic } from "./traffic/domain/parse-traffic.js";
import { NO_TRAFFIC, type TrafficPolicy } from "./traffic/domain/traffic-target.js";
import {
  healthOf,
  TrafficDesk,
  TrafficDriver,
  TrafficWatch,
  trafficAdapters,
  trafficApi,
} from "./traffic/traffic.module.js";

/** Commands of one alert that its account names. */
const COMMANDS_OF_ALERT_MAX = 100;
/** A replay reads hours of many series. */
const REPLAY_QUERY_MS = 30 * SECOND;

export interface Rooms {
  readonly access: Access;
  readonly fleet: Fleet;
  readonly leadership: Leadership;
  readonly failover: FailoverLoop;
  /** This replica's own engine; it sees all samples while this replica leads. */
  readonly series: TimeSeries;
  /** The engine that sees all samples, wherever it is. */
  readonly allSeries: TimeSeriesDoor;
  readonly catchUp: CatchUp;
  readonly desk: CommandDesk;
  readonly dispatcher: Dispatcher;
  readonly evaluator: Evaluator;
  readonly alertReads: ReturnType<typeof alertReads>;
  readonly notification: NotificationDoor;
  readonly apis: {
    readonly access: Access["api"];
    readonly mcp: Access["mcpApi"];
    readonly requestStates: Access["requestStatesApi"];
    readonly fleet: Fleet["api"];
    readonly metrics: ReturnType<typeof metricsApi>;
    readonly journal: ReturnType<typeof journalApi>;
    readonly commands: ReturnType<typeof commandsApi>;
    readonly runbooks: Runbooks["api"];
    readonly alerts: ReturnType<typeof alertsApi>;
    readonly routes: Notification["routesApi"];
    readonly topology: ReturnType<typeof topologyApi>;
    readonly recovery: ReturnType<typeof recoveryApi>;
    readonly drills: ReturnType<typeof drillsApi>;
    readonly backups: ReturnType<typeof backupsApi>;
    readonly region: Regions["api"];
    readonly traffic: ReturnType<typeof trafficApi>;
    readonly outputs: ReturnType<typeof outputsApi>;
    readonly safety: ReturnType<typeof safetyApi>;
    readonly rollouts: ReturnType<typeof rolloutsApi>;
    readonly remediation: ReturnType<typeof remediationApi>;
  };
  /** Reads again what is read from files; answers why something is not in force. */
  readonly reload: () => Promise<readonly string[]>;
  /** The loops there are now, for health. */
  readonly loops: () => readonly LoopStatus[];
}

export async function openRooms(ground: Ground): Promise<Rooms> {
  const { config, system, logger, lifecycle, database, live, secrets } = ground;
  const { clock } = system;
  const access = await openAccess({
    database,
    system,
    logger,
    stateDirectory: config.stateDirectory,
    secrets,
    transit:
      secrets && config.vault?.transitKey !== undefined
        ? { engine: secrets.transit, key: config.vault.transitKey }
        : undefined,
    serverNames: config.serverNames,
    certificateHours: config.certificateHours,
  });
  lifecycle.startLoop(access.serverCertificates.loop);
  lifecycle.startLoop(access.mcpSwitch.loop);
  if (access.orderKeyLoop !== undefined) lifecycle.startLoop(access.orderKeyLoop);

  const replicaId = system.draws.id(clock.now());
  const series = createTimeSeries({
    database,
    system,
    logger,
    mayWrite: (tx) => leadership.stillLeads(tx),
    logDirectory: join(config.stateDirectory, "written-samples"),
    // What another engine evaluates must not wait here.
    ...(config.timeseries.kind === "remote" ? { chunkAfter: REMOTE_CHUNK_AFTER } : {}),
  });
  const catchUp = new CatchUp(series, clock);
  let liveBefore = 0;
  const leadership: Leadership = new Leadership({
    database,
    system,
    logger,
    replicaId,
    takeOver: async () => {
      await series.reread("this replica takes over");
      catchUp.restart();
      liveBefore = (await countByLiveness(database)).live;
    },
    // The streams end with their sessions; the agents go to the new leader and bring again what was not durable.
    stepDown: (because) => void series.reread(because),
  });
  lifecycle.started("leadership", () => leadership.stop());
  await leadership.start();
  await series.start();
  lifecycle.started("time series", () => series.stop());

  const engine = openEngine(ground, series, leadership);
  const http = new HttpClient({ ca: () => access.authority.certificatePem, orNamed: CONTROL_PLANE_NAME });
  lifecycle.started("line to the leader", () => http.close());
  const { scrape, operator } = access.localTokens;
  const allSeries = new LeaderSeries({
    own: engine,
    place: () => placeOf(leadership),
    http,
    tokens: { look: () => readToken(scrape), write: () => readToken(operator) },
  });

  const append: Parameters<typeof createFleet>[0]["append"] = async (samples) => {
    if (leadership.leads) await series.append(samples);
  };
  const mayLead = (): boolean => leadership.leads;
  const certifier = access.authority;
  const fleet = createFleet({ database, system, logger, certifier, append, replicaId, mayLead });
  await fleet.liveness.start();
  lifecycle.started("liveness", () => fleet.liveness.stop());

  const components = new PolicyFile<Topology>({
    path: config.componentsFile,
    initial: [],
    parse: ({ value, lineOf }) => parseComponents(value, lineOf),
    clock,
    logger,
  });
  await components.load();
  lifecycle.startLoop(components.loop);
  const policy = new PolicyFile<Policy>({
    path: config.policyFile,
    initial: DENY_ALL,
    parse: ({ value }) => {
      const parsed = parsePolicy(value);
      return "policy" in parsed
        ? { value: parsed.policy }
        : { faults: parsed.faults.map((fault) => ` ${fault}`) };
    },
    clock,
    logger,
  });
  await policy.load();
  lifecycle.startLoop(policy.loop);
  const safetyPolicy = new PolicyFile<SafetyPolicy>({
    path: config.safetyFile,
    initial: DEFAULT_SAFETY,
    parse: ({ value, lineOf }) => parseSafety(value, lineOf),
    clock,
    logger,
  });
  await safetyPolicy.load();
  lifecycle.startLoop(safetyPolicy.loop);
  const safety = new Safety({
    database,
    system,
    policy: () => safetyPolicy.current,
    healthOf: async (db, labels, of) =>
      readHealthByLabel(db, labels, of, await readNodesFiring(db, "critical")),
  });
  const safetyWatch = new SafetyWatch({ database, system, logger, safety });
  lifecycle.startLoop(safetyWatch.loop);
  const desk = new CommandDesk({
    database,
    live,
    system,
    findNode: (idOrName) => findTarget(ground, idOrName),
    findNamed: async (names) =>
      new Map([...(await findNamedNodes(database, names))].map(([name, node]) => [name, toTarget(node)])),
    findNodes: async (ids) => (await findNodes(database, ids)).map(toTarget),
    policy: () => policy.current,
    topology: () => components.current,
    countNodes,
    safety,
  });
  /** The newest key that the agent of a stream was offered with its welcome, which came right before this. */
  const offered = new WeakMap<object, string>();
  fleet.sessions.onConnected((session) => offered.set(session, access.orderSigner.keyId));
  const line = agentLine({
    sessions: fleet.sessions,
    sign: (order, node) => {
      const session = fleet.sessions.get(node);
      return access.orderSigner.sign(order, session && offered.get(session));
    },
    clock,
    logger,
  });
  const dispatcher = new Dispatcher({ database, desk, line, live, clock, logger });
  fleet.sessions.onConnected(() => dispatcher.loop.wake());
  dispatcher.start();
  lifecycle.started("dispatcher", () => dispatcher.stop());

  const surroundings = { externalLabels: config.externalLabels, externalUrl: config.externalUrl };
  const evaluator = new Evaluator({
    database,
    system,
    logger,
    replica: replicaId,
    leadsSince: () => (leadership.state.kind === "leads" ? leadership.state.since : undefined),
    surroundings,
    nodes: () => readNodeNames(database),
    evaluateMany: (expressions, at) => engine.evaluateMany(expressions, at),
    append: (samples) => series.append(samples),
    catchUp: async () => ({ expected: liveBefore, caughtUp: Math.min(catchUp.count, liveBefore) }),
  });
  const inForce = new RulesInForce(["files", "api"], (groups) => evaluator.use(groups));
  const ruleFiles = new RuleFiles({
    paths: config.ruleFiles,
    clock,
    logger,
    changed: (groups) => inForce.changed("files", groups),
  });
  const storedRules = new StoredRules({
    database,
    clock,
    logger,
    changed: (groups) => inForce.changed("api", groups),
  });
  await storedRules.load();
  await ruleFiles.start();
  lifecycle.started("rule files", () => ruleFiles.stop());
  lifecycle.startLoop(storedRules.loop);
  evaluator.start();
  lifecycle.started("evaluator", () => evaluator.stop());

  const notification = createNotification({
    database,
    system,
    logger,
    replica: replicaId,
    file: config.alertmanagerFile,
    externalUrl: config.externalUrl,
    externalLabels: config.externalLabels,
    mayLead,
    guard: guardOf(ground.breakers),
    rulesJudged: () => rulesJudged(evaluator, leadership),
    exprOf: (ruleKey) =>
      evaluator.groups.flatMap(({ rules }) => rules).find(({ key }) => key === ruleKey)?.expr,
    append: async (samples) => {
      await append(samples);
    },
  });
  await notification.start();
  lifecycle.started("notification", () => notification.stop());

  const remediation = new PolicyFile<Remediation>({
    path: config.remediationFile,
    initial: NO_REMEDIATION,
    parse: ({ value, lineOf }) => parseRemediation(value, lineOf),
    clock,
    logger,
  });
  await remediation.load();
  lifecycle.startLoop(remediation.loop);
  const remediator = new Remediator({
    database,
    desk,
    system,
    logger,
    safety,
    remediation: () => remediation.current,
    findNode: (name) => findTarget(ground, name),
    check: async (expr, at) => {
      const { kind, because } = judgeGate(expr, await allSeries.query(expr, at));
      return { holds: kind === "healthy", because };
    },
  });
  lifecycle.startLoop(remediator.loop);

  const runbooks = createRunbooks({
    database,
    commands: desk,
    live,
    system,
    logger,
    paths: config.runbookPaths,
    mayLead,
    query: (expr, at, signal) => engine.query(expr, at, { signal }),
  });
  await runbooks.start();
  lifecycle.started("runbooks", () => runbooks.stop());

  const rolloutDesk = new RolloutDesk({
    database,
    live,
    system,
    safety,
    policy: () => policy.current,
    topology: () => components.current,
    countNodes,
  });
  const rolloutDriver = new RolloutDriver({
    database,
    system,
    logger,
    live,
    desk: rolloutDesk,
    commands: desk,
    query: (expr, at) => allSeries.query(expr, at),
    criticalSince: (db, since) => readFiringSince(db, "critical", since),
  });
  rolloutDriver.start();
  lifecycle.started("rollouts", () => rolloutDriver.stop());

  const trafficFile = new PolicyFile<TrafficPolicy>({
    path: config.trafficFile,
    initial: NO_TRAFFIC,
    parse: ({ value, lineOf }) => parseTraffic(value, lineOf),
    clock,
    logger,
  });
  await trafficFile.load();
  lifecycle.startLoop(trafficFile.loop);
  const trafficDriver = new TrafficDriver({
    database,
    system,
    logger,
    mayLead,
    policy: () => trafficFile.current,
    adapterOf: trafficAdapters(system),
    guard: guardOf(ground.breakers),
  });
  lifecycle.startLoop(trafficDriver.loop);
  const trafficDesk = new TrafficDesk({
    database,
    system,
    policy: () => trafficFile.current,
    observe: (target) => trafficDriver.observe(target),
    healthOf: (target) =>
      healthOf(target, trafficFile.current, (expr, at) => allSeries.query(expr, at), clock.now()),
    ownerOf: async (cluster) =>
      (await readClusters(database)).find((one) => one.cluster === cluster && one.releasedAt === undefined)
        ?.state.primary,
    wake: () => trafficDriver.loop.wake(),
  });
  const trafficWatch = new TrafficWatch({
    clock,
    logger,
    mayLead,
    desk: trafficDesk,
    append: async (s) => void (await append(s)),
  });
  lifecycle.startLoop(trafficWatch.loop);

  const failover: FailoverLoop = new FailoverLoop({
    database,
    system,
    logger,
    mayLead,
    topology: () => components.current,
    send: failoverLine(fleet.sessions, (cluster) => failover.policyOf(cluster)),
    pool: poolerLine(fleet.sessions),
    route: (cluster, epoch, to) => trafficDriver.followCluster(cluster, epoch, to),
    append: async (samples) => {
      await append(samples);
    },
  });
  failover.loop.start();
  lifecycle.started("failover", () => failover.stop());
  const shownToPatroni = await openPatroniCredentials(ground);
  const adopting = { database, system, guard: guardOf(ground.breakers), credentialsOf: shownToPatroni };
  const adopted = new PatroniLoop({
    ...adopting,
    logger,
    mayLead,
    append: async (samples) => {
      await append(samples);
    },
  });
  adopted.loop.start();
  lifecycle.started("adopted clusters", () => adopted.stop());
  const adoption = new Adoption({ ...adopting, wake: () => adopted.wake() });
  const wake = (): void => {
    failover.wake();
    adopted.wake();
  };
  const failoverDesk = new FailoverDesk({ database, system, wake });
  const regions = createRegions({
    database,
    system,
    logger,
    path: config.regionsFile,
    mayLead,
    stillLeads: (tx) => leadership.stillLeads(tx),
    topology: () => components.current,
    commands: desk,
    failover: failoverDesk,
    http,
    traffic: trafficPort(trafficDriver, () => trafficFile.current),
    sessions: fleet.sessions,
  });
  const drills = openDrills({
    ground,
    topology: () => components.current,
    policy: () => policy.current,
    safety,
    commands: desk,
    failover: failoverDesk,
    mayLead,
    query: (expr, at) => allSeries.query(expr, at),
    append: async (samples) => {
      await append(samples);
    },
  });
  await regions.start();
  lifecycle.started("regions", () => regions.stop());

  return {
    access,
    fleet,
    leadership,
    failover,
    series,
    allSeries,
    catchUp,
    desk,
    dispatcher,
    evaluator,
    alertReads: alertReads(database, evaluator, evaluatedBy(ground)),
    notification: notification.door,
    apis: {
      access: access.api,
      mcp: access.mcpApi,
      requestStates: access.requestStatesApi,
      fleet: fleet.api,
      metrics: metricsApi({ series: allSeries, clock }),
      journal: journalApi(database),
      remediation: remediationApi({ database, clock, effects: () => remediation.current.effects }),
      rollouts: rolloutsApi({
        database,
        clock,
        live,
        desk: rolloutDesk,
        nodes: () => readPlacedNodes(database),
      }),
      safety: safetyApi({ database, clock, safety, policy: () => safetyPolicy.current }),
      topology: topologyApi({ topology: () => components.current, fleet: () => readPlacedNodes(database) }),
      recovery: recoveryApi({
        database,
        clock,
        topology: () => components.current,
        desk: failoverDesk,
        adoption,
        restorable: (now) => drills.repositories.newest(now),
      }),
      drills: drillsApi({ database, desk: drills.desk }),
      backups: backupsApi({
        database,
        clock,
        topology: () => components.current,
        repositories: drills.repositories,
      }),
      traffic: trafficApi({ database, desk: trafficDesk }),
      region: regions.api,
      runbooks: runbooks.api,
      commands: commandsApi({ database, desk, live, clock }),
      outputs: outputsApi(database),
      routes: notification.routesApi,
      alerts: alertsApi({
        database,
        clock,
        evaluator,
        ruleFiles,
        storedRules,
        queryRange: (expr, from, to, stepMs) => allSeries.queryRange(expr, from, to, stepMs),
        replay: {
          database,
          surroundings,
          nodes: () => readNodeNames(database),
          queryRange: (expr, from, to, stepMs, signal) =>
            allSeries.queryRange(expr, from, to, stepMs, { signal, timeoutMs: REPLAY_QUERY_MS }),
        },
        commandsOf: async (alertId) =>
          (await readCommands(database, { alertId, limit: COMMANDS_OF_ALERT_MAX })).map(({ id }) => id),
        accountOf: (labels) => notification.door.accountOf(labels),
      }),
    },
    reload: async () => [...(await ruleFiles.reload()), ...(await notification.door.reload())],
    loops: () => [
      access.serverCertificates.loop.status,
      access.mcpSwitch.loop.status,
      ...(access.orderKeyLoop === undefined ? [] : [access.orderKeyLoop.status]),
      leadership.loop.status,
      fleet.liveness.loop.status,
      components.loop.status,
      policy.loop.status,
      safetyPolicy.loop.status,
      safetyWatch.loop.status,
      rolloutDriver.loop.status,
      storedRules.loop.status,
      dispatcher.loop.status,
      remediation.loop.status,
      remediator.loop.status,
      failover.loop.status,
      adopted.loop.status,
      ...regions.loops(),
      drills.driver.loop.status,
      trafficFile.loop.status,
      trafficDriver.loop.status,
      trafficWatch.loop.status,
      ...runbooks.loops(),
      ...evaluator.loops(),
      ...notification.loops(),
    ],
  };
}

/** How to show oneself to the Patroni of a cluster, as its file says now. */
async function openPatroniCredentials({
  config,
  system,
  logger,
  lifecycle,
}: Ground): Promise<(cluster: string) => PatroniCredentials | undefined> {
  const path = config.patroniCredentialsFile;
  if (path === undefined) return () => undefined;
  const file = new PolicyFile<PatroniCredentialsFile>({
    path,
    initial: {},
    parse: ({ value, lineOf }) => parsePatroniCredentials(value, lineOf),
    clock: system.clock,
    logger,
  });
  await file.load();
  lifecycle.startLoop(file.loop);
  return (cluster) => file.current[cluster];
}

/** Whether nobody would be told of what a rule no longer gives, or not be told what inhibits it. */
function rulesJudged(evaluator: Evaluator, leadership: Leadership): { judged: boolean; because: string } {
  if (!leadership.leads) return { judged: true, because: "another replica judges the rules" };
  const waiting = evaluator.groups
    .flatMap(({ rules }) => rules)
    .find((rule) => evaluator.statusOf(rule).lastEvaluation === undefined);
  return waiting === undefined
    ? { judged: true, because: "every rule has been judged since the start" }
    : {
        judged: false,
        because: `rule ${waiting.name} has not been judged since the start: ${evaluator.because}`,
      };
}

async function findTarget({ database }: Ground, idOrName: string): Promise<TargetNode | undefined> {
  const node = await findNode(database, idOrName);
  return node && toTarget(node);
}

const toTarget = (node: Node): TargetNode => ({
  id: node.nodeId,
  name: node.name,
  labels: node.labels,
  actions: node.actions,
  revoked: node.revokedAt !== undefined,
});
