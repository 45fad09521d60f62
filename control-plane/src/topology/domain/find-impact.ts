/** Who is affected when something is away, and how far a change of some nodes may reach. */
import type { Labels } from "../../kernel/labels.js";
import { type Component, type Criticality, moreCritical, runsOn, type Topology } from "./component.js";

export interface Affected {
  readonly component: Component;
  /** From the component that is away to this one. */
  readonly path: readonly string[];
}

/** Components that need any of `away`, directly or through others, nearest first; `away` themselves are not among them. */
export function findImpact(topology: Topology, away: readonly string[]): readonly Affected[] {
  const dependents = new Map<string, Component[]>();
  for (const component of topology) {
    for (const needed of component.dependsOn) {
      const known = dependents.get(needed);
      if (known === undefined) dependents.set(needed, [component]);
      else known.push(component);
    }
  }
  const seen = new Set(away);
  const affected: Affected[] = [];
  let edge: readonly (readonly string[])[] = away.map((id) => [id]);
  while (edge.length > 0) {
    const next: (readonly string[])[] = [];
    for (const path of edge) {
      for (const component of dependents.get(path.at(-1) ?? "") ?? []) {
        if (seen.has(component.id)) continue;
        seen.add(component.id);
        const longer = [...path, component.id];
        affected.push({ component, path: longer });
        next.push(longer);
      }
    }
    edge = next;
  }
  return affected;
}

export interface PlacedNode {
  readonly name: string;
  readonly labels: Labels;
}

/** How far a change of some nodes reaches, if it goes wrong. */
export interface BlastRadius {
  /** Names, in order. */
  readonly nodes: readonly string[];
  /** Ids of components on those nodes. */
  readonly components: readonly string[];
  /** Ids of components that need those, directly or through others. */
  readonly dependents: readonly string[];
  /** 0..1: the largest share that those nodes are of the nodes with the same role; 0 where no node has a role. */
  readonly roleShare: number;
  /** The highest among components and dependents; undefined when there are none. */
  readonly criticality: Criticality | undefined;
}

/** The label that says what a node is for. */
export const ROLE_LABEL = "role";

/** `roleSizes` are how many nodes there are of each role that `targets`, which are acted on, have. */
export function blastRadius(
  topology: Topology,
  roleSizes: ReadonlyMap<string, number>,
  targets: readonly PlacedNode[],
): BlastRadius {
  const on = topology.filter((component) => targets.some(({ labels }) => runsOn(component, labels)));
  const dependents = findImpact(
    topology,
    on.map(({ id }) => id),
  ).map(({ component }) => component);
  return {
    nodes: targets.map(({ name }) => name).sort(),
    components: on.map(({ id }) => id),
    dependents: dependents.map(({ id }) => id),
    roleShare: roleShare(roleSizes, targets),
    criticality: [...on, ...dependents].reduce<Criticality | undefined>(
      (highest, { criticality }) =>
        highest === undefined ? criticality : moreCritical(highest, criticality),
      undefined,
    ),
  };
}

function roleShare(roleSizes: ReadonlyMap<string, number>, targets: readonly PlacedNode[]): number {
  const hit = new Map<string, number>();
  for (const { labels } of targets) {
    const role = labels[ROLE_LABEL];
    if (role !== undefined) hit.set(role, (hit.get(role) ?? 0) + 1);
  }
  const shares = [...hit].map(([role, count]) => Math.min(1, count / (roleSizes.get(role) ?? count)));
  return Math.max(0, ...shares);
}
