/** Takes a node's identity away: stored, journalled, told to every replica, and its stream here is cut at once. */

import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import type { Instant } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import { findNode, revokeNode } from "./agents.store.js";
import type { Node } from "./domain/agent.js";
import type { Sessions } from "./sessions.js";

export interface RevocationDeps {
  readonly database: Database;
  readonly system: System;
  readonly sessions: Sessions;
}

const REASON_MAX = 500;

/** What a stream of a revoked node ends with, on whatever replica. */
export function revokedError(name: string, revokedAt: Instant): OpsError {
  const at = new Date(revokedAt).toISOString();
  return new OpsError("PERMISSION_DENIED", `certificate of node "${name}" was revoked at ${at}`);
}

/** The node as it is after; revoking again changes nothing. Throws NOT_FOUND. */
export async function revoke(
  { database, system, sessions }: RevocationDeps,
  wish: { readonly node: string; readonly reason: string; readonly by: Actor; readonly traceparent?: string },
): Promise<Node> {
  const now = system.clock.now();
  const reason = cleanText(wish.reason, REASON_MAX);
  const after = await database.transaction(async (tx) => {
    const before = await revokeNode(tx, wish.node, reason, now);
    if (before === undefined) {
      throw new OpsError(
        "NOT_FOUND",
        `revoke node: there is no node ${JSON.stringify(cleanText(wish.node, 64))}`,
      );
    }
    if (before.revokedAt === undefined) {
      await appendEntries(tx, [
        {
          at: now,
          kind: "node.revoked",
          subject: `node:${before.nodeId}`,
          actor: wish.by,
          because: reason === "" ? `${wish.by.name} revoked node "${before.name}"` : reason,
          facts: { name: before.name, reason },
          ...(wish.traceparent === undefined ? {} : { traceparent: wish.traceparent }),
        },
      ]);
    }
    return findNode(tx, before.nodeId);
  });
  if (after === undefined) throw new OpsError("INTERNAL", `revoke node: ${wish.node} vanished`);
  sessions.end(after.nodeId, revokedError(after.name, after.revokedAt ?? now));
  return after;
}
