/**
 * The gRPC health protocol. Whether the process serves at all is told to everyone, as `/health` tells it; asking for a
 * service by name needs a token.
 */
import { create } from "@bufbuild/protobuf";
import { type ServerUnaryCall, type ServerWritableStream } from "@grpc/grpc-js";
import {
  Health,
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from "@mainstay/proto/gen/grpc/health/v1/health_pb";
import { Controller, Inject } from "@nestjs/common";
import { GrpcMethod } from "@nestjs/microservices";
import { defer, EMPTY, from, type Observable, switchMap } from "rxjs";
import { OpsError } from "../../kernel/errors.js";
import type { Serving } from "../health/serving.js";
import { GRPC_DOOR, SERVING } from "../tokens.js";
import { cancellationOf, writeAll } from "./call-signal.js";
import type { GrpcDoor } from "./grpc-door.js";
import { asRpcException } from "./operator.controllers.js";

type Call = ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>;
type WatchCall = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

@Controller()
export class GrpcHealthController {
  constructor(
    @Inject(GRPC_DOOR) private readonly door: GrpcDoor,
    @Inject(SERVING) private readonly serving: Serving,
  ) {}

  @GrpcMethod(Health.typeName, "Check")
  check(_request: HealthCheckRequest, _metadata: unknown, call: Call): Promise<HealthCheckResponse> {
    return this.door
      .pass(`${Health.typeName}/Check`, async () => {
        await this.#enter(call);
        return answer(this.serving.isServing());
      })
      .catch(asRpcException);
  }

  @GrpcMethod(Health.typeName, "Watch")
  watch(_request: HealthCheckRequest, _metadata: unknown, call: WatchCall): Observable<never> {
    const work = async (): Promise<void> => {
      await this.#enter(call);
      const signal = AbortSignal.any([cancellationOf(call), this.door.closing]);
      await writeAll(call, this.#changes(signal), signal);
    };
    return defer(() => from(this.door.pass(`${Health.typeName}/Watch`, work).catch(asRpcException))).pipe(
      switchMap(() => EMPTY),
    );
  }

  async *#changes(signal: AbortSignal): AsyncGenerator<HealthCheckResponse> {
    for await (const serving of this.serving.changes(signal)) yield answer(serving);
  }

  async #enter(call: Call | WatchCall): Promise<void> {
    const { service } = call.request;
    if (service === "") return;
    await this.door.enter(call.metadata);
    if (!this.door.offers(service)) {
      throw new OpsError("NOT_FOUND", `no service "${service.slice(0, 100)}" is offered here`);
    }
  }
}

function answer(serving: boolean): HealthCheckResponse {
  return create(HealthCheckResponseSchema, { status: serving ? Status.SERVING : Status.NOT_SERVING });
}
