/** The parts of the house: what runs where, what needs what, and how long each may be away. */
import { z } from "zod";
import type { Labels } from "../../kernel/labels.js";
import { type Duration, HOUR, MINUTE, parseDuration } from "../../kernel/time.js";
import { WINDOW, type Window } from "../../kernel/window.js";

/** From what matters least to what matters most. */
export const CRITICALITIES = ["low", "medium", "high", "critical"] as const;
export type Criticality = (typeof CRITICALITIES)[number];

/** A recovery objective as one source states it. */
export interface RecoveryObjective {
  readonly source: string;
  /** How long it may be away. */
  readonly rto: Duration | undefined;
  /** How much of what was written may be lost, as time. */
  readonly rpo: Duration | undefined;
}

export interface Component {
  readonly id: string;
  readonly title: string;
  /** Labels that its nodes have; undefined when it runs on no node of ours. */
  readonly selector: Labels | undefined;
  /** Ids of the components it needs. */
  readonly dependsOn: readonly string[];
  readonly criticality: Criticality;
  readonly objectives: readonly RecoveryObjective[];
  /** What is drilled with it, and how often at least. @default nothing */
  readonly drills?: readonly ComponentDrill[];
}

/** What can be drilled: its cluster changes its owner as planned; a backup of it is restored beside it and looked at. */
export const DRILL_KINDS = ["switchover", "restore"] as const;

export interface ComponentDrill {
  readonly kind: (typeof DRILL_KINDS)[number];
  readonly every: Duration;
  /** Begun by the control plane when it is due. A restore is by default; a switchover only when it is said, with windows. */
  readonly byItself: boolean;
  /** It begins by itself only within one of these; at any time when there is none. */
  readonly windows: readonly Window[];
  /** It is called off after so long. */
  readonly atMost: Duration;
  /** Of a restore: the node whose agent does it, and the repository as that node's own policy names it. */
  readonly restore: RestoreDrillTarget | undefined;
}

export interface RestoreDrillTarget {
  readonly node: string;
  readonly repository: string;
  /** The newest moment that can be restored, or any one since the last backup, another each time. */
  readonly to: "newest" | "any";
}

/** Dependencies stand before what depends on them. */
export type Topology = readonly Component[];

const COMPONENTS_MAX = 500;

const DURATION = z.string().transform((value, context) => {
  const duration = parseDuration(value);
  if (duration !== undefined) return duration;
  context.addIssue({ code: "custom", message: `not a duration: "${value}", expected such as 30s, 5m or 1h` });
  return z.NEVER;
});

const BEGINS = z.enum(["by-itself", "by-a-person"]);
const DRILL = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("switchover"),
      every: DURATION,
      begins: BEGINS.default("by-a-person"),
      windows: z.array(WINDOW).max(20).default([]),
      atMost: DURATION.default(15 * MINUTE),
    }),
    z.strictObject({
      kind: z.literal("restore"),
      every: DURATION,
      begins: BEGINS.default("by-itself"),
      windows: z.array(WINDOW).max(20).default([]),
      atMost: DURATION.default(2 * HOUR),
      node: z.string().min(1).max(63),
      repository: z.string().min(1).max(63),
      to: z.enum(["newest", "any"]).default("newest"),
    }),
  ])
  .refine(
    ({ kind, begins, windows }) => kind !== "switchover" || begins !== "by-itself" || windows.length > 0,
    { message: "a switchover that begins by itself needs windows: writes stand still for a moment" },
  );

const toDrill = (drill: z.infer<typeof DRILL>): ComponentDrill => ({
  kind: drill.kind,
  every: drill.every,
  byItself: drill.begins === "by-itself",
  windows: drill.windows,
  atMost: drill.atMost,
  restore:
    drill.kind === "restore" ? { node: drill.node, repository: drill.repository, to: drill.to } : undefined,
});

const COMPONENT = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "expected a name of a-z, 0-9 and -, at most 63 characters"),
  title: z.string().min(1).max(200).optional(),
  selector: z.record(z.string(), z.string()).optional(),
  dependsOn: z.array(z.string()).max(100).default([]),
  criticality: z.enum(CRITICALITIES),
  objectives: z
    .array(
      z.strictObject({
        source: z.string().min(1).max(200),
        rto: DURATION.optional(),
        rpo: DURATION.optional(),
      }),
    )
    .max(10)
    .default([]),
  drills: z.array(DRILL).max(10).default([]),
});

