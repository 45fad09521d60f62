/** RemediationService: proto message ↔ effects. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { RemediationService } from "@mainstay/proto/gen/mainstay/operator/v1/remediation_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import type { CallContext } from "../platform/call.js";
import type { Database } from "../platform/postgres/database.js";
import type { Clock } from "../platform/system.js";
import type { EffectPolicy } from "./domain/remediation.js";
import { scoreEffect } from "./domain/score-effect.js";
import { readEffects } from "./effects.store.js";

export interface RemediationApiPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly effects: () => EffectPolicy;
}

export function remediationApi({
  database,
  clock,
  effects,
}: RemediationApiPorts): ServiceImplementation<typeof RemediationService, CallContext> {
  return {
    async listEffects() {
      const policy = effects();
      const found = await readEffects(database, clock.now() - policy.window, undefined);
      return {
        effects: found.map(({ lastAt, ...effect }) => ({
          ...effect,
          ...scoreEffect(effect, policy),
          lastTriedAt: timestampFromMs(lastAt),
        })),
      };
    },
  };
}
