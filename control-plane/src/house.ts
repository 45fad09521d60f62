/** The whole control plane: ground, rooms, doors; opened in this order and closed in the other. */
import { readFile } from "node:fs/promises";
import type { LocalTokens } from "./access/access.module.js";
import { refusedBySwitch } from "./access/domain/judge-switch.js";
import { permit } from "./access/domain/permit.js";
import { appModule } from "./app.module.js";
import { fromWireEvent } from "./commands/commands.module.js";
import { Admission } from "./edge/agent-link/admission.js";
import { AgentLink } from "./edge/agent-link.js";
import { alertmanagerEndpoints } from "./edge/alertmanager/alertmanager-api.js";
import { ALERTMANAGER_ERRORS } from "./edge/alertmanager-api.controller.js";
import { breakersApi } from "./edge/breakers/breakers.api.js";
import { type Doors, openDoors } from "./edge/doors.js";
import { Gate } from "./edge/gate.js";
import { GrpcDoor } from "./edge/grpc/grpc-door.js";
import { FailoverCheck } from "./edge/health/check-failover.js";
import { HealthChecks } from "./edge/health/check-health.js";
import { EventLoopLag } from "./edge/health/event-loop.js";
import { healthApi } from "./edge/health/health.api.js";
import { Serving } from "./edge/health/serving.js";
import { ReadinessWatch } from "./edge/health/watch-readiness.js";
import { HttpDoor } from "./edge/http-door.js";
import { OperatorApi } from "./edge/operator-api.js";
import { describeServices, operatorServices } from "./edge/operator-services.js";
import { prometheusDoor } from "./edge/prometheus/prometheus-api.js";
import { PROMETHEUS_ERRORS } from "./edge/prometheus-api.controller.js";
import { createRequestMeter } from "./edge/request-meter.js";
import { type Ground, layGround } from "./ground.js";
import { dependencies, failoverPorts, healthChecks, overviewReads } from "./health-checks.js";
import { admissionMetrics, houseMetrics } from "./house-metrics.js";
import { SECOND } from "./kernel/time.js";
import { Lifecycle } from "./lifecycle.js";
import type { Config } from "./platform/config.js";
import type { Logger } from "./platform/logger.js";
import type { System } from "./platform/system.js";
import { hearFailover } from "./recovery/recovery.module.js";
import { openRooms, type Rooms } from "./rooms.js";
import { RETENTION_DEFAULT } from "./timeseries/timeseries.module.js";
import { isLoopback, openIdentities } from "./tls.js";

/** Calls under way may end, and agents are told where to go, before they are cut. */
const DOORS_WITHIN = 4 * SECOND;
const REPLAY_WITHIN = 20 * SECOND;
const DRAIN_WITHIN = 3 * SECOND;

const PACKAGE = new URL("../package.json", import.meta.url);

export interface House {
  readonly restPort: number;
  readonly grpcPort: number;
  readonly agentPort: number;
  readonly localTokens: LocalTokens;
  readonly caFile: string;
  /** Closes the doors, sends the agents elsewhere, and takes everything down; never rejects. */
  stop(): Promise<void>;
}

/** Throws OpsError with one sentence for whoever started it; what was opened is closed again. */
export async function openHouse(config: Config, system: System, logger: Logger): Promise<House> {
  const lifecycle = new Lifecycle(system.clock, logger);
  try {
    const version = await readVersion();
    const ground = await layGround(config, system, logger, lifecycle);
    const rooms = await openRooms(ground);
    const doors = await hangDoors(ground, rooms, version);
    return {
      restPort: doors.restPort,
      grpcPort: doors.grpcPort,
      agentPort: doors.agentPort,
      localTokens: rooms.access.localTokens,
      caFile: rooms.access.caFile,
      stop: () => lifecycle.stop(),
    };
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

async function readVersion(): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(PACKAGE, "utf8"));
  const known = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return known && typeof manifest.version === "string" ? manifest.version : "unknown";
}

