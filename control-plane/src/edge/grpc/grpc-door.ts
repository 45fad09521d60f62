/**
 * What every operator call over gRPC passes: the gate, the meter, the operator services, and the translation of errors.
 */
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { Metadata, type ServerUnaryCall, type ServerWritableStream } from "@grpc/grpc-js";
import type { Caller } from "../../kernel/caller.js";
import type { Logger } from "../../platform/logger.js";
import type { System } from "../../platform/system.js";
import type { Gate } from "../gate.js";
import { fullName, type OperatorApi } from "../operator-api.js";
import type { RequestMeter } from "../request-meter.js";
import { toWireError } from "../wire-errors.js";
import { cancellationOf, textOf, writeAll } from "./call-signal.js";

/** What grpc-js makes a status of. */
export interface GrpcFailure {
  readonly code: number;
  readonly details: string;
  readonly message: string;
  /** Carries the error's facts as JSON under `mainstay-details-bin`. */
  readonly metadata: Metadata;
}

export interface GrpcDoorDeps {
  readonly gate: Gate;
  readonly meter: RequestMeter;
  readonly system: System;
  readonly logger: Logger;
}

export class GrpcDoor {
  readonly #deps: GrpcDoorDeps;
  readonly #api: OperatorApi;
  readonly #closing = new AbortController();

  constructor(deps: GrpcDoorDeps & { readonly api: OperatorApi }) {
    this.#deps = deps;
    this.#api = deps.api;
  }

  /** Answers a unary call of an operator service. Throws {@link GrpcFailure}s only. */
  unary(method: DescMethod, call: ServerUnaryCall<Message, Message>): Promise<Message> {
    return this.pass(fullName(method), async () => {
      const caller = await this.enter(call.metadata);
      return this.#api.call(method, call.request, {
        caller,
        traceparent: textOf(call.metadata, "traceparent"),
        signal: cancellationOf(call),
      });
    });
  }

  /** Writes the answers of a server-streaming call, as fast as the client reads. Throws {@link GrpcFailure}s only. */
  stream(method: DescMethod, call: ServerWritableStream<Message, Message>): Promise<void> {
    return this.pass(fullName(method), async () => {
      const caller = await this.enter(call.metadata);
      const signal = AbortSignal.any([cancellationOf(call), this.#closing.signal]);
      const answers = this.#api.watch(method, call.request, {
        caller,
        traceparent: textOf(call.metadata, "traceparent"),
        signal,
      });
      await writeAll(call, answers, signal);
    });
  }

  /** Aborts when the port is about to close. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Whether this port has the service, by its full name. */
  offers(service: string): boolean {
    return this.#api.services.some((offered) => offered.service.typeName === service);
  }

  /** Ends the streams, so that the port can be closed. */
  close(): void {
    this.#closing.abort();
  }

  /** Who calls. Throws UNAUTHENTICATED and UNAVAILABLE. */
  enter(metadata: Metadata): Promise<Caller> {
    return this.#deps.gate.enter(textOf(metadata, "authorization"));
  }

  /** Runs what answers a call: measured, and with its errors translated. */
  async pass<T>(endpoint: string, work: () => Promise<T>): Promise<T> {
    const end = this.#deps.meter.begin();
    try {
      const answer = await work();
      end({ method: "GRPC", endpoint, status: "OK", failed: false });
      return answer;
    } catch (error) {
      const { wire, correlationId } = toWireError(error, () => this.#deps.system.draws.hex(16));
      const failed = wire.httpStatus >= 500;
      end({ method: "GRPC", endpoint, status: wire.code, failed });
      if (correlationId !== undefined) {
        this.#deps.logger.error("a call failed inside", { method: endpoint, correlationId }, error);
      } else if (failed) {
        this.#deps.logger.warn("a call could not be served", { method: endpoint }, error);
      }
      const metadata = new Metadata();
      if (Object.keys(wire.details).length > 0) {
        metadata.set("mainstay-details-bin", Buffer.from(JSON.stringify(wire.details)));
      }
      const failure: GrpcFailure = {
        code: wire.grpcStatus,
        details: wire.message,
        message: wire.message,
        metadata,
      };
      throw failure;
    }
  }
}
