/** The part of AlertsService that changes, checks and replays rules: proto message ↔ rules. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type {
  AlertsService,
  FiringSchema,
  StoredRuleGroupSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { OpsError } from "../kernel/errors.js";
import { formatTraceparent } from "../kernel/trace.js";
import type { CallContext } from "../platform/call.js";
import type { Firing } from "./domain/firings.js";
import { readRules } from "./read-rules.js";
import { type ReplayPorts, replayRules } from "./replay-rules.js";
import type { StoredRuleGroup } from "./rule-groups.store.js";
import type { StoredRules } from "./stored-rules.js";

export interface RulesApiPorts {
  readonly storedRules: StoredRules;
  readonly replay: ReplayPorts;
}

export function firingToWire(firing: Firing): MessageInitShape<typeof FiringSchema> {
  return {
    labels: firing.labels,
    firedAt: timestampFromMs(firing.firedAt),
    ...(firing.resolvedAt === undefined ? {} : { resolvedAt: timestampFromMs(firing.resolvedAt) }),
    value: firing.value,
  };
}

function groupToWire(group: StoredRuleGroup): MessageInitShape<typeof StoredRuleGroupSchema> {
  const { name, version, content, changedAt, changedBy } = group;
  return { name, version: BigInt(version), content, changedAt: timestampFromMs(changedAt), changedBy };
}

function demandTime(time: Timestamp | undefined, name: string): number {
  if (time === undefined) throw new OpsError("INVALID_ARGUMENT", `replay rules: ${name} is missing`);
  return timestampMs(time);
}

export function rulesApi({
  storedRules,
  replay,
}: RulesApiPorts): Pick<
  ServiceImplementation<typeof AlertsService, CallContext>,
  "checkRules" | "replayRules" | "listRuleGroups" | "putRuleGroup" | "deleteRuleGroup"
> {
  return {
    async checkRules({ content }) {
      const read = readRules(content);
      if ("faults" in read) return { faults: [...read.faults] };
      return { rules: read.value.reduce((sum, { rules }) => sum + rules.length, 0) };
    },

    async replayRules(request, { signal }) {
      const wish = {
        content: request.content,
        from: demandTime(request.from, "from"),
        to: demandTime(request.to, "to"),
        step: Number(request.stepMs),
      };
      const rules = await replayRules(replay, wish, signal);
      return {
        rules: rules.map((rule) => ({
          group: rule.group,
          name: rule.name,
          wouldHaveFired: rule.wouldHaveFired.map(firingToWire),
          didFire: rule.didFire.map(firingToWire),
          fault: rule.fault,
          notes: [...rule.notes],
        })),
      };
    },

    async listRuleGroups() {
      return { groups: (await storedRules.list()).map(groupToWire) };
    },

    async putRuleGroup({ name, content, expectedVersion, reason }, { caller, trace }) {
      const group = await storedRules.put({
        name,
        content,
        reason,
        expectedVersion: Number(expectedVersion),
        by: caller.actor,
        traceparent: formatTraceparent(trace),
      });
      return { group: groupToWire(group) };
    },

    async deleteRuleGroup({ name, expectedVersion, reason }, { caller, trace }) {
      await storedRules.delete({
        name,
        reason,
        expectedVersion: Number(expectedVersion),
        by: caller.actor,
        traceparent: formatTraceparent(trace),
      });
      return {};
    },
  };
}
