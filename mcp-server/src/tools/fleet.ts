import { z } from "zod";
import {
  certificateSchema,
  LIVENESS,
  nodeSchema,
  processSchema,
  serviceSchema,
} from "../control-plane/fleet.js";
import { defined } from "../control-plane/wire.js";
import { count, table } from "./answer.js";
import { ROWS_SHARE, rowsWithin, tokensOf } from "./budget.js";
import { knownNode } from "./known-node.js";
import { listed, listInput, listOutput } from "./listed.js";
import { budgetInput } from "./page.js";
import { defineTool } from "./tool.js";

const nodeInput = z.string().min(1).max(128);
const PARTS = ["services", "certificates", "processes"] as const;
type Part = (typeof PARTS)[number];
const PART_MAX = 200;
const DAY_S = 86_400;

export const fleetTools = [
  defineTool({
    name: "nodes_list",
    toolset: "fleet",
    title: "List nodes",
    description: "Nodes by name, each with its liveness and why.",
    input: z.strictObject({
      liveness: z.enum(LIVENESS).optional(),
      ...listInput(50),
    }),
    output: z.object({ nodes: z.array(nodeSchema.partial()), ...listOutput }),
    effect: "read",
    idempotent: true,
    hostMade: ["nodes[].name", "nodes[].hostname", "nodes[].labels", "nodes[].os", "counts"],
    async run(input, { rooms }) {
      const { rows, rest, summary, data } = await listed(
        {
          noun: "node",
          row: nodeSchema,
          page: (ask) => rooms.fleet.listNodes(ask, input.liveness),
          columns: {
            name: (row) => row.name,
            liveness: (row) => row.liveness,
            because: (row) => row.because,
            last_heard_at: (row) => row.last_heard_at,
            os: (row) => row.os,
            node_id: (row) => row.node_id,
          },
        },
        input,
      );
      return { structured: { nodes: rows, ...rest }, summary, data };
    },
  }),
  defineTool({
    name: "node_get",
    toolset: "fleet",
    title: "Get a node",
    description:
      "One node: liveness and why, labels, the actions its agent offers (for change_plan), services (failed first), certificates, the processes that use most.",
    input: z.strictObject({
      node: nodeInput.describe("name or id"),
      fields: z.array(z.enum(PARTS)).optional().describe("only these"),
      ...budgetInput,
    }),
    output: z.object({
      node: nodeSchema,
      services: z.array(serviceSchema).optional(),
      certificates: z.array(certificateSchema).optional(),
      processes: z.array(processSchema).optional(),
      left_out: z.record(z.string(), z.number()),
    }),
    effect: "read",
    idempotent: true,
    hostMade: [
      "node.name",
      "node.hostname",
      "node.labels",
      "node.os",
      "services",
      "certificates",
      "processes",
    ],
    async run({ node: wanted, fields = PARTS, max_tokens: tokens }, { rooms }) {
      const whole = await knownNode(rooms, wanted);
      const { node, certificates, services } = whole;
      // What is broken is wanted first, and is what must not fall to the bound.
      const ranked = [...services].sort(
        (a, b) => Number(b.active === "failed") - Number(a.active === "failed"),
      );
      const share = Math.max(0, tokens * ROWS_SHARE - tokensOf(node)) / fields.length;
      const part = <T>(name: Part, rows: readonly T[]): T[] | undefined =>
        fields.includes(name) ? rowsWithin(rows.slice(0, PART_MAX), share) : undefined;
      const parts = {
        services: part("services", ranked),
        certificates: part("certificates", certificates),
        processes: part("processes", whole.processes),
      };
      const left = PARTS.map((name): [string, number] => [
        name,
        parts[name] === undefined ? 0 : whole[name].length - parts[name].length,
      ]).filter(([, n]) => n > 0);
      const failed = services.filter((service) => service.active === "failed").length;
      return {
        structured: { node, ...defined(parts), left_out: Object.fromEntries(left) },
        summary: `Node ${JSON.stringify(node.name)} is ${node.liveness}. ${count(services.length, "service")}, ${failed} failed; ${count(certificates.length, "certificate")}. Actions offered: ${node.actions.join(", ") || "none"}.${left.map(([name, n]) => ` ${n} ${name} left out: ask with fields [${JSON.stringify(name)}].`).join("")}`,
        data: [
          `${node.liveness}: ${node.because ?? ""} last heard ${node.last_heard_at ?? "never"}; ${node.hostname ?? ""} ${node.os ?? ""} agent ${node.agent_version ?? "?"}`,
          table(Object.entries(node.labels), { label: ([label]) => label, value: ([, value]) => value }),
          table(parts.services ?? [], {
            service: (s) => s.name,
            active: (s) => s.active,
            sub: (s) => s.sub,
          }),
          table(parts.processes ?? [], {
            process: (p) => p.name,
            pid: (p) => p.pid,
            cpu: (p) => p.cpu_ratio.toFixed(3),
            resident_bytes: (p) => p.resident_bytes,
            user: (p) => p.user,
          }),
          table(parts.certificates ?? [], {
            certificate: (c) => c.subject ?? c.source,
            not_after: (c) => c.not_after,
            fault: (c) => c.verification_error ?? c.read_error,
          }),
        ]
          .filter((part) => part !== "")
          .join("\n"),
      };
    },
  }),
  defineTool({
    name: "certificates_list",
    toolset: "certificates",
    title: "List certificates",
    description: "Certificates found on the fleet, soonest expiry first, with what is wrong with each.",
    input: z.strictObject({
      node: nodeInput.optional(),
      expires_within_days: z.number().min(0.01).max(36_500).optional(),
      ...listInput(50),
    }),
    output: z.object({ certificates: z.array(certificateSchema.partial()), ...listOutput }),
    effect: "read",
    idempotent: true,
    hostMade: ["certificates", "counts"],
    async run(input, { rooms, now }) {
      const { node, expires_within_days: days } = input;
      const nodeId = node === undefined ? "" : (await knownNode(rooms, node)).node.node_id;
      const daysLeft = (until: string | undefined): string | undefined =>
        until === undefined ? undefined : ((Date.parse(until) - now) / 1_000 / DAY_S).toFixed(1);
      const { rows, rest, summary, data } = await listed(
        {
          noun: "certificate",
          row: certificateSchema,
          page: (ask) =>
            rooms.fleet.listCertificates(ask, {
              nodeId,
              expiresWithinSeconds: days === undefined ? 0 : Math.ceil(days * DAY_S),
            }),
          columns: {
            days_left: (row) => daysLeft(row.not_after),
            node: (row) => row.node,
            subject: (row) => row.subject,
            source: (row) => row.source,
            not_after: (row) => row.not_after,
            fault: (row) => row.verification_error ?? row.read_error,
          },
        },
        input,
      );
      return { structured: { certificates: rows, ...rest }, summary, data };
    },
  }),
];
