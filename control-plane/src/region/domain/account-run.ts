/** A run as its records tell it: what each part took, and how long each component was away, beside its objectives. */
import type { Duration, Instant } from "../../kernel/time.js";
import { strictest, type Topology } from "../../topology/domain/component.js";
import type { CascadeRecord, Missing } from "./cascade.js";
import type { RegionPlan } from "./region-plan.js";
import { tellCascade } from "./tell-cascade.js";

export interface MeasuredComponent {
  readonly component: string;
  /** From the loss until its last step was verified; undefined: not yet. */
  readonly rtoMs: Duration | undefined;
  readonly rtoObjectiveMs: Duration | undefined;
  readonly missingMs: Missing | undefined;
  readonly rpoObjectiveMs: Duration | undefined;
  readonly verdict: "met" | "missed" | "not-measured" | "no-objective";
}

export interface RunAccount {
  readonly outcome: "open" | "closed" | "aborted" | "refused";
  readonly lostAt: Instant;
  readonly startedAt: Instant;
  readonly endedAt: Instant | undefined;
  /** From the loss until all was verified. */
  readonly tookMs: Duration | undefined;
  readonly tookByStep: ReadonlyMap<string, Duration>;
  readonly components: readonly MeasuredComponent[];
  readonly steps: readonly { readonly at: Instant; readonly kind: string; readonly says: string }[];
}

export function accountRun(
  plan: RegionPlan,
  records: readonly CascadeRecord[],
  topology: Topology,
): RunAccount | undefined {
  const begun = records.find((record) => record.kind === "begun");
  if (begun?.kind !== "begun") return undefined;
  const end = records.findLast(({ kind }) => kind === "closed" || kind === "aborted" || kind === "refused");
  const dones = new Map(
    records.flatMap((record) => (record.kind === "done" ? [[record.step, record] as const] : [])),
  );
  const named = [...new Set(plan.steps.flatMap(({ component }) => component ?? []))];
  return {
    outcome: end === undefined ? "open" : (end.kind as "closed" | "aborted" | "refused"),
    lostAt: begun.lostAt,
    startedAt: begun.at,
    endedAt: end?.at,
    tookMs: end?.kind === "closed" ? end.tookMs : undefined,
    tookByStep: new Map([...dones].map(([step, { tookMs }]) => [step, tookMs])),
    components: named.map((component) => measure(component, plan, dones, begun.lostAt, topology)),
    steps: records.map((record) => ({ at: record.at, kind: record.kind, says: tellCascade(record) })),
  };
}

function measure(
  component: string,
  plan: RegionPlan,
  dones: ReadonlyMap<string, Extract<CascadeRecord, { readonly kind: "done" }>>,
  lostAt: Instant,
  topology: Topology,
): MeasuredComponent {
  const known = topology.find(({ id }) => id === component);
  const { rto, rpo } = known === undefined ? { rto: undefined, rpo: undefined } : strictest(known);
  const steps = plan.steps.filter((step) => step.component === component);
  const ended = steps.flatMap(({ id }) => dones.get(id) ?? []);
  const isWhole = ended.length === steps.length;
  const rtoMs = isWhole ? Math.max(...ended.map(({ at }) => at)) - lostAt : undefined;
  const missing = ended.flatMap(({ missingMs }) => (missingMs === undefined ? [] : [missingMs]));
  const missingMs =
    missing.length === 0 ? undefined : missing.includes(null) ? null : Math.max(...missing.map(Number));
  const said = { component, rtoMs, rtoObjectiveMs: rto, missingMs, rpoObjectiveMs: rpo };
  if (rto === undefined && rpo === undefined) return { ...said, verdict: "no-objective" };
  if (rtoMs === undefined) return { ...said, verdict: "not-measured" };
  const isLate = rto !== undefined && rtoMs > rto;
  const isLossy = rpo !== undefined && missingMs !== undefined && (missingMs === null || missingMs > rpo);
  return { ...said, verdict: isLate || isLossy ? "missed" : "met" };
}
