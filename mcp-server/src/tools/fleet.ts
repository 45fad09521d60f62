import { z } from "zod";
import {
  certificateSchema,
  LIVENESS,
  nodeSchema,
  processSchema,
  serviceSchema,
} from "../control-plane/fleet.js";
import { count, more, table } from "./answer.js";
import { knownNode } from "./known-node.js";
import { pageInput, readCursor, takeRows } from "./page.js";
import { defineTool } from "./tool.js";

const nodeInput = z.string().min(1).max(128);
const SERVICES_MAX = 60;
const CERTIFICATES_MAX = 20;
const DAY_S = 86_400;

export const fleetTools = [
  defineTool({
    name: "nodes_list",
    toolset: "fleet",
    title: "List nodes",
    description:
      "The nodes by name, each with its liveness and the reason for it. Filter by liveness to find what is lost.",
    input: z.strictObject({
      liveness: z.enum(LIVENESS).optional().describe("only nodes in this state"),
      ...pageInput(50),
    }),
    output: z.object({ nodes: z.array(nodeSchema), next_cursor: z.string().optional() }),
    effect: "read",
    idempotent: true,
    hostMade: ["nodes[].name", "nodes[].hostname", "nodes[].labels", "nodes[].os"],
    async run({ liveness, limit, cursor: given }, { rooms }) {
      const cursor = readCursor(given, limit);
      const page = await rooms.fleet.listNodes({ size: cursor.size, token: cursor.token }, liveness);
      const { rows, nextCursor } = takeRows(page.rows, cursor, page.nextToken);
      return {
        structured: { nodes: rows, ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }) },
        summary: `${count(rows.length, "node")}${liveness === undefined ? "" : ` that are ${liveness}`}.${more(nextCursor)}`,
        data: table(rows, {
          name: (row) => row.name,
          liveness: (row) => row.liveness,
          because: (row) => row.because,
          last_heard_at: (row) => row.last_heard_at,
          os: (row) => row.os,
          node_id: (row) => row.node_id,
        }),
      };
    },
  }),
  defineTool({
    name: "node_get",
    toolset: "fleet",
    title: "Get a node",
    description:
      "One node by name or id: liveness and why, labels, the actions its agent offers (for remediation_request), services, certificates and the processes that use most.",
    input: z.strictObject({ node: nodeInput.describe("name or id") }),
    output: z.object({
      node: nodeSchema,
      services: z.array(serviceSchema),
      services_left_out: z.number(),
      certificates: z.array(certificateSchema),
      certificates_left_out: z.number(),
      processes: z.array(processSchema),
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
    async run({ node: wanted }, { rooms }) {
      const { node, certificates, services, processes } = await knownNode(rooms, wanted);
      // What is broken is wanted first, and is what must not fall to the bound.
      const ranked = [...services].sort(
        (a, b) => Number(b.active === "failed") - Number(a.active === "failed"),
      );
      const structured = {
        node,
        services: ranked.slice(0, SERVICES_MAX),
        services_left_out: Math.max(0, services.length - SERVICES_MAX),
        certificates: certificates.slice(0, CERTIFICATES_MAX),
        certificates_left_out: Math.max(0, certificates.length - CERTIFICATES_MAX),
        processes: processes.slice(0, 20),
      };
      const failed = services.filter((service) => service.active === "failed").length;
      return {
        structured,
        summary: `Node ${JSON.stringify(node.name)} is ${node.liveness}. ${count(services.length, "service")}, ${failed} failed; ${count(certificates.length, "certificate")}. Actions offered: ${node.actions.join(", ") || "none"}.`,
        data: [
          `${node.liveness}: ${node.because ?? ""} last heard ${node.last_heard_at ?? "never"}; ${node.hostname ?? ""} ${node.os ?? ""} agent ${node.agent_version ?? "?"}`,
          table(Object.entries(node.labels), { label: ([label]) => label, value: ([, value]) => value }),
          table(structured.services, { service: (s) => s.name, active: (s) => s.active, sub: (s) => s.sub }),
          table(structured.processes, {
            process: (p) => p.name,
            pid: (p) => p.pid,
            cpu: (p) => p.cpu_ratio.toFixed(3),
            resident_bytes: (p) => p.resident_bytes,
            user: (p) => p.user,
          }),
          table(structured.certificates, {
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
    description:
      "Certificates found on the fleet, soonest expiry first, with where each was found and what is wrong with it. expires_within_days narrows to those that die soon (expired ones among them).",
    input: z.strictObject({
      node: nodeInput.optional().describe("only this node's, by name or id"),
      expires_within_days: z.number().min(0.01).max(36_500).optional(),
      ...pageInput(50),
    }),
    output: z.object({ certificates: z.array(certificateSchema), next_cursor: z.string().optional() }),
    effect: "read",
    idempotent: true,
    hostMade: ["certificates"],
    async run({ node, expires_within_days: days, limit, cursor: given }, { rooms, now }) {
      const cursor = readCursor(given, limit);
      const nodeId = node === undefined ? "" : (await knownNode(rooms, node)).node.node_id;
      const page = await rooms.fleet.listCertificates(
        { size: cursor.size, token: cursor.token },
        { nodeId, expiresWithinSeconds: days === undefined ? 0 : Math.ceil(days * DAY_S) },
      );
      const { rows, nextCursor } = takeRows(page.rows, cursor, page.nextToken);
      const daysLeft = (until: string | undefined): string | undefined =>
        until === undefined ? undefined : ((Date.parse(until) - now) / 1_000 / DAY_S).toFixed(1);
      return {
        structured: { certificates: rows, ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }) },
        summary: `${count(rows.length, "certificate")}, soonest expiry first.${more(nextCursor)}`,
        data: table(rows, {
          days_left: (row) => daysLeft(row.not_after),
          node: (row) => row.node,
          subject: (row) => row.subject,
          source: (row) => row.source,
          not_after: (row) => row.not_after,
          fault: (row) => row.verification_error ?? row.read_error,
        }),
      };
    },
  }),
];
