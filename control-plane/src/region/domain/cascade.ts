/**
 * A run of a region plan: the records that are written before anything is done, and what they add up to. Nothing else of
 * a run outlives the process that drives it.
 *
 * A step goes `waiting`, `acting` (written before it is done; done again it changes nothing), `verifying`, `done`.
 */
import type { Duration, Instant } from "../../kernel/time.js";
import type { RegionPlan, RegionStep } from "./region-plan.js";

export type StepState =
  | { readonly kind: "waiting" }
  | { readonly kind: "acting"; readonly at: Instant }
  | { readonly kind: "verifying"; readonly at: Instant }
  | { readonly kind: "done"; readonly at: Instant };

/** What a person is asked: `loss`, more than the RPO may be lost, or nothing tells how much; `evidence`, what is seen contradicts itself. */
export interface Question {
  readonly step: string;
  readonly about: "budget" | "loss" | "evidence" | "policy";
  readonly says: string;
}

export type RunPhase = "awaiting-approval" | "running" | "closed" | "aborted" | "refused";

/** At most so much of what was written is missing, as time; null: nothing tells. */
export type Missing = Duration | null;

export type CascadeRecord = { readonly at: Instant } & (
  | {
      readonly kind: "begun";
      readonly by: string;
      readonly reason: string;
      readonly planHash: string;
      /** Since when the region is lost by what was seen, or when a planned move began. */
      readonly lostAt: Instant;
      /** The steps whose part in the region was lost. */
      readonly lost: readonly string[];
      /** Why another person must agree; empty when nobody has to. Who agrees says yes to each. */
      readonly doubts: readonly Question[];
    }
  | { readonly kind: "approved"; readonly by: string; readonly reason: string }
  | { readonly kind: "refused"; readonly by: string; readonly reason: string }
  /** `missingMs` is absent where nothing can be. */
  | { readonly kind: "acting"; readonly step: string; readonly because: string; readonly missingMs?: Missing }
  | { readonly kind: "acted"; readonly step: string; readonly because: string }
  | { readonly kind: "failed"; readonly step: string; readonly because: string }
  | {
      readonly kind: "done";
      readonly step: string;
      readonly because: string;
      /** From when it could begin. */
      readonly tookMs: Duration;
      readonly missingMs?: Missing;
    }
  | {
      readonly kind: "over-budget";
      readonly step: string;
      readonly spentMs: Duration;
      readonly budgetMs: Duration;
    }
  | { readonly kind: "over-rto"; readonly spentMs: Duration; readonly rtoMs: Duration }
  | ({ readonly kind: "asked" } & Question)
  | { readonly kind: "answered"; readonly by: string; readonly reason: string }
  | { readonly kind: "withdrawn"; readonly because: string }
  | {
      readonly kind: "aborted";
      readonly by: string;
      readonly because: string;
      readonly done: readonly string[];
      /** Begun and not verified: they may be here or there. */
      readonly underWay: readonly string[];
      readonly left: readonly string[];
    }
  | { readonly kind: "closed"; readonly tookMs: Duration }
);

export interface CascadeState {
  readonly phase: RunPhase;
  readonly lostAt: Instant;
  /** When steps could begin: when it was begun, or approved. */
  readonly goAt: Instant;
  readonly steps: Readonly<Record<string, StepState>>;
  readonly missing: Readonly<Record<string, Missing>>;
  readonly lost: readonly string[];
  readonly doubts: readonly Question[];
  readonly question: Question | null;
  /** `step about`: what a person has said yes to. */
  readonly accepted: readonly string[];
  readonly overBudget: readonly string[];
  readonly overRto: boolean;
  /** Why each last failed, and how often that was written down. */
  readonly failures: Readonly<Record<string, { readonly because: string; readonly told: number }>>;
}

export const FIRST: CascadeState = {
  phase: "running",
  lostAt: 0,
  goAt: 0,
  steps: {},
  missing: {},
  lost: [],
  doubts: [],
  question: null,
  accepted: [],
  overBudget: [],
  overRto: false,
  failures: {},
};

export const acceptance = (step: string, about: Question["about"]): string => `${step} ${about}`;

export const stepState = (state: CascadeState, step: string): StepState =>
  state.steps[step] ?? { kind: "waiting" };

export const isOver = ({ phase }: CascadeState): boolean =>
  phase === "closed" || phase === "aborted" || phase === "refused";

export const isDone = (state: CascadeState, step: string): boolean => stepState(state, step).kind === "done";

/** When all that it needs was done; undefined before. */
export function readyAt(state: CascadeState, { needs }: RegionStep): Instant | undefined {
  let ready = state.goAt;
  for (const needed of needs) {
    const other = stepState(state, needed);
    if (other.kind !== "done") return undefined;
    ready = Math.max(ready, other.at);
  }
  return ready;
}

/** What the records add up to. */
export function applyRecord(state: CascadeState, record: CascadeRecord): CascadeState {
  const { at } = record;
  const step = (id: string, next: StepState): CascadeState["steps"] => ({ ...state.steps, [id]: next });
  switch (record.kind) {
    case "begun":
      return {
        ...state,
        phase: record.doubts.length > 0 ? "awaiting-approval" : "running",
        lostAt: record.lostAt,
        goAt: at,
        lost: record.lost,
        doubts: record.doubts,
      };
    case "approved":
      return {
        ...state,
        phase: "running",
        goAt: at,
        accepted: state.doubts.map(({ step, about }) => acceptance(step, about)),
      };
    case "refused":
      return { ...state, phase: "refused", question: null };
    case "acting":
      return {
        ...state,
        steps: step(record.step, { kind: "acting", at }),
        // When it is begun again, what was known of it before the first time counts: by now it may have changed itself.
        missing:
          record.missingMs === undefined || record.step in state.missing
            ? state.missing
            : { ...state.missing, [record.step]: record.missingMs },
      };
    case "acted":
      return { ...state, steps: step(record.step, { kind: "verifying", at }) };
    case "failed": {
      const told = (state.failures[record.step]?.told ?? 0) + 1;
      return {
        ...state,
        failures: { ...state.failures, [record.step]: { because: record.because, told } },
      };
    }
    case "done":
      return { ...state, steps: step(record.step, { kind: "done", at }) };
    case "over-budget":
      return { ...state, overBudget: [...state.overBudget, record.step] };
    case "over-rto":
      return { ...state, overRto: true };
    case "asked":
      return { ...state, question: { step: record.step, about: record.about, says: record.says } };
    case "answered":
      return state.question === null
        ? state
        : {
            ...state,
            question: null,
            accepted: [...state.accepted, acceptance(state.question.step, state.question.about)],
          };
    case "withdrawn":
      return { ...state, question: null };
    case "aborted":
      return { ...state, phase: "aborted", question: null };
    case "closed":
      return { ...state, phase: "closed", question: null };
  }
}

/** The steps of a plan by how far they are. */
export function sortSteps(
  plan: RegionPlan,
  state: CascadeState,
): { readonly done: string[]; readonly underWay: string[]; readonly left: string[] } {
  const of = (...kinds: StepState["kind"][]): string[] =>
    plan.steps.filter(({ id }) => kinds.includes(stepState(state, id).kind)).map(({ id }) => id);
  return { done: of("done"), underWay: of("acting", "verifying"), left: of("waiting") };
}
