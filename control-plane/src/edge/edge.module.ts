/** The doors as Nest modules: controllers, and what they are given. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { DynamicModule } from "@nestjs/common";
import { AgentController, type AgentDoor } from "./agent.controller.js";
import {
  AlertmanagerApiController,
  AlertmanagerManagementController,
} from "./alertmanager-api.controller.js";
import type { GrpcDoor } from "./grpc/grpc-door.js";
import { GrpcHealthController } from "./grpc/health.controller.js";
import { operatorControllers } from "./grpc/operator.controllers.js";
import type { Serving } from "./health/serving.js";
import type { HttpDoor } from "./http-door.js";
import type { Endpoint } from "./http-endpoint.js";
import type { OperatorApi } from "./operator-api.js";
import { type Probes, ProbesController } from "./probes.controller.js";
import {
  PrometheusApiController,
  type PrometheusDoor,
  PrometheusFederateController,
  PrometheusManagementController,
} from "./prometheus-api.controller.js";
import type { Reload } from "./reload.js";
import { RestController } from "./rest.controller.js";
import {
  AGENT_DOOR,
  ALERTMANAGER_API,
  GRPC_DOOR,
  HTTP_DOOR,
  OPEN_API,
  OPERATOR_API,
  PROBES,
  PROMETHEUS_API,
  RELOAD,
  SERVING,
} from "./tokens.js";

export interface EdgeParts {
  readonly api: OperatorApi;
  readonly httpDoor: HttpDoor;
  readonly grpcDoor: GrpcDoor;
  readonly agents: AgentDoor;
  readonly document: JsonObject;
  readonly prometheus: PrometheusDoor;
  /** Below `/api/v2/`. */
  readonly alertmanager: readonly Endpoint[];
  readonly reload: Reload;
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
      PrometheusFederateController,
      PrometheusManagementController,
      AlertmanagerApiController,
      AlertmanagerManagementController,
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
      { provide: ALERTMANAGER_API, useValue: parts.alertmanager },
      { provide: RELOAD, useValue: parts.reload },
      { provide: PROBES, useValue: parts.probes },
      { provide: SERVING, useValue: parts.serving },
    ],
  };
}
