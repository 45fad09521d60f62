/**
 * A typed gRPC client, derived from a generated service: unary methods are promises, server streams are async
 * iterables. Methods that stream from the client are left out; who needs one holds the call itself.
 */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, type ClientOptions, Metadata } from "@grpc/grpc-js";
import { wallTime } from "./system.js";

/** What a single call may say besides its request. */
export interface CallOptions {
  /** Sent as gRPC metadata; names are lower-case. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Milliseconds from now until the call ends with DEADLINE_EXCEEDED. Default: the client's, for unary methods; none for streams. */
  readonly timeoutMs?: number;
  /** Aborting it cancels the call, which then ends with CANCELLED. */
  readonly signal?: AbortSignal;
}

/** The client's settings; those of grpc-js are passed on. */
export interface GrpcClientOptions extends ClientOptions {
  /** For unary calls that name none. Default: 10,000 ms. */
  readonly defaultTimeoutMs?: number;
  /** Wall time in ms, from which deadlines are counted. Default: the system's. */
  readonly now?: () => number;
  /** Makes each unary call, or does not: a circuit breaker. What it throws is what the call rejects with. Default: each is made. */
  readonly guard?: <T>(call: () => Promise<T>) => Promise<T>;
}

type Init = MessageInitShape<DescMessage>;

type Call<M extends DescMethod> = M extends { methodKind: "unary" }
  ? (request: MessageInitShape<M["input"]>, options?: CallOptions) => Promise<MessageShape<M["output"]>>
  : M extends { methodKind: "server_streaming" }
    ? (
        request: MessageInitShape<M["input"]>,
        options?: CallOptions,
      ) => AsyncIterable<MessageShape<M["output"]>>
    : never;

type Callable<S extends DescService> = {
  [K in keyof S["method"] as S["method"][K] extends { methodKind: "unary" | "server_streaming" }
    ? K
    : never]: Call<S["method"][K]>;
};

/** The methods of a service by their lowerCamelCase names, and `close`, which ends the connection and the calls on it. */
export type GrpcClient<S extends DescService> = Callable<S> & { close(): void };

/**
 * A client of `service` at `address` (`host:port`). Connects on the first call and again whenever the connection is
 * lost. Rejects with grpc-js's `ServiceError` (its `code` is a gRPC status) and with nothing else.
 *
 * A server stream opens when it is first read; leaving its loop cancels it. It is read at the pace of the loop, so a
 * slow reader holds the sender back.
 */
export function createGrpcClient<S extends DescService>(
  service: S,
  address: string,
  credentials: ChannelCredentials,
  options: GrpcClientOptions = {},
): GrpcClient<S> {
  const { defaultTimeoutMs = 10_000, now = wallTime, guard = (call) => call(), ...clientOptions } = options;
  const client = new Client(address, credentials, clientOptions);
  const calls: Record<string, unknown> = { close: () => client.close() };
  for (const method of service.methods) {
    if (method.localName === "close")
      throw new TypeError(`${service.typeName} has a method named close, which the client needs for itself`);
    if (method.methodKind === "unary") {
      calls[method.localName] = (request: Init, callOptions?: CallOptions) =>
        guard(() =>
          unary(client, method, request, callOptions, now() + (callOptions?.timeoutMs ?? defaultTimeoutMs)),
        );
    } else if (method.methodKind === "server_streaming") {
      calls[method.localName] = (request: Init, callOptions?: CallOptions) =>
        serverStream(
          client,
          method,
          request,
          callOptions,
          callOptions?.timeoutMs === undefined ? Number.POSITIVE_INFINITY : now() + callOptions.timeoutMs,
        );
    }
  }
  return calls as GrpcClient<S>;
}

const encoder = (method: DescMethod) => (request: Init) =>
  Buffer.from(toBinary(method.input, create(method.input, request)));
const decoder = (method: DescMethod) => (bytes: Buffer) => fromBinary(method.output, bytes);

/**
 * Cancels in a turn of the loop of its own. A stream reset from within the callback that delivers its data (as when a
 * reader aborts on the first message) can make Node 20's HTTP/2 spin for ever when both ends live in one process.
 */
function cancelLater(call: { cancel(): void }): void {
  setImmediate(() => call.cancel());
}

const pathOf = (method: DescMethod) => `/${method.parent.typeName}/${method.name}`;

function metadataOf(options: CallOptions | undefined): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(options?.metadata ?? {})) metadata.set(name, value);
  return metadata;
}

function unary(
  client: Client,
  method: DescMethod,
  request: Init,
  options: CallOptions | undefined,
  deadline: number,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const signal = options?.signal;
    const cancel = (): void => cancelLater(call);
    const call = client.makeUnaryRequest(
      pathOf(method),
      encoder(method),
      decoder(method),
      request,
      metadataOf(options),
      { deadline },
      (error, response) => {
        signal?.removeEventListener("abort", cancel);
        if (error !== null) reject(error);
        else resolve(response);
      },
    );
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener("abort", cancel, { once: true });
  });
}

async function* serverStream(
  client: Client,
  method: DescMethod,
  request: Init,
  options: CallOptions | undefined,
  deadline: number,
): AsyncIterable<unknown> {
  const signal = options?.signal;
  const call = client.makeServerStreamRequest(
    pathOf(method),
    encoder(method),
    decoder(method),
    request,
    metadataOf(options),
    { deadline },
  );
  const cancel = (): void => cancelLater(call);
  if (signal?.aborted === true) cancel();
  else signal?.addEventListener("abort", cancel, { once: true });
  try {
    for await (const message of call) yield message;
  } finally {
    signal?.removeEventListener("abort", cancel);
    // After the loop was left early, grpc-js reports the cancellation as an error that nobody waits for.
    call.on("error", () => {});
    cancel();
  }
}
