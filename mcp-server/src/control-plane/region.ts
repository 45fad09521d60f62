/** Regions as the control plane tells of them: how their parts stand, and what a move of one did. */
import type {
  MeasuredComponent,
  RegionRunView,
  RegionService,
  RegionStepView,
  RegionView,
} from "@mainstay/proto/gen/mainstay/operator/v1/region_pb";
import { z } from "zod";
import { cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { defined, isoOf, textOf } from "./wire.js";

const stepSchema = z.object({
  step: z.string(),
  kind: z.string(),
  state: z.string().optional(),
  needs: z.array(z.string()),
  budget_ms: z.number(),
  took_ms: z.number().optional(),
  here: z.string(),
  there: z.string(),
  missing_ms: z.number().optional(),
  missing_unknown: z.boolean(),
  rpo_ms: z.number().optional(),
  because: z.string().optional(),
});

export const regionRunSchema = z.object({
  region: z.string(),
  run: z.number(),
  phase: z.string(),
  started_at: z.string().optional(),
  ended_at: z.string().optional(),
  requested_by: z.string(),
  asks: z.string().optional(),
  over_budget: z.array(z.string()),
  took_ms: z.number().optional(),
});

export const regionSchema = z.object({
  region: z.string(),
  to: z.string(),
  rto_ms: z.number(),
  steps: z.array(stepSchema),
  run: regionRunSchema.optional(),
});
export type RegionAnswer = z.infer<typeof regionSchema>;

export const measuredSchema = z.object({
  component: z.string(),
  away_ms: z.number().optional(),
  rto_ms: z.number().optional(),
  missing_ms: z.number().optional(),
  missing_unknown: z.boolean(),
  rpo_ms: z.number().optional(),
  verdict: z.string(),
});

export interface RegionStory {
  readonly run: z.infer<typeof regionRunSchema>;
  readonly records: readonly {
    readonly at?: string | undefined;
    readonly kind: string;
    readonly says?: string | undefined;
  }[];
  readonly components: readonly z.infer<typeof measuredSchema>[];
}

const ROWS_MAX = 200;
const NAME_MAX = 80;
const name = (text: string): string => cleanLine(text, NAME_MAX);
const number = (value: bigint | undefined): number | undefined =>
  value === undefined ? undefined : Number(value);

export function regionRoom(line: Line<typeof RegionService>) {
  return {
    async regions(): Promise<readonly RegionAnswer[]> {
      const { regions } = await line.ask((to, how) => to.listRegions({}, how));
      return regions.slice(0, ROWS_MAX).map(regionView);
    },
    /** The newest when `run` is 0. */
    async explain(region: string, run: number): Promise<RegionStory> {
      const ask = { region, epoch: BigInt(run) };
      const answer = await line.ask((to, how) => to.explainRegion(ask, how));
      return {
        run:
          answer.run === undefined
            ? { region, run, phase: "unknown", requested_by: "unknown", over_budget: [] }
            : runView(answer.run),
        records: answer.records.slice(0, ROWS_MAX).map((record) => ({
          at: isoOf(record.at),
          kind: name(record.kind),
          says: textOf(record.says),
        })),
        components: answer.components.slice(0, ROWS_MAX).map(measuredView),
      };
    },
  };
}

function regionView(one: RegionView): RegionAnswer {
  return defined({
    region: name(one.region),
    to: name(one.to),
    rto_ms: Number(one.rtoMs),
    steps: one.steps.slice(0, ROWS_MAX).map(stepView),
    run: one.run === undefined ? undefined : runView(one.run),
  });
}

function stepView(one: RegionStepView): z.infer<typeof stepSchema> {
  return defined({
    step: name(one.step),
    kind: name(one.kind),
    state: textOf(one.state),
    needs: one.needs.map(name),
    budget_ms: Number(one.budgetMs),
    took_ms: number(one.tookMs),
    here: name(one.from),
    there: name(one.to),
    missing_ms: number(one.missingMs),
    missing_unknown: one.missingUnknown,
    rpo_ms: number(one.rpoMs),
    because: textOf(one.because),
  });
}

function runView(one: RegionRunView): z.infer<typeof regionRunSchema> {
  return defined({
    region: name(one.region),
    run: Number(one.epoch),
    phase: name(one.phase),
    started_at: isoOf(one.startedAt),
    ended_at: isoOf(one.endedAt),
    requested_by: name(one.requestedBy),
    asks: textOf(one.asks),
    over_budget: one.overBudget.map(name),
    took_ms: number(one.tookMs),
  });
}

function measuredView(one: MeasuredComponent): z.infer<typeof measuredSchema> {
  return defined({
    component: name(one.component),
    away_ms: number(one.rtoMs),
    rto_ms: number(one.rtoObjectiveMs),
    missing_ms: number(one.missingMs),
    missing_unknown: one.missingUnknown,
    rpo_ms: number(one.rpoObjectiveMs),
    verdict: name(one.verdict),
  });
}
