/**
 * The order of a region plan's steps. What a file says is kept; what a kind of step needs is added; what would be unsafe is
 * refused with the reason: clients that are sent to a region before its data is there write into nothing, or are told that
 * what they stored is gone.
 */
import type { StepKind, StepTarget } from "./region-plan.js";

export interface WrittenStep {
  readonly id: string;
  readonly needs: readonly string[];
  readonly target: StepTarget;
}

export interface OrderFault {
  /** Index of the step. */
  readonly step: number;
  readonly because: string;
}

/** Where data is moved. */
const DATA: readonly StepKind[] = ["fence", "promote", "vault", "redis"];
/** What must be done before a step of a kind may begin, whatever its file says. */
const BEFORE: Readonly<Record<StepKind, readonly StepKind[]>> = {
  fence: [],
  promote: [],
  vault: [],
  redis: [],
  scale: [],
  verify: [...DATA, "scale"],
  traffic: [...DATA, "scale", "verify"],
  status: [...DATA, "scale", "verify", "traffic"],
};

const REASON: Readonly<Partial<Record<StepKind, string>>> = {
  verify: "what is tried from outside before the data is there proves nothing",
  traffic:
    "clients would be sent to a region whose data is not there and verified; DNS comes last, never before data",
  status: "it would say what is not so yet",
};

/** The steps so that what one needs stands before it, each with all that it needs; or what is wrong, step by step. */
export function needsOf(
  written: readonly WrittenStep[],
):
  | { readonly order: readonly { readonly id: string; readonly needs: readonly string[] }[] }
  | { readonly faults: readonly OrderFault[] } {
  const faults: OrderFault[] = [];
  const indexOf = new Map<string, number>();
  written.forEach(({ id }, step) => {
    if (indexOf.has(id)) faults.push({ step, because: `"${id}" is there twice` });
    else indexOf.set(id, step);
  });
  written.forEach((one, step) => {
    for (const needed of one.needs) {
      const at = indexOf.get(needed);
      const other = at === undefined ? undefined : written[at];
      if (other === undefined)
        faults.push({ step, because: `"${one.id}" needs "${needed}", which is not there` });
      else if (BEFORE[other.target.kind].includes(one.target.kind))
        faults.push({ step, because: unsafe(other, one) });
    }
    const late = written
      .slice(step + 1)
      .find((after) => BEFORE[one.target.kind].includes(after.target.kind) && !after.needs.includes(one.id));
    if (late !== undefined) faults.push({ step, because: unsafe(one, late) });
  });
  for (const fault of missing(written)) faults.push(fault);
  if (faults.length > 0) return { faults };
  const needs = new Map(written.map((one) => [one.id, allNeeds(one, written)]));
  return inOrder(written, needs, indexOf);
}

const unsafe = (early: WrittenStep, late: WrittenStep): string =>
  `"${early.id}" (${early.target.kind}) stands before "${late.id}" (${late.target.kind}): ${REASON[early.target.kind] ?? "it comes after it"}`;

/** What no order mends. */
function* missing(written: readonly WrittenStep[]): Iterable<OrderFault> {
  for (const [step, { id, target }] of written.entries()) {
    if (target.kind === "promote" && fenceOf(target.cluster, written) === undefined) {
      const because = `"${id}" promotes "${target.cluster}" and no step fences it: two owners could take writes`;
      yield { step, because };
    }
    if (target.kind === "traffic" && !written.some((one) => one.target.kind === "verify")) {
      yield { step, because: `"${id}" sends clients to what no step has verified from outside` };
    }
  }
}

const fenceOf = (cluster: string, written: readonly WrittenStep[]): WrittenStep | undefined =>
  written.find(({ target }) => target.kind === "fence" && target.cluster === cluster);

function allNeeds({ id, needs, target }: WrittenStep, written: readonly WrittenStep[]): readonly string[] {
  const implied = written.filter((one) => one.id !== id && BEFORE[target.kind].includes(one.target.kind));
  const fence = target.kind === "promote" ? fenceOf(target.cluster, written) : undefined;
  return [
    ...new Set([...needs, ...(fence === undefined ? [] : [fence.id]), ...implied.map((one) => one.id)]),
  ];
}

/** Depth first in the order of the file; a step that is met while its own needs are looked at closes a cycle. */
function inOrder(
  written: readonly WrittenStep[],
  needs: ReadonlyMap<string, readonly string[]>,
  indexOf: ReadonlyMap<string, number>,
):
  | { readonly order: readonly { readonly id: string; readonly needs: readonly string[] }[] }
  | { readonly faults: readonly OrderFault[] } {
  const order: { readonly id: string; readonly needs: readonly string[] }[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (id: string): readonly string[] | undefined => {
    if (done.has(id)) return undefined;
    const from = path.indexOf(id);
    if (from !== -1) return [...path.slice(from), id];
    path.push(id);
    const own = needs.get(id) ?? [];
    for (const needed of own) {
      const cycle = visit(needed);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(id);
    order.push({ id, needs: own });
    return undefined;
  };
  for (const { id } of written) {
    const cycle = visit(id);
    if (cycle === undefined) continue;
    return {
      faults: [{ step: indexOf.get(cycle[0] ?? "") ?? 0, because: `${cycle.join(" needs ")}: a cycle` }],
    };
  }
  return { order };
}
