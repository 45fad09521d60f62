/** The doors as Nest modules: controllers, and what they are given. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { DynamicModule } from "@nestjs/common";
import { AgentController, type AgentDoor } from "./agent.controller.js";
import type { GrpcDoor } from "./grpc/grpc-door.js";
import { GrpcHealthController } from "./grpc/health.controller.js";
import { operatorControllers } from "./grpc/operator.controllers.js";
import type { Serving } from "./health/serving.js";
import type { HttpDoor } from "./http-door.js";
import type { OperatorApi } from "./operator-api.js";
import { type Probes, ProbesController } from "./probes.controller.js";
import type { Endpoint } from "./prometheus/prometheus-api.js";
import { PrometheusApiController, PrometheusManagementController } from "./prometheus-api.controller.js";
import { RestController } from "./rest.controller.js";
import {
  AGENT_DOOR,
  GRPC_DOOR,
  HTTP_DOOR,
  OPEN_API,
  OPERATOR_API,
  PROBES,
  PROMETHEUS_API,
  SERVING,
} from "./tokens.js";

export interface EdgeParts {
  readonly api: OperatorApi;
  readonly httpDoor: HttpDoor;
  readonly grpcDoor: GrpcDoor;
  readonly agents: AgentDoor;
  readonly document: JsonObject;
  readonly prometheus: readonly Endpoint[];
  readonly probes: Probes;
  readonly serving: Serving;
}

class EdgeModule {}

export function edgeModule(parts: EdgeParts): DynamicModule {
  return {
    module: EdgeModule,
    controllers: [
      ProbesController,
      PrometheusApiController,
      PrometheusManagementController,
      RestController,
      AgentController,
      GrpcHealthController,
      ...operatorControllers(parts.api.services.map(({ service }) => service)),
    ],
    providers: [
      { provide: OPERATOR_API, useValue: parts.api },
      { provide: HTTP_DOOR, useValue: parts.httpDoor },
      { provide: GRPC_DOOR, useValue: parts.grpcDoor },
      { provide: AGENT_DOOR, useValue: parts.agents },
      { provide: OPEN_API, useValue: parts.document },
      { provide: PROMETHEUS_API, useValue: parts.prometheus },
      { provide: PROBES, useValue: parts.probes },
      { provide: SERVING, useValue: parts.serving },
    ],
  };
}
