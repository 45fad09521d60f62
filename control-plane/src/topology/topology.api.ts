/** TopologyService: proto message ↔ component. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ComponentSchema, TopologyService } from "@mainstay/proto/gen/mainstay/operator/v1/topology_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { type Duration, SECOND } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import {
  type Component,
  type Criticality,
  moreCritical,
  type RecoveryObjective,
  runsOn,
  strictest,
  type Topology,
} from "./domain/component.js";
import { findImpact, type PlacedNode } from "./domain/find-impact.js";

export interface TopologyApiPorts {
  readonly topology: () => Topology;
  /** The nodes that are enrolled and not revoked. */
  readonly fleet: () => Promise<readonly (PlacedNode & { readonly id: string })[]>;
}

const seconds = (duration: Duration): bigint => BigInt(Math.round(duration / SECOND));

function objectiveToWire({ rto, rpo }: Pick<RecoveryObjective, "rto" | "rpo">) {
  return {
    ...(rto === undefined ? {} : { rtoSeconds: seconds(rto) }),
    ...(rpo === undefined ? {} : { rpoSeconds: seconds(rpo) }),
  };
}

function toWire(
  component: Component,
  fleet: readonly PlacedNode[],
): MessageInitShape<typeof ComponentSchema> {
  return {
    id: component.id,
    title: component.title,
    selector: { ...component.selector },
    dependsOn: [...component.dependsOn],
    criticality: component.criticality,
    nodes: fleet.filter(({ labels }) => runsOn(component, labels)).map(({ name }) => name),
    objectives: component.objectives.map(({ source, rto, rpo }) => ({
      source,
      ...objectiveToWire({ rto, rpo }),
    })),
    ...objectiveToWire(strictest(component)),
  };
}

export function topologyApi({
  topology,
  fleet,
}: TopologyApiPorts): ServiceImplementation<typeof TopologyService, CallContext> {
  return {
    async listComponents() {
      const nodes = await fleet();
      return { components: topology().map((component) => toWire(component, nodes)) };
    },

    async getImpact({ name }) {
      const [components, nodes] = [topology(), await fleet()];
      const component = components.find(({ id }) => id === name);
      const node = nodes.find((one) => one.name === name || one.id === name);
      if (component === undefined && node === undefined) {
        throw new OpsError(
          "NOT_FOUND",
          `impact of "${cleanText(name, 100)}": there is no such component and no such node`,
        );
      }
      const away =
        component === undefined ? components.filter((one) => runsOn(one, node?.labels ?? {})) : [component];
      const affected = findImpact(
        components,
        away.map(({ id }) => id),
      );
      const criticality = [...away, ...affected.map((one) => one.component)].reduce<Criticality | "">(
        (highest, one) => (highest === "" ? one.criticality : moreCritical(highest, one.criticality)),
        "",
      );
      return {
        kind: component === undefined ? "node" : "component",
        name: component?.id ?? node?.name ?? "",
        components: away.map(({ id }) => id),
        affected: affected.map(({ component: one, path }) => ({
          component: toWire(one, nodes),
          path: [...path],
        })),
        criticality,
      };
    },
  };
}
