import type { DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

type Method<M extends DescMethod, Context> = M extends { methodKind: "unary" }
  ? (request: MessageShape<M["input"]>, context: Context) => Promise<MessageInitShape<M["output"]>>
  : M extends { methodKind: "server_streaming" }
    ? (request: MessageShape<M["input"]>, context: Context) => AsyncIterable<MessageInitShape<M["output"]>>
    : never;

/**
 * One function for each method of a service, keyed by the method's lowerCamelCase name: what a room offers, whatever
 * door it is called through (gRPC, REST). Failures are thrown; the door translates them.
 */
export type ServiceImplementation<S extends DescService, Context> = {
  [K in keyof S["method"]]: Method<S["method"][K], Context>;
};
