/** The HTTP face as Nest sees it: two controllers over parts that were built before. */
import { type DynamicModule, Module } from "@nestjs/common";
import type { HttpDoor } from "./edge/http-door.js";
import { McpController, type McpEndpoint } from "./edge/mcp.controller.js";
import { HealthController } from "./health/health.controller.js";
import type { HealthReport } from "./health/health-report.js";
import { HEALTH, HTTP_DOOR, MCP_ENDPOINT } from "./tokens.js";

export interface AppParts {
  readonly door: HttpDoor;
  readonly endpoint: McpEndpoint;
  readonly report: HealthReport;
}

@Module({})
class AppModule {}

export function appModule({ door, endpoint, report }: AppParts): DynamicModule {
  return {
    module: AppModule,
    controllers: [McpController, HealthController],
    providers: [
      { provide: HTTP_DOOR, useFactory: () => door },
      { provide: MCP_ENDPOINT, useFactory: () => endpoint },
      { provide: HEALTH, useFactory: () => report },
    ],
  };
}
