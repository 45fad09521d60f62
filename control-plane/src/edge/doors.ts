/**
 * Opens and closes the doors: the HTTP server and the two gRPC ports, as one Nest application.
 */
import { ServerCredentials, setLogger } from "@grpc/grpc-js";
import { Health } from "@mainstay/proto/gen/grpc/health/v1/health_pb";
import { AgentService } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { DynamicModule, INestApplication, LoggerService, Type } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { SECOND } from "../kernel/time.js";
import type { ListenAddress } from "../platform/config.js";
import type { Logger } from "../platform/logger.js";
import type { System } from "../platform/system.js";
import type { Admission } from "./agent-link/admission.js";
import type { GrpcDoor } from "./grpc/grpc-door.js";
import { reflectionGuard } from "./grpc/reflection-guard.js";
import { GrpcPort, portError, RenewableCredentials, secureContext, type TlsIdentity } from "./grpc-server.js";
import type { HttpDoor } from "./http-door.js";
import { HttpErrorsFilter } from "./http-errors.filter.js";
import type { OperatorService } from "./operator-api.js";

const BODY_BYTES_MAX = 1_048_576;
/** Samples that other servers write come in messages larger than what operators ask. */
const SAMPLES_BYTES_MAX = 16 * 1_048_576;
/** Requests of operators and tools are small; an agent's frame of 20,000 doubles is 160 kB, with room for a backlog. */
const OPERATOR_MESSAGE_BYTES_MAX = 1_048_576;
const AGENT_MESSAGE_BYTES_MAX = 4_194_304;
const OPERATOR_STREAMS_MAX = 1_000;
/** Operators, scrapers and dashboards; agents have their own port. */
const CONNECTIONS_MAX = 2_000;
const REQUEST_WITHIN = 60 * SECOND;

export interface DoorsOptions {
  readonly root: Type<unknown> | DynamicModule;
  readonly logger: Logger;
  readonly system: System;
  readonly httpDoor: HttpDoor;
  readonly grpcDoor: GrpcDoor;
  readonly services: readonly OperatorService[];
  /** Without an identity it speaks in the clear: for loopback only. */
  readonly rest: ListenAddress & { readonly tls: TlsIdentity | undefined };
  /** The same for gRPC. */
  readonly grpc: ListenAddress & { readonly tls: TlsIdentity | undefined };
  /** Agents are let in by their certificates alone, so many at a time. */
  readonly agents: ListenAddress & { readonly tls: Required<TlsIdentity>; readonly admission: Admission };
}

export interface Doors {
  readonly restPort: number;
  readonly grpcPort: number;
  readonly agentPort: number;
  /** The certificates that connections are shown from now on; those that are open stay. Doors in the clear stay so. */
  renew(certificates: { readonly agents: TlsIdentity; readonly operator: TlsIdentity | undefined }): void;
  close(): Promise<void>;
}

