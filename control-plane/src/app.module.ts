/** The root of the Nest application: the ground's ports by their tokens, and the doors. */
import type { DynamicModule } from "@nestjs/common";
import { type EdgeParts, edgeModule } from "./edge/edge.module.js";
import type { Ground } from "./ground.js";
import { CONFIG, DATABASE, LIVE, LOGGER, METRICS, SECRETS, SYSTEM_PORT } from "./platform/tokens.js";

class AppModule {}
class PlatformModule {}

export function appModule(ground: Ground, edge: EdgeParts): DynamicModule {
  const providers = [
    { provide: CONFIG, useValue: ground.config },
    { provide: SYSTEM_PORT, useValue: ground.system },
    { provide: LOGGER, useValue: ground.logger },
    { provide: METRICS, useValue: ground.metrics },
    { provide: DATABASE, useValue: ground.database },
    { provide: LIVE, useValue: ground.live },
    { provide: SECRETS, useValue: ground.secrets },
  ];
  return {
    module: AppModule,
    imports: [{ module: PlatformModule, global: true, providers, exports: providers }, edgeModule(edge)],
  };
}
