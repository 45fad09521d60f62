/** A control plane for tests: the real contract over real mTLS, with a memory in place of a database. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from "@grpc/grpc-js";
import {
  AgentService,
  type CommandEvent,
  type ConnectRequest,
  type ConnectResponse,
  ConnectResponseSchema,
  type EnrollRequest,
  type EnrollResponse,
  EnrollResponseSchema,
  type Frame,
  type Hello,
  type Inventory,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { FakeAuthority, type TestOrder } from "./fake-authority.js";

type Call = ServerDuplexStream<ConnectRequest, ConnectResponse>;

/** A frame as it came, with the names of its series. */
export interface ReceivedFrame {
  readonly stream: number;
  readonly outboxId: string;
  readonly sequence: bigint;
  readonly timestampMs: number;
  /** The values by `name{label="value"}`. */
  readonly values: ReadonlyMap<string, number>;
}

export interface FakeOptions {
  /** Whether Enroll is served over TLS. Default true. */
  readonly enrollOverTls?: boolean;
  /** How long certificates hold from now. Default an hour. */
  readonly certificateMs?: number;
  readonly heartbeatMs?: number;
}

export class FakeControlPlane {
  readonly authority: FakeAuthority;
  readonly #options: FakeOptions;
  readonly #servers: Server[] = [];
  readonly hellos: Hello[] = [];
  readonly frames: ReceivedFrame[] = [];
  readonly events: CommandEvent[] = [];
  readonly inventories: Inventory[] = [];
  readonly enrolments: EnrollRequest[] = [];
  readonly usedTokens = new Set<string>();
  readonly peerSerials: string[] = [];
  heartbeats = 0;
  renewals = 0;
  readonly nodeId = "node-1";
  agentsPort = 0;
  enrollPort = 0;
  /** Whether frames and events are acknowledged as they come. */
  acknowledges = true;
  acknowledgesEvents = true;
  /** Where each outbox is to go on. */
  readonly resumeAfter = new Map<string, bigint>();
  #stream: { readonly call: Call; readonly number: number } | undefined;
  #streams = 0;
  #generation = 0n;

  private constructor(authority: FakeAuthority, options: FakeOptions) {
    this.authority = authority;
    this.#options = options;
  }

