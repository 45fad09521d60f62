/** The agents' door: enrolment on the operator port, the stream on the agents' own. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Metadata, ServerDuplexStream, ServerUnaryCall } from "@grpc/grpc-js";
import {
  AgentService,
  type ConnectRequest,
  type ConnectResponse,
  type EnrollRequest,
  type EnrollResponse,
  EnrollResponseSchema,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { Controller, Inject } from "@nestjs/common";
import { GrpcMethod, GrpcStreamCall } from "@nestjs/microservices";
import type { GrpcDoor } from "./grpc/grpc-door.js";
import { asRpcException } from "./grpc/operator.controllers.js";
import { AGENT_DOOR, GRPC_DOOR } from "./tokens.js";
import { toWireError } from "./wire-errors.js";

export type AgentStream = ServerDuplexStream<ConnectRequest, ConnectResponse>;

/** What answers agents. */
export interface AgentDoor {
  /** Trades a join token for an identity; `peer` is the address the request came from. */
  enroll(request: EnrollRequest, peer: string): Promise<MessageInitShape<typeof EnrollResponseSchema>>;
  /** Serves one agent's stream to its end; ends the call itself, with a status. */
  serve(call: AgentStream): void | Promise<void>;
  /** Tells all agents to go elsewhere and ends their streams. */
  drain(): Promise<void>;
}

@Controller()
export class AgentController {
  constructor(
    @Inject(GRPC_DOOR) private readonly door: GrpcDoor,
    @Inject(AGENT_DOOR) private readonly agents: AgentDoor,
  ) {}

  /** Needs no token of an operator: the join token is the credential. */
  @GrpcMethod(AgentService.typeName, "Enroll")
  enroll(
    request: EnrollRequest,
    _metadata: Metadata,
    call: ServerUnaryCall<EnrollRequest, EnrollResponse>,
  ): Promise<EnrollResponse> {
    return this.door
      .pass(`${AgentService.typeName}/Enroll`, async () =>
        create(EnrollResponseSchema, await this.agents.enroll(request, call.getPeer())),
      )
      .catch(asRpcException);
  }

  /** A throw here would leave the agent waiting and end the process: every failure becomes a status. */
  @GrpcStreamCall(AgentService.typeName, "Connect")
  async connect(call: AgentStream): Promise<void> {
    try {
      await this.agents.serve(call);
    } catch (error) {
      const { wire } = toWireError(error, () => "agent-stream");
      call.emit(
        "error",
        Object.assign(new Error(wire.message), { code: wire.grpcStatus, details: wire.message }),
      );
    }
  }
}
