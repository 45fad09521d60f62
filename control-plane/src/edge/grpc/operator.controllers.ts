/**
 * The controllers of the operator services: made from the table of services, one method for each rpc.
 */
import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import type { Metadata, ServerUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import { Controller, Inject, type Type } from "@nestjs/common";
import { GrpcMethod, RpcException } from "@nestjs/microservices";
import { defer, EMPTY, from, type Observable, switchMap } from "rxjs";
import { GRPC_DOOR } from "../tokens.js";
import type { GrpcDoor } from "./grpc-door.js";

/** One controller class for each service. */
export function operatorControllers(services: readonly DescService[]): Type<object>[] {
  return services.map((service) => {
    class ServiceController {
      constructor(readonly door: GrpcDoor) {}
    }
    Inject(GRPC_DOOR)(ServiceController, undefined, 0);
    Controller()(ServiceController);
    for (const method of service.methods) {
      const value = method.methodKind === "server_streaming" ? streaming(method) : unary(method);
      const descriptor = { value, writable: true, configurable: true, enumerable: false };
      Object.defineProperty(ServiceController.prototype, method.localName, descriptor);
      GrpcMethod(service.typeName, method.name)(ServiceController.prototype, method.localName, descriptor);
    }
    return ServiceController;
  });
}

interface HasDoor {
  readonly door: GrpcDoor;
}

function unary(method: DescMethod) {
  return async function (
    this: HasDoor,
    _request: Message,
    _metadata: Metadata,
    call: ServerUnaryCall<Message, Message>,
  ): Promise<Message> {
    return this.door.unary(method, call).catch(asRpcException);
  };
}

/** The messages are written by hand, for Nest would buffer them without bound; the Observable only says how it ended. */
function streaming(method: DescMethod) {
  return function (
    this: HasDoor,
    _request: Message,
    _metadata: Metadata,
    call: ServerWritableStream<Message, Message>,
  ): Observable<never> {
    return defer(() => from(this.door.stream(method, call).catch(asRpcException))).pipe(
      switchMap(() => EMPTY),
    );
  };
}

/** Nest passes the object inside on as it is. */
export function asRpcException(failure: object): never {
  throw new RpcException(failure);
}
