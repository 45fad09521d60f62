/** A real agents' port over mutual TLS with a real fleet behind it, and agents that a test scripts message by message. */
import { generateKeyPairSync, webcrypto } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  Server,
  type ServiceError,
} from "@grpc/grpc-js";
import {
  AgentService,
  type CommandEvent,
  type ConnectRequest,
  ConnectRequestSchema,
  type ConnectResponse,
  EnrollRequestSchema,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { CertificateAuthority } from "../../access/ca.js";
import { fileKeyStore } from "../../access/key-store.js";
import { OrderSigner } from "../../access/order-signer.js";
import { createFleet, type Fleet, makeJoinToken, type UpSample } from "../../fleet/fleet.module.js";
import { SYSTEM } from "../../kernel/actor.js";
import { OpsError } from "../../kernel/errors.js";
import type { NodeId } from "../../kernel/ids.js";
import { DAY, type Duration } from "../../kernel/time.js";
import { silentLogger } from "../../platform/logger.js";
import type { Database } from "../../platform/postgres/database.js";
import { type Clock, system as realSystem, type System, systemDraws } from "../../platform/system.js";
import type { DurableListener, FrameAnswer, SessionNode } from "../../timeseries/timeseries.module.js";
import { AgentLink } from "../agent-link.js";
import { RenewableCredentials } from "../grpc-server.js";

export interface TakenFrame {
  readonly node: SessionNode;
  readonly sequence: bigint;
  readonly layoutId: number;
}

/** A time-series room that remembers, and answers as the test wants. */
export class FakeTelemetry {
  readonly frames: TakenFrame[] = [];
  readonly announced: string[][] = [];
  readonly opened: SessionNode[] = [];
  closed = 0;
  resumeAfter = 0n;
  answer: FrameAnswer = "taken";
  lose: (because: string) => void = () => {};
  #durable: DurableListener = () => {};
  #ready: (() => void)[] = [];

  onDurable(heard: DurableListener): () => void {
    this.#durable = heard;
    return () => {};
  }

  durable(node: NodeId, outboxId: string, through: bigint): void {
    this.#durable(node, outboxId, through);
  }

  takeAgain(): void {
    this.answer = "taken";
    for (const wake of this.#ready.splice(0)) wake();
  }

  async openSession(node: SessionNode) {
    this.opened.push(node);
    const telemetry = this;
    return {
      resumeAfter: this.resumeAfter,
      session: {
        announce: (series: readonly { readonly labels: readonly string[] }[]) => {
          telemetry.announced.push(...series.map(({ labels }) => [...labels]));
        },
        layout: () => {},
        frame: (sequence: bigint, layoutId: number) => {
          if (telemetry.answer === "taken") telemetry.frames.push({ node, sequence, layoutId });
          return telemetry.answer;
        },
        get busy() {
          return telemetry.answer === "busy";
        },
        ready: () => new Promise<void>((resolve) => telemetry.#ready.push(resolve)),
        onLost: (heard: (because: string) => void) => {
          telemetry.lose = heard;
        },
        close: () => {
          telemetry.closed += 1;
        },
      },
    };
  }
}

/** A desk that remembers events, and fails as often as the test wants. */
export class FakeDesk {
  readonly events: { readonly from: NodeId; readonly event: CommandEvent }[] = [];
  readonly connections: { readonly nodeId: NodeId; readonly open: readonly string[] }[] = [];
  failures: OpsError[] = [];

  async take(from: NodeId, events: readonly CommandEvent[]): Promise<void> {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    this.events.push(...events.map((event) => ({ from, event })));
  }

  async connected(nodeId: NodeId, open: readonly string[]): Promise<void> {
    this.connections.push({ nodeId, open });
  }
}

export interface HouseOptions {
  readonly database: Database;
  /** Time as the control plane sees it. @default the real clock */
  readonly clock?: Clock;
  readonly clientLifetime?: Duration;
}

export interface Identity {
  readonly nodeId: NodeId;
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
}

export class AgentHouse {
  readonly telemetry = new FakeTelemetry();
  readonly desk = new FakeDesk();
  readonly ups: UpSample[] = [];
  readonly agents = new Set<ScriptedAgent>();

  private constructor(
    readonly database: Database,
    readonly system: System,
    readonly authority: CertificateAuthority,
    readonly fleet: Fleet,
    readonly link: AgentLink,
    readonly server: Server,
    readonly port: number,
    readonly directory: string,
    parts: { telemetry: FakeTelemetry; desk: FakeDesk; ups: UpSample[] },
  ) {
    this.telemetry = parts.telemetry;
    this.desk = parts.desk;
    this.ups = parts.ups;
  }

  static async open(options: HouseOptions): Promise<AgentHouse> {
    const { database } = options;
    const system: System = { clock: options.clock ?? realSystem.clock, draws: systemDraws };
    const directory = await mkdtemp(join(tmpdir(), "mainstay-house-"));
    const store = fileKeyStore(directory, systemDraws);
    const authority = await CertificateAuthority.open({
      store,
      system,
      clientLifetime: options.clientLifetime ?? DAY,
    });
    const signer = await OrderSigner.open(store);
    const ups: UpSample[] = [];
    const fleet = createFleet({
      database,
      system,
      logger: silentLogger,
      certifier: authority,
      append: (samples) => void ups.push(...samples),
    });
    const telemetry = new FakeTelemetry();
    const desk = new FakeDesk();
    const link = new AgentLink({
      database,
      system,
      logger: silentLogger,
      sessions: fleet.sessions,
      replicaId: fleet.replicaId,
      certifier: authority,
      orderKeys: () => signer.publicKeys(),
      telemetry,
      commandEvents: desk,
    });
    const certificate = await authority.issueForServer([]);
    const server = new Server();
    server.addService(toServiceDefinition(AgentService), {
      connect: (call: Parameters<AgentLink["serve"]>[0]) => void link.serve(call),
      enroll: () => {},
    });
    const tls = new RenewableCredentials({
      certificatePem: certificate.chainPem,
      keyPem: certificate.keyPem,
      clientCaPem: authority.certificatePem,
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", tls, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return new AgentHouse(database, system, authority, fleet, link, server, port, directory, {
      telemetry,
      desk,
      ups,
    });
  }

  async close(): Promise<void> {
    for (const agent of this.agents) agent.cut();
    await this.link.drain();
    this.server.forceShutdown();
    await rm(this.directory, { recursive: true, force: true });
  }

  async joinToken(nodeName = ""): Promise<string> {
    const { database, system, authority: certifier } = this;
    const made = await makeJoinToken({ database, system, certifier }, { nodeName, validFor: 0, by: SYSTEM });
    return made.text;
  }

  /** A key, a request for it, and the identity that the house gives. */
  async enroll(nodeName: string, token?: string): Promise<Identity> {
    const { csr, keyPem } = await newRequest();
    return this.enrollWith(csr, keyPem, nodeName, token ?? (await this.joinToken()));
  }

  async enrollWith(csr: Uint8Array, keyPem: string, nodeName: string, joinToken: string): Promise<Identity> {
    const wish = create(EnrollRequestSchema, { joinToken, csr, nodeName, hostname: `${nodeName}.example` });
    const given = await this.link.enroll(wish, "127.0.0.1:1");
    return {
      nodeId: given.nodeId as NodeId,
      keyPem,
      certificatePem: given.certificatePem ?? "",
      caPem: given.caPem ?? "",
    };
  }

  /** Opens a stream; nothing is said on it yet. */
  connect(identity: Identity, caPem = identity.caPem): ScriptedAgent {
    const client = new Client(
      `127.0.0.1:${this.port}`,
      credentials.createSsl(
        Buffer.from(caPem),
        Buffer.from(identity.keyPem),
        Buffer.from(identity.certificatePem),
      ),
      { "grpc.ssl_target_name_override": "control-plane.mainstay", "grpc.enable_retries": 0 },
    );
    const agent = new ScriptedAgent(client);
    this.agents.add(agent);
    return agent;
  }

  /** Opens a stream, says hello and is welcomed. */
  async welcomed(identity: Identity, outboxId = "outbox-1"): Promise<ScriptedAgent> {
    const agent = this.connect(identity);
    agent.say({
      case: "hello",
      value: { outboxId, agentVersion: "1.0.0", hostname: "h", actions: ["clean-directory"] },
    });
    await agent.hear("welcome");
    return agent;
  }
}

type Said = NonNullable<MessageInitShape<typeof ConnectRequestSchema>["body"]>;
type Heard = ConnectResponse["body"];
type Kind = NonNullable<Heard["case"]>;
type ValueOf<K extends Kind> = Extract<Heard, { case: K }>["value"];

function isValueOf<K extends Kind>(kind: K, body: Heard, value: unknown): value is ValueOf<K> {
  return body.case === kind && value !== undefined;
}

/** An agent's side of one stream. */
export class ScriptedAgent {
  readonly heard: ConnectResponse[] = [];
  /** Resolves when the stream is over, with its status. */
  readonly over: Promise<{ readonly code: number; readonly details: string }>;
  readonly #call: ClientDuplexStream<ConnectRequest, ConnectResponse>;
  readonly #client: Client;
  #wake: () => void = () => {};

  constructor(client: Client) {
    this.#client = client;
    const { connect } = toServiceDefinition(AgentService);
    this.#call = client.makeBidiStreamRequest<ConnectRequest, ConnectResponse>(
      connect.path,
      connect.requestSerialize,
      connect.responseDeserialize,
      new Metadata(),
    );
    this.#call.on("data", (message: ConnectResponse) => {
      this.heard.push(message);
      this.#wake();
    });
    this.over = new Promise((resolve) => {
      this.#call.on("error", (error: ServiceError) => resolve({ code: error.code, details: error.details }));
      this.#call.on("status", ({ code, details }) => resolve({ code, details }));
    });
  }

  /** Whether the last write was within what the stream holds. */
  say(body: Said): boolean {
    return this.#call.write(create(ConnectRequestSchema, { body }));
  }

  /** Reads nothing from here on. */
  stopReading(): void {
    this.#call.removeAllListeners("data");
    this.#call.pause();
  }

  /** The first message of that kind that was not yet asked for; waits for it. */
  async hear<K extends Kind>(kind: K, withinMs = 5_000): Promise<ValueOf<K>> {
    const until = performance.now() + withinMs;
    for (;;) {
      const found = this.heard.find(({ body }) => body.case === kind);
      const value: unknown = found?.body.value;
      if (found !== undefined && isValueOf(kind, found.body, value)) {
        this.heard.splice(this.heard.indexOf(found), 1);
        return value;
      }
      const rest = until - performance.now();
      if (rest <= 0) throw new Error(`nothing of kind ${kind} was heard within ${withinMs} ms`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, Math.min(rest, 50));
      });
    }
  }

  /** Ends the stream in good order. */
  end(): void {
    this.#call.end();
  }

  /** Drops the connection as a crash does. */
  cut(): void {
    this.#call.cancel();
    this.#client.close();
  }
}

/** A fresh P-256 key and a request signed with it. */
export async function newRequest(): Promise<{ readonly csr: Uint8Array; readonly keyPem: string }> {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const privateKey = await webcrypto.subtle.importKey(
    "pkcs8",
    pair.privateKey.export({ type: "pkcs8", format: "der" }),
    algorithm,
    true,
    ["sign"],
  );
  const publicKey = await webcrypto.subtle.importKey(
    "spki",
    pair.publicKey.export({ type: "spki", format: "der" }),
    algorithm,
    true,
    ["verify"],
  );
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=an agent",
    keys: { privateKey, publicKey },
    signingAlgorithm: algorithm,
  });
  return {
    csr: new Uint8Array(csr.rawData),
    keyPem: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** Waits until `holds`; fails after `withinMs`. */
export async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 5_000): Promise<void> {
  const until = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > until) throw new OpsError("DEADLINE_EXCEEDED", `not so within ${withinMs} ms`);
    await realSystem.clock.sleep(10);
  }
}
