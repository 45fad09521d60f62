/** Nodes and what is on them, as the control plane tells it: plain values, every text cleaned. */
import {
  type FleetService,
  type FoundCertificate,
  Liveness,
  type Node,
} from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { z } from "zod";
import { cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { cleanMap, defined, isoOf, nameOf, textOf } from "./wire.js";

export const LIVENESS = ["live", "late", "lost", "revoked", "never_seen"] as const;

export const nodeSchema = z.object({
  node_id: z.string(),
  name: z.string(),
  hostname: z.string().optional(),
  liveness: z.string(),
  because: z.string().optional(),
  last_heard_at: z.string().optional(),
  enrolled_at: z.string().optional(),
  certificate_expires_at: z.string().optional(),
  agent_version: z.string().optional(),
  os: z.string().optional(),
  labels: z.record(z.string(), z.string()),
  actions: z.array(z.string()),
});
export type NodeView = z.infer<typeof nodeSchema>;

export const certificateSchema = z.object({
  node_id: z.string(),
  node: z.string(),
  source: z.string(),
  subject: z.string().optional(),
  issuer: z.string().optional(),
  names: z.array(z.string()),
  not_before: z.string().optional(),
  not_after: z.string().optional(),
  chain_index: z.number(),
  verification_error: z.string().optional(),
  read_error: z.string().optional(),
  fingerprint: z.string().optional(),
});
export type CertificateView = z.infer<typeof certificateSchema>;

export const serviceSchema = z.object({ name: z.string(), active: z.string(), sub: z.string() });
export const processSchema = z.object({
  pid: z.number(),
  name: z.string(),
  cpu_ratio: z.number(),
  resident_bytes: z.number(),
  user: z.string().optional(),
});

export const nodeWholeSchema = z.object({
  node: nodeSchema,
  certificates: z.array(certificateSchema),
  services: z.array(serviceSchema),
  processes: z.array(processSchema),
});
export type NodeWholeView = z.infer<typeof nodeWholeSchema>;

export interface PageAsk {
  readonly size: number;
  /** Empty: the first page. */
  readonly token: string;
}
export interface Page<T> {
  readonly rows: readonly T[];
  /** Empty: there is no more. */
  readonly nextToken: string;
}

const NAME_MAX = 128;
const NAMES_MAX = 20;

export function fleetRoom(line: Line<typeof FleetService>) {
  return {
    async listNodes(
      page: PageAsk,
      liveness?: (typeof LIVENESS)[number] | undefined,
    ): Promise<Page<NodeView>> {
      const answer = await line.ask((to, how) =>
        to.listNodes({ page, liveness: liveness === undefined ? Liveness.UNSPECIFIED : WIRE[liveness] }, how),
      );
      return { rows: answer.nodes.map(nodeView), nextToken: answer.nextToken };
    },
    /** By id or name. Throws NOT_FOUND. */
    async getNode(node: string): Promise<NodeWholeView> {
      const answer = await line.ask((to, how) => to.getNode({ nodeId: node }, how));
      return {
        node: nodeView(answer.node),
        certificates: answer.certificates.map(certificateView),
        services: answer.services.map((service) => ({
          name: cleanLine(service.name, NAME_MAX),
          active: cleanLine(service.activeState, 32),
          sub: cleanLine(service.subState, 32),
        })),
        processes: answer.processes.map((process) =>
          defined({
            pid: process.pid,
            name: cleanLine(process.name, NAME_MAX),
            cpu_ratio: finite(process.cpuRatio),
            resident_bytes: Number(process.residentBytes),
            user: textOf(process.user, NAME_MAX),
          }),
        ),
      };
    },
    async listCertificates(
      page: PageAsk,
      filter: { readonly nodeId: string; readonly expiresWithinSeconds: number },
    ): Promise<Page<CertificateView>> {
      const expiresWithinSeconds = BigInt(filter.expiresWithinSeconds);
      const answer = await line.ask((to, how) =>
        to.listCertificates({ page, nodeId: filter.nodeId, expiresWithinSeconds }, how),
      );
      return { rows: answer.certificates.map(certificateView), nextToken: answer.nextToken };
    },
  };
}

const WIRE: Readonly<Record<(typeof LIVENESS)[number], Liveness>> = {
  live: Liveness.LIVE,
  late: Liveness.LATE,
  lost: Liveness.LOST,
  revoked: Liveness.REVOKED,
  never_seen: Liveness.NEVER_SEEN,
};

function nodeView(node: Node | undefined): NodeView {
  return defined({
    node_id: cleanLine(node?.nodeId ?? "", NAME_MAX),
    name: cleanLine(node?.name ?? "", NAME_MAX),
    hostname: textOf(node?.hostname, NAME_MAX),
    liveness: nameOf(Liveness, node?.liveness ?? 0),
    because: textOf(node?.livenessBecause),
    last_heard_at: isoOf(node?.lastHeardAt),
    enrolled_at: isoOf(node?.enrolledAt),
    certificate_expires_at: isoOf(node?.certificateExpiresAt),
    agent_version: textOf(node?.agentVersion, 40),
    os: textOf(node?.os, NAME_MAX),
    labels: cleanMap(node?.labels ?? {}),
    actions: (node?.actions ?? []).slice(0, NAMES_MAX).map((action) => cleanLine(action, NAME_MAX)),
  });
}

function certificateView(found: FoundCertificate): CertificateView {
  return defined({
    node_id: cleanLine(found.nodeId, NAME_MAX),
    node: cleanLine(found.nodeName, NAME_MAX),
    source: cleanLine(found.source, 300),
    subject: textOf(found.subject),
    issuer: textOf(found.issuer),
    names: found.names.slice(0, NAMES_MAX).map((name) => cleanLine(name, NAME_MAX)),
    not_before: isoOf(found.notBefore),
    not_after: isoOf(found.notAfter),
    chain_index: found.chainIndex,
    verification_error: textOf(found.verificationError),
    read_error: textOf(found.readError),
    fingerprint: textOf(found.fingerprint, 100),
  });
}

/** JSON has no NaN and no infinities. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
