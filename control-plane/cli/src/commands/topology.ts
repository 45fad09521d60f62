/** What the house is made of, and who is affected when something is away. */
import { toJson } from "@bufbuild/protobuf";
import {
  type Component,
  GetImpactResponseSchema,
  ListComponentsResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/topology_pb";
import { formatDuration } from "#src/kernel/time";
import type { Command, Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { labelsText, printable, render, table } from "../output.js";

const durationText = (seconds: bigint | undefined): string =>
  seconds === undefined ? "-" : formatDuration(Number(seconds) * 1_000);

/** The objective that counts, and what else is said where sources disagree. */
function objectiveText(component: Component, of: "rtoSeconds" | "rpoSeconds"): string {
  const stated = component.objectives.flatMap((objective) => objective[of] ?? []);
  const others = [...new Set(stated)].filter((seconds) => seconds !== component[of]).map(durationText);
  return [durationText(component[of]), ...(others.length === 0 ? [] : [`(also ${others.join(", ")})`])].join(
    " ",
  );
}

async function list({ controlPlane, form, write }: Invocation): Promise<ExitCode> {
  const { topology } = await controlPlane();
  const answer = await topology.listComponents({});
  write(
    render(form, toJson(ListComponentsResponseSchema, answer), () =>
      table(
        ["ID", "CRITICALITY", "NEEDS", "NODES", "RTO", "RPO", "SELECTOR"],
        answer.components.map((component) => [
          component.id,
          component.criticality,
          component.dependsOn.join(", ") || "-",
          component.nodes.join(", ") || "-",
          objectiveText(component, "rtoSeconds"),
          objectiveText(component, "rpoSeconds"),
          labelsText(component.selector),
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

async function impact({ controlPlane, positionals, form, write }: Invocation): Promise<ExitCode> {
  const { topology } = await controlPlane();
  const answer = await topology.getImpact({ name: positionals[0] ?? "" });
  write(
    render(form, toJson(GetImpactResponseSchema, answer), () => {
      const on =
        answer.kind === "node" ? `, with ${answer.components.join(", ") || "no component"} on it` : "";
      const head = printable(`When ${answer.kind} ${answer.name}${on} is away:`);
      if (answer.affected.length === 0) return `${head} nothing else is affected.`;
      const rows = answer.affected.map(({ component, path }) => [
        component?.id ?? "",
        component?.criticality ?? "",
        component === undefined ? "-" : durationText(component.rtoSeconds),
        path.join(" → "),
      ]);
      return `${head}\n${table(["AFFECTED", "CRITICALITY", "RTO", "THROUGH"], rows)}`;
    }),
  );
  return EXIT.ok;
}

const NONE = { options: {}, help: "" } as const;

export const topologyCommands: readonly Command[] = [
  {
    name: "components",
    usage: "",
    summary: "What the house is made of, what needs what, and how long each may be away.",
    ...NONE,
    positionals: { least: 0, most: 0 },
    run: list,
  },
  {
    name: "impact",
    usage: "COMPONENT|NODE",
    summary: "Who is affected when a component or a node is away.",
    ...NONE,
    positionals: { least: 1, most: 1 },
    run: impact,
  },
];