const FILE = z.strictObject({ components: z.array(COMPONENT).max(COMPONENTS_MAX).default([]) });

/**
 * A components file's content. Faults are an unknown field or value, an id that is there twice, a dependency on what
 * is not there, and a cycle, with its path.
 */
export function parseComponents(
  content: unknown,
  lineOf: (path: readonly (string | number)[]) => number,
): { readonly value: Topology } | { readonly faults: readonly string[] } {
  const parsed = FILE.safeParse(content ?? {});
  if (!parsed.success) {
    return {
      faults: parsed.error.issues.map((issue) => {
        const path = issue.path as (string | number)[];
        return `${lineOf(path)}: ${path.join(".") || "the file"}: ${issue.message}`;
      }),
    };
  }
  const components = parsed.data.components.map(
    ({ id, title, selector, dependsOn, criticality, objectives, drills }): Component => ({
      id,
      title: title ?? id,
      selector,
      dependsOn,
      criticality,
      objectives: objectives.map(({ source, rto, rpo }) => ({ source, rto, rpo })),
      ...(drills.length === 0 ? {} : { drills: drills.map(toDrill) }),
    }),
  );
  const faults: string[] = [];
  const byId = new Map<string, Component>();
  components.forEach((component, index) => {
    const at = lineOf(["components", index]);
    if (byId.has(component.id))
      faults.push(`${at}: components.${index}.id: "${component.id}" is there twice`);
    byId.set(component.id, component);
    const drills = (component.drills ?? []).map(({ kind, restore }) => JSON.stringify([kind, restore]));
    if (new Set(drills).size < drills.length)
      faults.push(`${at}: components.${index}.drills: "${component.id}" has the same drill twice`);
    if (component.selector !== undefined && Object.keys(component.selector).length === 0)
      faults.push(`${at}: components.${index}.selector: names no label and would select every node`);
  });
  components.forEach(({ id, dependsOn }, index) => {
    for (const needed of dependsOn) {
      if (byId.has(needed)) continue;
      const at = lineOf(["components", index, "dependsOn"]);
      faults.push(`${at}: components.${index}.dependsOn: "${id}" needs "${needed}", which is not there`);
    }
  });
  if (faults.length > 0) return { faults };
  const ordered = inOrder(components, byId);
  if ("cycle" in ordered) {
    const index = components.findIndex(({ id }) => id === ordered.cycle[0]);
    return {
      faults: [
        `${lineOf(["components", index])}: components.${index}.dependsOn: ${ordered.cycle.join(" needs ")}: a cycle`,
      ],
    };
  }
  return { value: ordered.topology };
}

/** Depth first; a component that is met while its own dependencies are looked at closes a cycle. */
function inOrder(
  components: readonly Component[],
  byId: ReadonlyMap<string, Component>,
): { readonly topology: Topology } | { readonly cycle: readonly string[] } {
  const done = new Set<string>();
  const topology: Component[] = [];
  const path: string[] = [];
  const visit = (component: Component): readonly string[] | undefined => {
    if (done.has(component.id)) return undefined;
    const from = path.indexOf(component.id);
    if (from !== -1) return [...path.slice(from), component.id];
    path.push(component.id);
    for (const needed of component.dependsOn) {
      const next = byId.get(needed);
      const cycle = next && visit(next);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(component.id);
    topology.push(component);
    return undefined;
  };
  for (const component of components) {
    const cycle = visit(component);
    if (cycle !== undefined) return { cycle };
  }
  return { topology };
}

/** The objective that counts where sources disagree: of each number the strictest. */
export function strictest(component: Component): Pick<RecoveryObjective, "rto" | "rpo"> {
  const least = (of: "rto" | "rpo"): Duration | undefined =>
    component.objectives.reduce<Duration | undefined>(
      (best, objective) =>
        objective[of] === undefined || (best !== undefined && best <= objective[of]) ? best : objective[of],
      undefined,
    );
  return { rto: least("rto"), rpo: least("rpo") };
}

/** Whether a component runs on a node with these labels. */
export function runsOn({ selector }: Component, labels: Labels): boolean {
  return selector !== undefined && Object.entries(selector).every(([name, value]) => labels[name] === value);
}

/** The higher of two. */
export function moreCritical(a: Criticality, b: Criticality): Criticality {
  return CRITICALITIES.indexOf(a) >= CRITICALITIES.indexOf(b) ? a : b;
}
