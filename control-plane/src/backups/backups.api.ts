/** BackupsService: proto message ↔ repositories and their proof. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { BackupsService } from "@mainstay/proto/gen/mainstay/operator/v1/backups_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { cleanText } from "../kernel/clean-text.js";
import { SECOND } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import type { Queryable } from "../platform/postgres/database.js";
import type { Clock } from "../platform/system.js";
import { aimsOf, readRestores } from "../recovery/recovery.module.js";
import type { Topology } from "../topology/domain/component.js";
import { proofOf, usedRpo } from "./domain/repository-standing.js";
import type { Repositories } from "./repositories.js";

/** Runs of a component that are looked through for one of a repository. */
const RUNS_JUDGED = 100;

export function backupsApi({
  database,
  clock,
  topology,
  repositories,
}: {
  readonly database: Queryable;
  readonly clock: Clock;
  readonly topology: () => Topology;
  readonly repositories: Repositories;
}): ServiceImplementation<typeof BackupsService, CallContext> {
  return {
    async listRepositories() {
      const now = clock.now();
      const stood = await repositories.read(now);
      const told = stood.map(async (one) => {
        const proof = proofOf(one, await readRestores(database, one.component, RUNS_JUDGED), now);
        const { rpo } = aimsOf(topology(), one.component);
        const used = usedRpo(one, rpo, now);
        return {
          node: one.node,
          repository: cleanText(one.repository, 100),
          component: one.component,
          readable: one.readable,
          backups: Math.max(0, Math.trunc(one.backups)),
          ...(one.newest === undefined
            ? {}
            : {
                newestRestorable: timestampFromMs(Math.floor(one.newest.at)),
                evidence: one.newest.evidence,
              }),
          seenAt: timestampFromMs(one.seenAt),
          lastCompleted: one.lastCompleted.map(({ type, at }) => ({
            type: cleanText(type, 20),
            at: timestampFromMs(Math.floor(at)),
          })),
          proof: proof.kind,
          proofBecause: cleanText(proof.because, 1_000),
          ...(proof.at === undefined ? {} : { provenAt: timestampFromMs(proof.at) }),
          ...(rpo === undefined ? {} : { rpoSeconds: BigInt(Math.round(rpo / SECOND)) }),
          ...(used === undefined ? {} : { rpoUsed: used }),
        };
      });
      return { repositories: await Promise.all(told) };
    },
  };
}
