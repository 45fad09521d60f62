/** How a node gets its identity: a one-time token in, a certificate out; and how it keeps it. */
import { createHash, timingSafeEqual } from "node:crypto";
import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { SYSTEM } from "../kernel/actor.js";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { type NodeId, nodeId } from "../kernel/ids.js";
import { DAY, type Duration, HOUR, type Instant, SECOND } from "../kernel/time.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import { changeKey, insertNode, lockNameHolder } from "./agents.store.js";
import type { Certifier, NodeCertificateText } from "./certifier.js";
import { isNodeName, nodeNameOf } from "./domain/agent.js";
import {
  decideEnrolment,
  type EnrolmentVerdict,
  formatJoinToken,
  nameAskedFor,
  parseJoinToken,
} from "./domain/join-token.js";
import {
  forgetJoinTokens,
  insertCertificate,
  insertJoinToken,
  lockJoinToken,
  revokeCertificates,
  useJoinToken,
} from "./enrolment.store.js";

export interface EnrolmentDeps {
  readonly database: Database;
  readonly system: System;
  readonly certifier: Certifier;
}

const JOIN_TOKEN_VALID_DEFAULT: Duration = HOUR;
const JOIN_TOKEN_VALID_MAX: Duration = 7 * DAY;
/** Ended tokens are kept this long, so that a late use is told that it is late. */
const JOIN_TOKEN_KEPT: Duration = 30 * DAY;

export interface JoinTokenWish {
  /** The name the node must take; empty: any. */
  readonly nodeName: string;
  /** 0: one hour. */
  readonly validFor: Duration;
  readonly by: Actor;
  readonly traceparent?: string;
}

/** Makes a one-time join token; its text is in the answer and nowhere else. Throws INVALID_ARGUMENT. */
export async function makeJoinToken(
  { database, system, certifier }: EnrolmentDeps,
  wish: JoinTokenWish,
): Promise<{ readonly text: string; readonly expiresAt: Instant }> {
  const { nodeName, by } = wish;
  if (nodeName !== "" && !isNodeName(nodeName)) {
    const shown = JSON.stringify(cleanText(nodeName, 70));
    throw new OpsError(
      "INVALID_ARGUMENT",
      `create join token: node_name ${shown} is not 1 to 63 of a-z, 0-9 and '-' with no '-' at an end`,
    );
  }
  if (wish.validFor > JOIN_TOKEN_VALID_MAX) {
    const given = `${wish.validFor / SECOND} s`;
    throw new OpsError("INVALID_ARGUMENT", `create join token: valid_seconds is ${given}, at most 7 days`);
  }
  const now = system.clock.now();
  const expiresAt = now + (wish.validFor === 0 ? JOIN_TOKEN_VALID_DEFAULT : wish.validFor);
  const id = system.draws.hex(16);
  const secret = system.draws.secret();
  await database.transaction(async (tx) => {
    await forgetJoinTokens(tx, now - JOIN_TOKEN_KEPT);
    const token = {
      id,
      nodeName: nodeName === "" ? undefined : nodeName,
      expiresAt,
      usedAt: undefined,
      usedByNode: undefined,
      usedByKey: undefined,
    };
    await insertJoinToken(tx, { token, secretHash: hashOf(secret) }, by.name, now);
    await appendEntries(tx, [
      {
        at: now,
        kind: "join-token.created",
        subject: `join-token:${id}`,
        actor: by,
        because: `${by.name} made a join token for ${nodeName === "" ? "any node" : `node "${nodeName}"`}`,
        facts: { nodeName, expiresAt },
        ...(wish.traceparent === undefined ? {} : { traceparent: wish.traceparent }),
      },
    ]);
  });
  return { text: formatJoinToken({ id, secret, fingerprint: certifier.fingerprint }), expiresAt };
}

export interface EnrolmentWish {
  readonly joinToken: string;
  /** PKCS#10, DER. */
  readonly csr: Uint8Array;
  readonly nodeName: string;
  readonly hostname: string;
  readonly agentVersion: string;
  /** The address that the request came from. */
  readonly from: string;
}

export interface Enrolled {
  readonly nodeId: NodeId;
  readonly nodeName: string;
  readonly certificate: NodeCertificateText;
}

/**
 * Trades a join token and a certificate request for an identity. Throws UNAUTHENTICATED, INVALID_ARGUMENT or
 * ALREADY_EXISTS, as AgentService.Enroll says. The token is used up only when the identity is given.
 */
