/** RecoveryService: proto message ↔ account of a decision, judged objective. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { checkTrace } from "@mainstay/proto/failover/check-trace";
import {
  type JudgedObjectiveSchema,
  type RecoveryDecisionSchema,
  RecoveryService,
} from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { SECOND } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import type { Queryable } from "../platform/postgres/database.js";
import type { Topology } from "../topology/domain/component.js";
import { accountDecision, type DecisionAccount } from "./domain/account-decision.js";
import { type JudgedObjective, judgeObjective } from "./domain/judge-objective.js";
import { readClusters, readDecisions, readRecords } from "./recovery.store.js";

/** So many decisions of a component are looked through for one that measured something. */
const DECISIONS_JUDGED = 50;
const DECISIONS_MAX = 500;

export interface RecoveryApiPorts {
  readonly database: Queryable;
  readonly topology: () => Topology;
}

const whole = (value: number): bigint => BigInt(Math.max(0, Math.round(value)));

function decisionToWire(
  cluster: string,
  account: DecisionAccount,
): MessageInitShape<typeof RecoveryDecisionSchema> {
  const { epoch, kind, from, trigger, outcome } = account;
  return {
    cluster,
    epoch: BigInt(epoch),
    kind,
    from,
    trigger,
    outcome,
    candidate: account.candidate ?? "",
    startedAt: timestampFromMs(Math.floor(account.startedAt)),
    ...(account.endedAt === undefined ? {} : { endedAt: timestampFromMs(Math.floor(account.endedAt)) }),
    ...(account.openAfter === undefined ? {} : { openAfterMs: whole(account.openAfter) }),
    ...(account.missingBytes === undefined ? {} : { missingBytes: whole(account.missingBytes) }),
    fencedBy: account.fencedBy ?? "",
    approvedBy: account.approvedBy ?? "",
  };
}

function objectiveToWire(judged: JudgedObjective): MessageInitShape<typeof JudgedObjectiveSchema> {
  const { component, verdict, because, rto, rpo, measured } = judged;
  return {
    component,
    verdict,
    because,
    ...(rto === undefined ? {} : { rtoSeconds: whole(rto / SECOND) }),
    ...(rpo === undefined ? {} : { rpoSeconds: whole(rpo / SECOND) }),
    ...(measured === undefined
      ? {}
      : {
          measuredEpoch: BigInt(measured.epoch),
          measuredAt: timestampFromMs(Math.floor(measured.at)),
          measuredOpenAfterMs: whole(measured.openAfter),
        }),
    ...(measured?.missingBytes === undefined ? {} : { measuredMissingBytes: whole(measured.missingBytes) }),
  };
}

async function readAccounts(
  database: Queryable,
  filter: { readonly cluster?: string; readonly limit: number },
): Promise<readonly { readonly cluster: string; readonly account: DecisionAccount }[]> {
  const decisions = await readDecisions(database, filter);
  return decisions.flatMap(({ cluster, records }) => {
    const account = accountDecision(records);
    return account === undefined ? [] : [{ cluster, account }];
  });
}

export function recoveryApi({
  database,
  topology,
}: RecoveryApiPorts): ServiceImplementation<typeof RecoveryService, CallContext> {
  return {
    async listObjectives() {
      const judged = topology().map(async (component) => {
        const accounts = await readAccounts(database, { cluster: component.id, limit: DECISIONS_JUDGED });
        return objectiveToWire(
          judgeObjective(
            component,
            accounts.map(({ account }) => account),
          ),
        );
      });
      return { objectives: await Promise.all(judged) };
    },

    async listDecisions({ cluster, limit }) {
      const accounts = await readAccounts(database, {
        ...(cluster === "" ? {} : { cluster }),
        limit: Math.min(limit === 0 ? 50 : limit, DECISIONS_MAX),
      });
      return { decisions: accounts.map(({ cluster: of, account }) => decisionToWire(of, account)) };
    },

    async explainDecision({ cluster, epoch }) {
      const registered = (await readClusters(database)).find((one) => one.cluster === cluster);
      const account = accountDecision(await readRecords(database, cluster, Number(epoch)));
      if (registered === undefined || account === undefined) {
        throw new OpsError(
          "NOT_FOUND",
          `decision ${epoch} of cluster "${cleanText(cluster, 100)}": there is none`,
        );
      }
      const { policy, firstPrimary } = registered;
      const faults = checkTrace(policy, firstPrimary, await readRecords(database, cluster));
      return {
        decision: decisionToWire(cluster, account),
        steps: account.steps.map(({ at, kind, says }) => ({
          at: timestampFromMs(Math.floor(at)),
          kind,
          says,
        })),
        faults: faults.map(({ index, because }) => `record ${index + 1}: ${because}`),
      };
    },
  };
}