/** The doors, last: nobody is let in before everything behind them stands. */
async function hangDoors(ground: Ground, rooms: Rooms, version: string): Promise<Doors> {
  const { config, system, logger, metrics, lifecycle } = ground;
  const { clock } = system;
  const startedAt = clock.monotonic();
  const { authenticator, serverCertificates } = rooms.access;
  const gate = new Gate({
    authenticate: (token) => authenticator.authenticate(token),
    permit,
    refuses: (actor, method) => refusedBySwitch(rooms.access.mcpSwitch.current, actor, method),
  });
  const meter = createRequestMeter(metrics, clock);

  const eventLoop = new EventLoopLag(clock);
  eventLoop.start();
  lifecycle.started("event loop", () => eventLoop.stop());
  const serving = new Serving();
  const readiness = new ReadinessWatch({ dependencies: dependencies(ground), system, logger, serving });
  readiness.start();
  lifecycle.started("readiness", () => readiness.stop());
  const checks = new HealthChecks(
    healthChecks(ground, rooms, eventLoop, () => meter.active),
    clock,
  );
  houseMetrics(ground, rooms, eventLoop);

  const health = healthApi(checks, overviewReads(ground, rooms), clock);
  const breakers = breakersApi({ breakers: ground.breakers, database: ground.database, clock });
  const services = operatorServices({ ...rooms.apis, health, breakers });
  const api = new OperatorApi(services, { gate, system, logger });
  const httpDoor = new HttpDoor({
    gate,
    meter,
    system,
    logger,
    shapes: [PROMETHEUS_ERRORS, ALERTMANAGER_ERRORS],
  });
  const grpcDoor = new GrpcDoor({ gate, meter, system, logger, api });
  const admission = new Admission(clock);
  rooms.fleet.liveness.excuse(() => admission.crowdedAt);
  admissionMetrics(metrics, admission);
  const agents = openAgentLink(ground, rooms, admission);
  const root = appModule(ground, {
    api,
    httpDoor,
    grpcDoor,
    agents,
    serving,
    document: describeServices(services, version),
    prometheus: prometheusDoor({
      series: rooms.allSeries,
      alerting: rooms.alertReads,
      clock,
      version,
      startedAt: clock.now(),
      ruleFiles: config.ruleFiles,
      retention: RETENTION_DEFAULT,
      externalLabels: config.externalLabels,
    }),
    alertmanager: alertmanagerEndpoints({
      notification: rooms.notification,
      clock,
      version,
      name: rooms.fleet.replicaId,
    }),
    reload: rooms.reload,
    probes: {
      ...{ version, clock, startedAt, eventLoop, readiness, checks, metrics },
      failover: new FailoverCheck(failoverPorts(ground, rooms, eventLoop, serving)),
    },
  });

  // Before anyone is let in, so that older samples come before newer ones; a leader that is away is not waited for.
  await Promise.race([rooms.series.replayKept(), clock.sleep(REPLAY_WITHIN)]);

  const tls = await openIdentities(config, rooms.access);
  const doors = await openDoors({
    root,
    system,
    logger,
    httpDoor,
    grpcDoor,
    services,
    rest: { ...config.rest, tls: isLoopback(config.rest) ? undefined : tls.operator },
    grpc: { ...config.grpc, tls: isLoopback(config.grpc) ? undefined : tls.operator },
    agents: { ...config.agents, tls: tls.agents(), admission },
  });
  lifecycle.started("doors", () => doors.close(), DOORS_WITHIN);
  lifecycle.started("agents' streams", () => agents.drain(), DRAIN_WITHIN);
  lifecycle.started("operators' streams", () => grpcDoor.close());
  const forget = serverCertificates.onRenewed(() => {
    // A certificate that was configured is not ours to renew.
    doors.renew({ agents: tls.agents(), operator: config.tls === undefined ? tls.house() : undefined });
  });
  lifecycle.started("certificate renewal", forget);
  // From here on other replicas may send people's questions here.
  await announceDoors(ground, rooms, doors);
  serving.set(true);
  lifecycle.started("serving", () => serving.set(false));
  return doors;
}

async function announceDoors({ config }: Ground, { leadership }: Rooms, doors: Doors): Promise<void> {
  const host = config.advertise.includes(":") ? `[${config.advertise}]` : config.advertise;
  const scheme = isLoopback(config.rest) ? "http" : "https";
  await leadership.announce({
    restUrl: `${scheme}://${host}:${doors.restPort}`,
    agents: `${host}:${doors.agentPort}`,
  });
}

function openAgentLink(
  ground: Ground,
  { access, fleet, leadership, failover, series, catchUp, desk, dispatcher }: Rooms,
  admission: Admission,
): AgentLink {
  const { database, system, logger } = ground;
  return new AgentLink({
    database,
    system,
    logger,
    sessions: fleet.sessions,
    replicaId: fleet.replicaId,
    certifier: access.authority,
    orderKeys: () => access.orderSigner.publicKeys(),
    admit: () => leadership.assertLeads(),
    welcomed: (peer) => admission.welcomed(peer),
    hearFailover: (node, message) => hearFailover(failover, node, message),
    telemetry: {
      openSession: (node) => catchUp.openSession(node),
      onDurable: (heard) => series.onDurable(heard),
    },
    commandEvents: {
      take: async (node, wires) => {
        const now = system.clock.now();
        // What says nothing we know is acknowledged: the agent must not keep it for ever.
        const events = wires.flatMap((wire) => fromWireEvent(wire, now) ?? []);
        await desk.take(node, ...events);
      },
      tell: (node, wire) => {
        const event = wire.event.case === "output" ? fromWireEvent(wire, system.clock.now()) : undefined;
        if (event !== undefined) desk.liveOutput.tell(node, event);
      },
      // The dispatcher looks at every open command of a node that connects, whatever the agent says of them.
      connected: async () => dispatcher.loop.wake(),
    },
  });
}
