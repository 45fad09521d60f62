/** Reflection is added beside Nest, so its guard stands before every call and looks for it by path. */
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from "@grpc/grpc-js";
import { toWireError } from "../wire-errors.js";

/** Lets reflection calls through when `enter` does; other calls are not touched. */
export function reflectionGuard(
  enter: (metadata: Metadata) => Promise<unknown>,
  id: () => string,
): ServerInterceptor {
  return (method, call) => {
    if (!method.path.startsWith("/grpc.reflection.")) return new ServerInterceptingCall(call);
    const intercepted = new ServerInterceptingCall(call, {
      start: (next) => {
        const listener = new ServerListenerBuilder().withOnReceiveMetadata((metadata, pass) => {
          enter(metadata).then(
            () => pass(metadata),
            (error: unknown) => {
              const { wire } = toWireError(error, id);
              call.sendStatus({ code: wire.grpcStatus, details: wire.message, metadata: null });
            },
          );
        });
        next(listener.build());
      },
    });
    return intercepted;
  };
}