/** Throws FAILED_PRECONDITION with one clear sentence when a port cannot be had; nothing is left open then. */
export async function openDoors(options: DoorsOptions): Promise<Doors> {
  const { rest, grpc, agents } = options;
  quietGrpc(options.logger);
  const adapter = createAdapter(options);
  const app = await NestFactory.create(options.root, adapter, {
    logger: nestLogger(options.logger),
    abortOnError: false,
  });
  app.useGlobalFilters(new HttpErrorsFilter(options.httpDoor));
  const operatorCredentials = grpc.tls && new RenewableCredentials(grpc.tls);
  const agentCredentials = new RenewableCredentials(agents.tls);
  const { grpcDoor, system } = options;
  const guard = reflectionGuard(
    (metadata) => grpcDoor.enter(metadata),
    () => system.draws.hex(16),
  );
  const operatorPort = new GrpcPort({
    name: "operator gRPC",
    host: grpc.host,
    port: grpc.port,
    credentials: operatorCredentials ?? ServerCredentials.createInsecure(),
    interceptors: [guard],
    offers: [
      ...options.services.map(({ service }) => ({ service })),
      { service: AgentService, methods: ["Enroll"] },
      { service: Health },
    ],
    reflection: true,
    concurrentStreamsMax: OPERATOR_STREAMS_MAX,
    messageBytesMax: OPERATOR_MESSAGE_BYTES_MAX,
  });
  const agentPort = new GrpcPort({
    name: "agents' gRPC",
    host: agents.host,
    port: agents.port,
    credentials: agentCredentials,
    admission: agents.admission,
    offers: [{ service: AgentService, methods: ["Connect"] }],
    reflection: false,
    messageBytesMax: AGENT_MESSAGE_BYTES_MAX,
  });
  app.connectMicroservice({ strategy: operatorPort });
  app.connectMicroservice({ strategy: agentPort });
  try {
    await app.init();
    await app.startAllMicroservices();
    await listen(app, rest);
  } catch (error) {
    await close(app, operatorPort, agentPort);
    throw error;
  }
  const address: unknown = app.getHttpServer().address();
  const instance = adapter.getInstance();
  return {
    restPort: hasPort(address) ? address.port : rest.port,
    grpcPort: operatorPort.port,
    agentPort: agentPort.port,
    renew: (certificates) => {
      agentCredentials.renew(certificates.agents);
      const { operator } = certificates;
      if (operator === undefined) return;
      operatorCredentials?.renew(operator);
      const { server } = instance;
      if ("setSecureContext" in server && typeof server.setSecureContext === "function") {
        Reflect.apply(server.setSecureContext, server, [secureContext(operator)]);
      }
    },
    close: () => close(app, operatorPort, agentPort),
  };
}

async function close(app: INestApplication, ...ports: readonly GrpcPort[]): Promise<void> {
  await Promise.all(ports.map((port) => port.close()));
  await app.close();
}

function createAdapter({ httpDoor, rest }: DoorsOptions): FastifyAdapter {
  const common = {
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_WITHIN,
    // Idle keep-alive connections of pollers must not hold up the end.
    forceCloseConnections: true,
    return503OnClosing: true,
  };
  const adapter =
    rest.tls === undefined
      ? new FastifyAdapter(common)
      : new FastifyAdapter({ ...common, https: secureContext(rest.tls) });
  const instance = adapter.getInstance();
  instance.server.maxConnections = CONNECTIONS_MAX;
  instance.addContentTypeParser(
    /^application\/x-protobuf/,
    { parseAs: "buffer", bodyLimit: SAMPLES_BYTES_MAX },
    (_request, body, done) => done(null, body),
  );
  instance.addHook("onRequest", async (request, reply) => {
    reply.header("x-content-type-options", "nosniff").header("cache-control", "no-store");
    if (!(await httpDoor.enter(request, reply))) return reply;
    return undefined;
  });
  instance.addHook("onResponse", async (request, reply) => {
    httpDoor.left(request, reply.statusCode, request.routeOptions.url);
  });
  return adapter;
}

async function listen(app: INestApplication, { host, port }: ListenAddress): Promise<void> {
  try {
    await app.listen(port, host);
  } catch (error) {
    throw error instanceof Error ? portError("REST", host, port, error) : error;
  }
}

/** What grpc-js would print: its errors come to us as errors too. */
function quietGrpc(logger: Logger): void {
  const say = (...parts: readonly unknown[]): void =>
    logger.debug("grpc-js", { said: parts.map(String).join(" ") });
  setLogger({ error: say, info: say, debug: say });
}

const hasPort = (address: unknown): address is { readonly port: number } =>
  typeof address === "object" && address !== null && "port" in address && typeof address.port === "number";

/** Nest's own lines are of interest only when something is wrong. */
function nestLogger(logger: Logger): LoggerService {
  const said = (message: unknown): string => (message instanceof Error ? message.message : String(message));
  const part = (rest: readonly unknown[]) => ({ nest: String(rest.at(-1) ?? "") });
  return {
    log: (message, ...rest) => logger.debug(said(message), part(rest)),
    debug: (message, ...rest) => logger.debug(said(message), part(rest)),
    verbose: (message, ...rest) => logger.debug(said(message), part(rest)),
    warn: (message, ...rest) => logger.warn(said(message), part(rest)),
    error: (message, ...rest) => logger.error(said(message), part(rest)),
  };
}
