/** RoutesService: proto message ↔ routes tried out. */
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { RoutesService } from "@mainstay/proto/gen/mainstay/operator/v1/routes_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { OpsError } from "../kernel/errors.js";
import type { Instant } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import { replayPast, type TryRoutesPorts, testRoutes } from "./try-routes.js";

export function routesApi(ports: TryRoutesPorts): ServiceImplementation<typeof RoutesService, CallContext> {
  return {
    async testRoutes({ config, labels }) {
      return {
        routes: testRoutes(ports, config, labels).map(({ place, mutedBy }) => ({
          receiver: place.receiver,
          route: place.route.key,
          groupLabels: place.labels,
          groupWaitMs: BigInt(place.route.groupWait),
          groupIntervalMs: BigInt(place.route.groupInterval),
          repeatIntervalMs: BigInt(place.route.repeatInterval),
          mutedBy: [...mutedBy],
        })),
      };
    },

    async replayRoutes(request, { signal }) {
      const from = demandTime(request.from, "from");
      const to = demandTime(request.to, "to");
      const replay = await replayPast(ports, { config: request.config, from, to }, signal);
      return {
        tellings: replay.tellings.map((telling) => ({
          receiver: telling.receiver,
          labels: telling.labels,
          would: telling.would,
          did: telling.did,
          hidden: telling.hidden,
          hiddenBy: [...telling.hiddenBy],
          ...(telling.wouldFirstAt === undefined
            ? {}
            : { wouldFirstAt: timestampFromMs(telling.wouldFirstAt) }),
          ...(telling.didFirstAt === undefined ? {} : { didFirstAt: timestampFromMs(telling.didFirstAt) }),
        })),
        receivers: [...replay.receivers],
        notes: [...replay.notes],
      };
    },
  };
}

function demandTime(time: Timestamp | undefined, name: string): Instant {
  if (time === undefined) throw new OpsError("INVALID_ARGUMENT", `replay routes: ${name} is missing`);
  return timestampMs(time);
}
