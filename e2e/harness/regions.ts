/** What people do with regions, in stories. */
import type {
  ExplainRegionResponse,
  PlanRegionResponse,
} from "@mainstay/proto/gen/mainstay/operator/v1/region_pb";
import type { Operator } from "./operator.js";
import { until } from "./until.js";

const PATIENCE_MS = 60_000;

/** The plan, once nothing is against it and it is as it was wanted. */
export const planned = (
  operator: Operator,
  region: string,
  wanted: (plan: PlanRegionResponse) => boolean,
): Promise<PlanRegionResponse> =>
  until(
    `the plan of ${region} to be as wanted`,
    async () => {
      const plan = await operator.region().planRegion({ region });
      if (plan.against.length === 0 && wanted(plan)) return plan;
      const steps = plan.steps.map(({ step, from, to, because }) => `${step}: ${from}/${to} ${because}`);
      throw new Error([plan.kind, ...plan.against, ...plan.doubts, ...steps].join("\n"));
    },
    PATIENCE_MS,
  );

/** The newest run's story, once it is over. Throws with the story so far. */
export const ended = (
  operator: Operator,
  region: string,
  withinMs = PATIENCE_MS,
): Promise<ExplainRegionResponse> =>
  until(
    `the run of ${region} to end`,
    async () => {
      const story = await operator.region().explainRegion({ region });
      if (story.run?.endedAt !== undefined) return story;
      throw new Error(story.records.map(({ kind, says }) => `${kind}: ${says}`).join("\n"));
    },
    withinMs,
  );