  static async start(options: FakeOptions = {}): Promise<FakeControlPlane> {
    const fake = new FakeControlPlane(await FakeAuthority.make(), options);
    const { keyPem, chainPem } = await fake.authority.serverPair();
    const pair = { private_key: Buffer.from(keyPem), cert_chain: Buffer.from(chainPem) };
    const ca = Buffer.from(fake.authority.pem);
    fake.agentsPort = await fake.#listen(ServerCredentials.createSsl(ca, [pair], true), 0);
    fake.enrollPort = await fake.#listen(
      options.enrollOverTls === false
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [pair], false),
      0,
    );
    return fake;
  }

  get isConnected(): boolean {
    return this.#stream !== undefined;
  }

  get streams(): number {
    return this.#streams;
  }

  /** Sends one message down the open stream. */
  send(body: ConnectResponse["body"]): void {
    if (this.#stream === undefined) throw new Error("no agent is connected");
    this.#stream.call.write(create(ConnectResponseSchema, { body }));
  }

  order(order: Omit<TestOrder, "nodeId"> & { readonly nodeId?: string }): void {
    this.send({ case: "order", value: this.authority.signedOrder({ nodeId: this.nodeId, ...order }) });
  }

  /** Cuts the stream as a crash would. */
  cut(): void {
    const { call } = this.#stream ?? {};
    this.#stream = undefined;
    call?.emit("error", Object.assign(new Error("cut"), { code: status.UNAVAILABLE, details: "cut" }));
  }

  /** Stops listening at all; `again` listens on the same port. */
  stopAgents(): void {
    this.#servers[0]?.forceShutdown();
    this.#stream = undefined;
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) server.forceShutdown();
  }

  eventsOf(commandId: string): CommandEvent[] {
    return this.events.filter((event) => event.commandId === commandId);
  }

  #listen(credentials: ServerCredentials, port: number): Promise<number> {
    const server = new Server({ "grpc.keepalive_time_ms": 10_000 });
    server.addService(toServiceDefinition(AgentService), {
      enroll: this.#onEnroll,
      connect: this.#connect,
    });
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
  }

  async #enroll(request: EnrollRequest): Promise<EnrollResponse> {
    if (request.joinToken !== this.authority.joinToken() || this.usedTokens.has(request.joinToken)) {
      throw new Error("the join token is unknown or used");
    }
    this.enrolments.push(request);
    this.usedTokens.add(request.joinToken);
    const issued = await this.#issue(request.csr);
    return create(EnrollResponseSchema, {
      nodeId: this.nodeId,
      certificatePem: issued.pem,
      caPem: this.authority.pem,
      orderKeys: [this.authority.orderKey],
      expiresAt: timestampFromMs(issued.toMs),
    });
  }

  async #issue(csr: Uint8Array): Promise<{ readonly pem: string; readonly toMs: number }> {
    // Dated back, as a real authority does.
    const fromMs = Date.now() - 60_000;
    const toMs = Date.now() + (this.#options.certificateMs ?? 3_600_000);
    return { pem: await this.authority.issue(csr, this.nodeId, { fromMs, toMs }), toMs };
  }

  readonly #onEnroll: handleUnaryCall<EnrollRequest, EnrollResponse> = (call, callback) => {
    this.#enroll(call.request).then(
      (answer) => callback(null, answer),
      (error: unknown) => callback({ code: status.UNAUTHENTICATED, details: String(error) }),
    );
  };

  readonly #connect: handleBidiStreamingCall<ConnectRequest, ConnectResponse> = (call) => {
    const number = ++this.#streams;
    const state = new StreamState(number);
    this.#stream = { call, number };
    const peer = call.getAuthContext().sslPeerCertificate;
    this.peerSerials.push(peer?.serialNumber ?? "");
    call.on("data", (message: ConnectRequest) => this.#receive(call, state, message));
    const over = (): void => {
      if (this.#stream?.number === number) this.#stream = undefined;
    };
    call.on("end", () => {
      over();
      call.end();
    });
    call.on("cancelled", over);
    call.on("error", over);
  };

  #receive(call: Call, state: StreamState, { body }: ConnectRequest): void {
    const send = (answer: ConnectResponse["body"]): void => {
      call.write(create(ConnectResponseSchema, { body: answer }));
    };
    switch (body.case) {
      case "hello": {
        this.hellos.push(body.value);
        state.outboxId = body.value.outboxId;
        send({
          case: "welcome",
          value: {
            $typeName: "mainstay.agent.v1.Welcome",
            nodeId: this.nodeId,
            sessionGeneration: ++this.#generation,
            serverTime: timestampFromMs(Date.now()),
            heartbeatMs: this.#options.heartbeatMs ?? 5000,
            resumeAfterSequence: this.resumeAfter.get(body.value.outboxId) ?? 0n,
            orderKeys: [{ $typeName: "mainstay.agent.v1.OrderKey", ...this.authority.orderKey }],
          },
        });
        return;
      }
      case "series":
        for (const { ref, labels } of body.value.series) state.series.set(ref, nameOf(labels));
        return;
      case "layout":
        state.layouts.set(body.value.layoutId, body.value.refs);
        return;
      case "frame": {
        const frame = state.read(body.value);
        if (frame === undefined) {
          send({
            case: "resendSeries",
            value: { $typeName: "mainstay.agent.v1.ResendSeries", because: "unknown layout" },
          });
          return;
        }
        this.frames.push(frame);
        if (!this.acknowledges) return;
        this.resumeAfter.set(frame.outboxId, frame.sequence);
        send({
          case: "acknowledge",
          value: { $typeName: "mainstay.agent.v1.Acknowledge", framesThrough: frame.sequence, commands: [] },
        });
        return;
      }
      case "commandEvent": {
        this.events.push(body.value);
        if (!this.acknowledgesEvents) return;
        const { commandId, sequence: throughSequence, mode } = body.value;
        const command = {
          $typeName: "mainstay.agent.v1.CommandAcknowledge" as const,
          commandId,
          throughSequence,
          mode,
        };
        send({
          case: "acknowledge",
          value: { $typeName: "mainstay.agent.v1.Acknowledge", framesThrough: 0n, commands: [command] },
        });
        return;
      }
      case "inventory":
        this.inventories.push(body.value);
        return;
      case "heartbeat":
        this.heartbeats++;
        return;
      case "renew": {
        const { csr } = body.value;
        this.renewals++;
        this.#issue(csr)
          .then(({ pem, toMs }) =>
            send({
              case: "renewed",
              value: {
                $typeName: "mainstay.agent.v1.RenewResponse",
                certificatePem: pem,
                caPem: this.authority.pem,
                expiresAt: timestampFromMs(toMs),
              },
            }),
          )
          .catch((error: unknown) => call.destroy(error instanceof Error ? error : new Error(String(error))));
        return;
      }
      case undefined:
        return;
    }
  }
}

class StreamState {
  readonly series = new Map<number, string>();
  readonly layouts = new Map<number, readonly number[]>();
  outboxId = "";

  constructor(readonly number: number) {}

  read({ layoutId, sequence, timestampMs, values }: Frame): ReceivedFrame | undefined {
    const refs = this.layouts.get(layoutId);
    if (refs === undefined) return undefined;
    const bytes = Buffer.from(values);
    const named = new Map<string, number>();
    for (const [index, ref] of refs.entries()) {
      const name = this.series.get(ref);
      if (name === undefined) return undefined;
      named.set(name, bytes.readDoubleLE(index * 8));
    }
    return {
      stream: this.number,
      outboxId: this.outboxId,
      sequence,
      timestampMs: Number(timestampMs),
      values: named,
    };
  }
}

function nameOf(labels: readonly string[]): string {
  const pairs: string[] = [];
  let metric = "";
  for (let at = 0; at < labels.length; at += 2) {
    if (labels[at] === "__name__") metric = labels[at + 1] ?? "";
    else pairs.push(`${labels[at]}="${labels[at + 1]}"`);
  }
  return pairs.length === 0 ? metric : `${metric}{${pairs.join(",")}}`;
}
