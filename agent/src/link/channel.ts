/** The one place that speaks gRPC: opens a channel, calls Enroll, opens the stream. */
import { type Client, connectivityState, credentials, Client as GrpcClient, Metadata } from "@grpc/grpc-js";
import {
  AgentService,
  type ConnectRequest,
  type ConnectResponse,
  type EnrollRequest,
  type EnrollResponse,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { type Address, addressText } from "../config.js";
import type { System } from "../system.js";

/** The DNS name in the control plane's certificate, whatever address it is reached at. */
export const serverName = "control-plane.mainstay";

const methods = toServiceDefinition(AgentService);

/** How to prove who one is; without key and certificate only the other side is proven. */
export interface Secure {
  readonly caPem: string;
  readonly privateKeyPem?: string;
  readonly certificatePem?: string;
}

/** A channel. Only the given authority is trusted; undefined means plaintext, which is for loopback. */
export function openClient(at: Address, secure: Secure | undefined, options: Keepalive = {}): Client {
  if (secure === undefined)
    return new GrpcClient(addressText(at), credentials.createInsecure(), channelOptions);
  const { caPem, privateKeyPem, certificatePem } = secure;
  return new GrpcClient(
    addressText(at),
    credentials.createSsl(
      Buffer.from(caPem),
      privateKeyPem === undefined ? null : Buffer.from(privateKeyPem),
      certificatePem === undefined ? null : Buffer.from(certificatePem),
    ),
    { ...channelOptions, ...options, "grpc.ssl_target_name_override": serverName },
  );
}

interface Keepalive {
  readonly "grpc.keepalive_time_ms"?: number;
  readonly "grpc.keepalive_timeout_ms"?: number;
}

/**
 * For a node whose database is failed over: a cut line is noticed within seconds, and who does not answer is called anew,
 * for TCP asks ever less often, and would let it wait long after the line is whole again.
 */
export interface Urgency {
  readonly keepaliveMs: number;
  readonly answerMs: number;
  readonly after: (ms: number, act: () => void) => () => void;
}

export const urgency = ({ timers }: System): Urgency => ({
  keepaliveMs: 2_000,
  answerMs: 3_000,
  after: (ms, act) => timers.after(ms, act),
});

const channelOptions = {
  // A control plane that vanished is noticed after 40 s, whatever TCP believes; readings wait on disk meanwhile. It
  // notices us sooner, by our heartbeats. Each ping wakes the agent, and waking is most of what an idle agent costs.
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  // A channel is used for one stream and closed: nothing of it may live on in the shared pool.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_retries": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.max_receive_message_length": 4 * 1024 * 1024,
};

/** Calls Enroll; rejects with the gRPC error. `deadline` is ms since the epoch. */
export function callEnroll(
  client: Client,
  request: EnrollRequest,
  deadline: number,
): Promise<EnrollResponse> {
  const { path, requestSerialize, responseDeserialize } = methods.enroll;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<EnrollRequest, EnrollResponse>(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
      { deadline },
      (error, answer) =>
        answer === undefined ? reject(error ?? new Error("an empty answer")) : resolve(answer),
    );
  });
}

/** One open stream, as little of it as is needed. */
export interface Stream {
  /** Hands one message to the transport; resolves when it may be given the next. Rejects when the stream is over. */
  send(message: ConnectRequest): Promise<void>;
  /** Says that nothing more will be sent. */
  end(): void;
  /** Ends it at once. */
  cancel(): void;
}

/** What happens on a stream. `ended` comes once, last. */
export interface StreamEvents {
  received(message: ConnectResponse): void;
  /** `code` is the gRPC status; 0 when the other side ended it in order. */
  ended(code: number, details: string): void;
}

/** Opens a stream; the other side answers to its first message. The channel is closed with the stream. */
export type OpenStream = (events: StreamEvents) => Stream;

/** Opens the agents' stream at `at` with mutual TLS. */
export function openStream(at: Address, secure: Secure, events: StreamEvents, urgency?: Urgency): Stream {
  const client = openClient(
    at,
    secure,
    urgency && {
      "grpc.keepalive_time_ms": urgency.keepaliveMs,
      "grpc.keepalive_timeout_ms": urgency.keepaliveMs,
    },
  );
  const { path, requestSerialize, responseDeserialize } = methods.connect;
  const call = client.makeBidiStreamRequest<ConnectRequest, ConnectResponse>(
    path,
    requestSerialize,
    responseDeserialize,
    new Metadata(),
    {},
  );
  let over = false;
  let release: (() => void) | undefined;
  const drained = (): void => {
    release?.();
    release = undefined;
  };
  const notYet = urgency?.after(urgency.answerMs, () => {
    if (client.getChannel().getConnectivityState(false) !== connectivityState.READY) call.cancel();
  });
  call.on("drain", drained);
  call.on("data", (message: ConnectResponse) => events.received(message));
  // The status tells more than the error; without a listener the error would end the process.
  call.on("error", () => undefined);
  call.on("status", (status: { readonly code: number; readonly details: string }) => {
    over = true;
    notYet?.();
    drained();
    client.close();
    events.ended(status.code, status.details);
  });
  return {
    send: async (message) => {
      if (over) throw new Error("the stream is over");
      if (call.write(message)) return;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      if (over) throw new Error("the stream is over");
    },
    end: () => call.end(),
    cancel: () => call.cancel(),
  };
}
