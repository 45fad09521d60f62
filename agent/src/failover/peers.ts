/**
 * The line between the agents of one cluster: each calls each, with the house's certificates, and speaks on whichever
 * stream is open. What cannot be sent now is dropped: every message of failover is said again while it matters.
 */

import { create } from "@bufbuild/protobuf";
import {
  type Client,
  type ClientDuplexStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from "@grpc/grpc-js";
import type { NodeId } from "@mainstay/proto/failover/words";
import {
  type ExchangeRequest,
  ExchangeRequestSchema,
  type ExchangeResponse,
  ExchangeResponseSchema,
  type FailoverMessage,
  FailoverPeerService,
} from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import type { Secure } from "../link/channel.js";
import { type Log, reasonOf } from "../log.js";
import type { Timers } from "../system.js";
import type { HostPort, Peer } from "./settings.js";

export interface PeersParts {
  readonly listen: HostPort;
  readonly peers: readonly Peer[];
  readonly timers: Timers;
  readonly log: Log;
  /** What to prove oneself with; undefined while there is none. */
  readonly secure: () => Secure | undefined;
  readonly received: (from: NodeId, message: FailoverMessage) => void;
}

/** The DNS name in a node's certificate; the house's authority gives it to that node only. */
export const peerName = (node: NodeId): string => `${node}.node.mainstay`;

const AGAIN_MS = 300;
/** A cut line answers nothing, and TCP asks ever less often: who has not answered by then is called anew. */
const ANSWER_MS = 2_000;
/** Longer than any message of this protocol by far. */
const MESSAGE_BYTES_MAX = 64 * 1024;

const methods = toServiceDefinition(FailoverPeerService);

const options = {
  // A peer that vanished is noticed well within a lease, whatever TCP believes.
  "grpc.keepalive_time_ms": 1_000,
  "grpc.keepalive_timeout_ms": 1_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_retries": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
};

interface Outgoing {
  client: Client;
  call: ClientDuplexStream<ExchangeRequest, ExchangeResponse>;
  /** Its buffer is full: nobody reads. */
  full: boolean;
}

interface Incoming {
  readonly call: ServerDuplexStream<ExchangeRequest, ExchangeResponse>;
  full: boolean;
}

export class Peers {
  readonly #parts: PeersParts;
  readonly #outgoing = new Map<NodeId, Outgoing>();
  readonly #incoming = new Map<NodeId, Incoming>();
  #server: Server | undefined;
  #stopped = false;

  constructor(parts: PeersParts) {
    this.#parts = parts;
  }

  /** With a new identity everything is opened anew; a lease outlives that many times over. */
  open(): void {
    this.#close();
    if (this.#stopped) return;
    const secure = this.#parts.secure();
    if (secure === undefined) return;
    this.#listen(secure);
    for (const peer of this.#parts.peers) this.#call(peer);
  }

  stop(): void {
    this.#stopped = true;
    this.#close();
  }

  /** False when it was dropped. */
  send(to: NodeId, message: FailoverMessage): boolean {
    const out = this.#outgoing.get(to);
    if (out !== undefined && !out.full) {
      out.full = !out.call.write(create(ExchangeRequestSchema, { message }));
      return true;
    }
    const back = this.#incoming.get(to);
    if (back === undefined || back.full) return false;
    back.full = !back.call.write(create(ExchangeResponseSchema, { message }));
    return true;
  }

  #close(): void {
    for (const { call, client } of this.#outgoing.values()) {
      call.cancel();
      client.close();
    }
    this.#outgoing.clear();
    this.#incoming.clear();
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  #listen(secure: Secure): void {
    const { listen, log, timers } = this.#parts;
    const { caPem, privateKeyPem, certificatePem } = secure;
    if (privateKeyPem === undefined || certificatePem === undefined) return;
    const server = new Server(options);
    this.#server = server;
    const exchange = (call: ServerDuplexStream<ExchangeRequest, ExchangeResponse>): void =>
      this.#answer(call);
    server.addService(methods, { exchange });
    const key = { private_key: Buffer.from(privateKeyPem), cert_chain: Buffer.from(certificatePem) };
    const at = listen.host.includes(":")
      ? `[${listen.host}]:${listen.port}`
      : `${listen.host}:${listen.port}`;
    server.bindAsync(at, ServerCredentials.createSsl(Buffer.from(caPem), [key], true), (error) => {
      if (error === null || this.#server !== server) return;
      log("error", "cannot listen for the agents of the cluster", { at, because: reasonOf(error) });
      timers.after(5_000, () => {
        if (this.#server === server && !this.#stopped) this.open();
      });
    });
  }

  #answer(call: ServerDuplexStream<ExchangeRequest, ExchangeResponse>): void {
    const from = this.#whoCalls(call);
    if (from === undefined) {
      call.emit("error", {
        code: status.PERMISSION_DENIED,
        details: "exchange: the certificate is of no member of this cluster",
      });
      return;
    }
    // The caller knows by this that the stream stands.
    call.sendMetadata(new Metadata());
    const incoming: Incoming = { call, full: false };
    this.#incoming.set(from, incoming);
    const over = (): void => {
      if (this.#incoming.get(from) === incoming) this.#incoming.delete(from);
    };
    call.on("drain", () => {
      incoming.full = false;
    });
    call.on("data", ({ message }: ExchangeRequest) => {
      if (message !== undefined) this.#parts.received(from, message);
    });
    call.on("error", over);
    call.on("cancelled", over);
    call.on("close", over);
    call.on("end", () => {
      over();
      call.end();
    });
  }

  /** The member whose name the caller's certificate has. */
  #whoCalls(call: ServerDuplexStream<ExchangeRequest, ExchangeResponse>): NodeId | undefined {
    const certificate = call.getAuthContext().sslPeerCertificate;
    const names = (certificate?.subjectaltname ?? "").split(", ");
    return this.#parts.peers.find(({ name }) => names.includes(`DNS:${peerName(name)}`))?.name;
  }

  #call(peer: Peer): void {
    const { timers, received, log, secure } = this.#parts;
    const identity = secure();
    if (identity?.privateKeyPem === undefined || identity.certificatePem === undefined) return;
    const { host, port } = peer.agent;
    const client = new GrpcClient(
      host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
      credentials.createSsl(
        Buffer.from(identity.caPem),
        Buffer.from(identity.privateKeyPem),
        Buffer.from(identity.certificatePem),
      ),
      { ...options, "grpc.ssl_target_name_override": peerName(peer.name) },
    );
    const { path, requestSerialize, responseDeserialize } = methods.exchange;
    const call = client.makeBidiStreamRequest<ExchangeRequest, ExchangeResponse>(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
      {},
    );
    // Until it stands, what is sent goes the other way, or nowhere.
    const outgoing: Outgoing = { client, call, full: true };
    this.#outgoing.set(peer.name, outgoing);
    const giveUp = timers.after(ANSWER_MS, () => call.cancel());
    call.on("metadata", () => {
      giveUp();
      outgoing.full = false;
      log("info", "speaks with another member's agent", { peer: peer.name });
    });
    call.on("drain", () => {
      outgoing.full = false;
    });
    call.on("data", ({ message }: ExchangeResponse) => {
      if (message !== undefined) received(peer.name, message);
    });
    call.on("error", () => undefined);
    call.on("status", ({ code, details }: { readonly code: number; readonly details: string }) => {
      giveUp();
      client.close();
      if (this.#outgoing.get(peer.name) !== outgoing) return;
      this.#outgoing.delete(peer.name);
      log("debug", "does not speak with another member's agent", { peer: peer.name, code, because: details });
      timers.after(AGAIN_MS, () => {
        if (!this.#stopped && !this.#outgoing.has(peer.name)) this.#call(peer);
      });
    });
  }
}