export async function enrollAgent(deps: EnrolmentDeps, wish: EnrolmentWish): Promise<Enrolled> {
  const { certifier, database, system } = deps;
  const presented = parseJoinToken(wish.joinToken);
  if (presented === undefined) {
    throw new OpsError(
      "UNAUTHENTICATED",
      "enroll: the join token is malformed: expected mjt_<id>_<secret>_<hash>",
    );
  }
  if (presented.fingerprint !== certifier.fingerprint) {
    throw new OpsError("UNAUTHENTICATED", "enroll: the join token is for another control plane");
  }
  return database.transaction(async (tx) => {
    const now = system.clock.now();
    const stored = await lockJoinToken(tx, presented.id);
    // Compared even when the id is unknown, so that the time taken does not tell which it was.
    const right = timingSafeEqual(hashOf(presented.secret), stored?.secretHash ?? Buffer.alloc(32));
    if (stored === undefined || !right) {
      throw new OpsError("UNAUTHENTICATED", "enroll: the join token is unknown");
    }
    const { keyHash } = await certifier.inspect(wish.csr);
    const names = { token: stored.token, wishedName: wish.nodeName, hostName: nodeNameOf(wish.hostname) };
    const holder = await lockNameHolder(tx, nameAskedFor(names));
    const verdict = decideEnrolment({ ...names, keyHash, holder }, now);
    if (verdict.kind === "refused") throw new OpsError(verdict.code, `enroll: ${verdict.because}`);
    const node = await settleNode(deps, tx, verdict, keyHash, wish.hostname, now);
    const certificate = await certifier.issueForNode(wish.csr, node.nodeId, node.nodeName);
    await insertCertificate(tx, { ...certificate, nodeId: node.nodeId });
    await useJoinToken(tx, presented.id, { nodeId: node.nodeId, keyHash }, now);
    await appendEntries(tx, [
      {
        at: now,
        kind: "node.enrolled",
        subject: `node:${node.nodeId}`,
        actor: { kind: "agent", name: node.nodeName },
        because: verdict.because,
        facts: {
          name: node.nodeName,
          hostname: cleanText(wish.hostname, 253),
          agentVersion: cleanText(wish.agentVersion, 64),
          from: cleanText(wish.from, 64),
          joinToken: presented.id,
          serial: certificate.serial,
          certificateExpiresAt: certificate.expiresAt,
        },
      },
    ]);
    return { ...node, certificate };
  });
}

async function settleNode(
  { system }: EnrolmentDeps,
  tx: Transaction,
  verdict: Exclude<EnrolmentVerdict, { kind: "refused" }>,
  keyHash: string,
  hostname: string,
  now: Instant,
): Promise<{ readonly nodeId: NodeId; readonly nodeName: string }> {
  if (verdict.kind === "again") {
    if (verdict.newKey) {
      await revokeCertificates(tx, verdict.nodeId, now);
      await changeKey(tx, verdict.nodeId, keyHash);
    }
    return { nodeId: verdict.nodeId, nodeName: verdict.name };
  }
  const nodeName = verdict.distinct ? `${verdict.name}-${system.draws.hex(6)}` : verdict.name;
  const id = nodeId(system.draws.id(now));
  await insertNode(tx, { nodeId: id, name: nodeName, keyHash, hostname: cleanText(hostname, 253) }, now);
  return { nodeId: id, nodeName };
}

/**
 * A new certificate for a node that proved itself with the one it has, for the key in `csr`.
 * Throws INVALID_ARGUMENT for a bad request, PERMISSION_DENIED when the node was revoked meanwhile.
 */
export async function renewCertificate(
  { database, system, certifier }: EnrolmentDeps,
  id: NodeId,
  csr: Uint8Array,
): Promise<NodeCertificateText> {
  const { keyHash } = await certifier.inspect(csr);
  const now = system.clock.now();
  return database.transaction(async (tx) => {
    const name = await changeKey(tx, id, keyHash);
    if (name === undefined)
      throw new OpsError("PERMISSION_DENIED", `renew certificate: node ${id} was revoked`);
    const certificate = await certifier.issueForNode(csr, id, name);
    await insertCertificate(tx, { ...certificate, nodeId: id });
    await appendEntries(tx, [
      {
        at: now,
        kind: "node.renewed",
        subject: `node:${id}`,
        actor: SYSTEM,
        because: `node "${name}" asked over its stream for a new certificate`,
        facts: { name, serial: certificate.serial, certificateExpiresAt: certificate.expiresAt },
      },
    ]);
    return certificate;
  });
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
