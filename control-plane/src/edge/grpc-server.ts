/**
 * The gRPC ports: Nest's transport, with what it lacks. It learns the port that was bound, puts an interceptor before
 * everything, takes credentials that can be renewed, and ends within a bound.
 */
import { createServer, type Server as NetServer } from "node:net";
import { Server, ServerCredentials, type ServerInterceptor } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { ServerGrpc } from "@nestjs/microservices";
import { OpsError } from "../kernel/errors.js";
import { type Duration, SECOND } from "../kernel/time.js";
import type { Admission } from "./agent-link/admission.js";
import { type Offer, packageDefinition, packagesOf, reflectionRoot } from "./grpc/package-definition.js";

/** How long calls under way may take to end when the port closes; then they are cut. */
const CLOSE_WITHIN: Duration = 3 * SECOND;

/** Silence after which a peer is asked whether it lives, and how long it may take to say so. */
const KEEPALIVE_AFTER: Duration = 60 * SECOND;
const KEEPALIVE_WITHIN: Duration = 20 * SECOND;

/** Connections that the kernel holds until they are taken; it has a bound of its own, `net.core.somaxconn`. */
const BACKLOG = 8_192;

export interface GrpcPortOptions {
  /** What it is for, in messages: "operator gRPC". */
  readonly name: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly offers: readonly Offer[];
  readonly credentials: ServerCredentials;
  /** Says which connection begins its handshake when. @default each at once */
  readonly admission?: Admission;
  readonly interceptors?: readonly ServerInterceptor[];
  /** Whether clients may ask what is offered. */
  readonly reflection: boolean;
  readonly concurrentStreamsMax?: number;
  readonly messageBytesMax: number;
}

export class GrpcPort extends ServerGrpc {
  readonly #options: GrpcPortOptions;
  #boundPort = 0;
  #server: Server | undefined;
  #listener: NetServer | undefined;

  constructor(options: GrpcPortOptions) {
    super({ package: packagesOf(options.offers), packageDefinition: packageDefinition(options.offers) });
    this.#options = options;
  }

  /** The port in use, once it listens. */
  get port(): number {
    return this.#boundPort;
  }

  /** Throws OpsError: FAILED_PRECONDITION when the port is taken or the address is not ours. */
  override async createClient(): Promise<Server> {
    const { name, host, port, offers, credentials, interceptors = [], reflection } = this.#options;
    const server = new Server({
      "grpc.keepalive_time_ms": KEEPALIVE_AFTER,
      "grpc.keepalive_timeout_ms": KEEPALIVE_WITHIN,
      "grpc.max_receive_message_length": this.#options.messageBytesMax,
      ...(this.#options.concurrentStreamsMax === undefined
        ? {}
        : { "grpc.max_concurrent_streams": this.#options.concurrentStreamsMax }),
      interceptors: [...interceptors],
    });
    if (reflection) {
      const services = offers.map(({ service }) => service.typeName);
      new ReflectionService(reflectionRoot(offers), { services }).addToServer(server);
    }
    const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    const { admission } = this.#options;
    if (admission !== undefined) {
      this.#boundPort = await this.#admitTo(server, admission);
      this.#server = server;
      return server;
    }
    this.#boundPort = await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else reject(portError(name, host, port, error));
      });
    });
    this.#server = server;
    return server;
  }

  /** Listens itself, and hands the server what is admitted. Resolves with the port. */
  #admitTo(server: Server, admission: Admission): Promise<number> {
    const { name, host, port, credentials } = this.#options;
    const injector = server.createConnectionInjector(credentials);
    const listener = createServer({ noDelay: true }, (socket) =>
      admission.take(socket, (admitted) => injector.injectConnection(admitted)),
    );
    this.#listener = listener;
    return new Promise<number>((resolve, reject) => {
      listener.once("error", (error) => reject(portError(name, host, port, error)));
      listener.listen({ host, port, backlog: BACKLOG }, () => {
        const address = listener.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  /** Takes no new calls; those under way may end, until they are cut. Streams should have been told before. */
  override async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#listener?.close();
    this.#options.admission?.close();
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => {
        server.forceShutdown();
        resolve();
      }, CLOSE_WITHIN);
      server.tryShutdown(() => {
        clearTimeout(cut);
        resolve();
      });
    });
  }
}

/** A sentence for the one who starts the program. */
export function portError(name: string, host: string, port: number, cause: Error): OpsError {
  const text = `${cause.message} ${"code" in cause ? String(cause.code) : ""}`;
  if (text.includes("EADDRINUSE")) {
    const message = `${name}: port ${port} on ${host} is taken; stop what listens there or choose another port`;
    return new OpsError("FAILED_PRECONDITION", message, { port });
  }
  if (text.includes("EACCES")) {
    return new OpsError("FAILED_PRECONDITION", `${name}: port ${port} needs rights this user lacks`, {
      port,
    });
  }
  return new OpsError(
    "FAILED_PRECONDITION",
    `${name}: cannot listen on ${host} port ${port}`,
    { port },
    { cause },
  );
}

/** A certificate with its key, and the authorities whose client certificates are taken; all PEM. */
export interface TlsIdentity {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly clientCaPem?: string;
}

/** TLS whose certificate can be changed while it listens: connections made from then on get the new one. */
export class RenewableCredentials extends ServerCredentials {
  constructor(identity: TlsIdentity) {
    const mutual = identity.clientCaPem !== undefined;
    super(
      { requestCert: mutual, rejectUnauthorized: mutual, minVersion: "TLSv1.2" },
      secureContext(identity),
    );
  }

  renew(identity: TlsIdentity): void {
    this.updateSecureContextOptions(secureContext(identity));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

/** The identity as Node's TLS takes it. */
export function secureContext({ certificatePem, keyPem, clientCaPem }: TlsIdentity): {
  cert: string;
  key: string;
  ca?: string;
} {
  return { cert: certificatePem, key: keyPem, ...(clientCaPem === undefined ? {} : { ca: clientCaPem }) };
}
