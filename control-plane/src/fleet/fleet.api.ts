/** FleetService: proto message ↔ nodes and what is on them. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type FleetService,
  type FoundCertificateSchema,
  type NodeSchema,
  Liveness as WireLiveness,
} from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { z } from "zod";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { type Instant, SECOND } from "../kernel/time.js";
import { formatTraceparent } from "../kernel/trace.js";
import type { CallContext } from "../platform/call.js";
import type { Database } from "../platform/postgres/database.js";
import { findNode, listNodes } from "./agents.store.js";
import type { Liveness, Node } from "./domain/agent.js";
import { lostBecause } from "./domain/judge-liveness.js";
import { type EnrolmentDeps, makeJoinToken } from "./enroll-agent.js";
import { listCertificates, type PlacedCertificate, readHostState } from "./inventory.store.js";
import { formatPageToken, pageSize, parsePageToken } from "./page-token.js";
import { revoke } from "./revoke-node.js";
import type { Sessions } from "./sessions.js";

/** Certificates shown with one node; ListCertificates pages through more. */
const CERTIFICATES_OF_NODE_MAX = 1_000;

const TO_WIRE: Readonly<Record<Liveness, WireLiveness>> = {
  live: WireLiveness.LIVE,
  late: WireLiveness.LATE,
  lost: WireLiveness.LOST,
  revoked: WireLiveness.REVOKED,
  "never-seen": WireLiveness.NEVER_SEEN,
};
const FROM_WIRE = new Map(Object.entries(TO_WIRE).map(([liveness, wire]) => [wire, liveness as Liveness]));

const NODE_PLACE = z.object({ name: z.string(), nodeId: z.string() });
const CERTIFICATE_PLACE = z.object({
  // Beyond these PostgreSQL and JavaScript do not agree on what an instant is.
  notAfter: z.number().min(0).max(253_402_300_799_999).nullable(),
  nodeId: z.string(),
  position: z.int32(),
});

export interface FleetApiDeps extends EnrolmentDeps {
  readonly database: Database;
  readonly sessions: Sessions;
}

export function fleetApi(deps: FleetApiDeps): ServiceImplementation<typeof FleetService, CallContext> {
  const { database, sessions, system } = deps;

  const toWire = (node: Node): MessageInitShape<typeof NodeSchema> => {
    const heardAt = sessions.get(node.nodeId)?.heardAt ?? node.heardAt;
    return {
      nodeId: node.nodeId,
      name: node.name,
      hostname: node.hostname,
      liveness: TO_WIRE[node.liveness],
      livenessBecause:
        node.liveness === "lost"
          ? lostBecause(node.livenessBecause, node.certificateExpiresAt, system.clock.now())
          : node.livenessBecause,
      ...(heardAt === undefined ? {} : { lastHeardAt: timestampFromMs(heardAt) }),
      enrolledAt: timestampFromMs(node.enrolledAt),
      ...(node.certificateExpiresAt === undefined
        ? {}
        : { certificateExpiresAt: timestampFromMs(node.certificateExpiresAt) }),
      agentVersion: node.agentVersion,
      labels: { ...node.labels },
      actions: [...node.actions],
      sessionGeneration: BigInt(node.sessionGeneration),
      os: node.os,
    };
  };

  const find = async (idOrName: string): Promise<Node> => {
    const node = await findNode(database, idOrName);
    if (node === undefined) {
      throw new OpsError("NOT_FOUND", `there is no node ${JSON.stringify(cleanText(idOrName, 64))}`);
    }
    return node;
  };

  return {
    async listNodes(request) {
      const limit = pageSize(request.page?.size ?? 0);
      const rows = await listNodes(database, {
        after: parsePageToken(request.page?.token ?? "", NODE_PLACE),
        liveness: FROM_WIRE.get(request.liveness),
        limit: limit + 1,
      });
      const nodes = rows.slice(0, limit);
      const last = rows.length > limit ? nodes.at(-1) : undefined;
      return {
        nodes: nodes.map(toWire),
        nextToken: last === undefined ? "" : formatPageToken({ name: last.name, nodeId: last.nodeId }),
      };
    },

    async getNode(request) {
      const node = await find(request.nodeId);
      const [certificates, host] = await Promise.all([
        listCertificates(database, {
          nodeId: node.nodeId,
          expiresBefore: undefined,
          after: undefined,
          limit: CERTIFICATES_OF_NODE_MAX,
        }),
        readHostState(database, node.nodeId),
      ]);
      return {
        node: toWire(node),
        certificates: certificates.map(certificateToWire),
        services: [...host.services],
        processes: host.processes.map((p) => ({ ...p, residentBytes: BigInt(Math.trunc(p.residentBytes)) })),
      };
    },

    async createJoinToken(request, { caller, trace }) {
      const made = await makeJoinToken(deps, {
        nodeName: request.nodeName,
        validFor: request.validSeconds * SECOND,
        by: caller.actor,
        traceparent: formatTraceparent(trace),
      });
      return { token: made.text, expiresAt: timestampFromMs(made.expiresAt) };
    },

    async revokeNode(request, { caller, trace }) {
      const node = await revoke(deps, {
        node: request.nodeId,
        reason: request.reason,
        by: caller.actor,
        traceparent: formatTraceparent(trace),
      });
      return { node: toWire(node) };
    },

    async listCertificates(request) {
      const limit = pageSize(request.page?.size ?? 0);
      const node = request.nodeId === "" ? undefined : await find(request.nodeId);
      const rows = await listCertificates(database, {
        nodeId: node?.nodeId,
        expiresBefore: expiresBefore(request.expiresWithinSeconds, system.clock.now()),
        after: parsePageToken(request.page?.token ?? "", CERTIFICATE_PLACE),
        limit: limit + 1,
      });
      const certificates = rows.slice(0, limit);
      const last = rows.length > limit ? certificates.at(-1) : undefined;
      return {
        certificates: certificates.map(certificateToWire),
        nextToken:
          last === undefined
            ? ""
            : formatPageToken({
                notAfter: last.notAfter ?? null,
                nodeId: last.nodeId,
                position: last.position,
              }),
      };
    },
  };
}

/** Further ahead than a hundred years is no bound at all. */
const WITHIN_MAX = 100n * 365n * 86_400n;

function expiresBefore(seconds: bigint, now: Instant): Instant | undefined {
  return seconds === 0n || seconds > WITHIN_MAX ? undefined : now + Number(seconds) * SECOND;
}

function certificateToWire(found: PlacedCertificate): MessageInitShape<typeof FoundCertificateSchema> {
  return {
    nodeId: found.nodeId,
    nodeName: found.nodeName,
    source: found.source,
    subject: found.subject,
    issuer: found.issuer,
    names: [...found.names],
    ...(found.notBefore === undefined ? {} : { notBefore: timestampFromMs(found.notBefore) }),
    ...(found.notAfter === undefined ? {} : { notAfter: timestampFromMs(found.notAfter) }),
    chainIndex: found.chainIndex,
    verificationError: found.verificationError,
    readError: found.readError,
    fingerprint: found.fingerprint,
  };
}
