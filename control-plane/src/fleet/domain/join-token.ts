/** Join tokens: their text, and what a use of one leads to. */
import type { NodeId } from "../../kernel/ids.js";
import type { Instant } from "../../kernel/time.js";
import { isNodeName, type Liveness } from "./agent.js";

export interface JoinTokenText {
  readonly id: string;
  readonly secret: string;
  /** SHA-256, hex, of the authority's certificate in DER: what the agent trusts before it trusts anything. */
  readonly fingerprint: string;
}

const FORM = /^mjt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})_([0-9a-f]{64})$/;

/** Reads `mjt_<id>_<secret>_<fingerprint>`; undefined for anything else. */
export function parseJoinToken(text: string): JoinTokenText | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  return { id: match[1] as string, secret: match[2] as string, fingerprint: match[3] as string };
}

export function formatJoinToken({ id, secret, fingerprint }: JoinTokenText): string {
  return `mjt_${id}_${secret}_${fingerprint}`;
}

/** A join token whose secret was right, as it is stored. */
export interface JoinToken {
  readonly id: string;
  /** The name the node must take; undefined: any. */
  readonly nodeName: string | undefined;
  readonly expiresAt: Instant;
  readonly usedAt: Instant | undefined;
  readonly usedByNode: NodeId | undefined;
  /** The hash of the key it was used with. */
  readonly usedByKey: string | undefined;
}

/** A node that is not revoked and bears the name in question. */
export interface NameHolder {
  readonly nodeId: NodeId;
  readonly keyHash: string;
  readonly liveness: Liveness;
}

export interface EnrolmentFacts {
  readonly token: JoinToken;
  /** The hash of the key in the request. */
  readonly keyHash: string;
  /** The name the agent asks for; empty: none. */
  readonly wishedName: string;
  /** The name made of the host's, for when nobody asks for one. */
  readonly hostName: string;
  /** Who bears `nameAskedFor(facts)` now. */
  readonly holder: NameHolder | undefined;
}

export type EnrolmentVerdict =
  /** A new node. `distinct`: the name is taken, so something is to be added to it. */
  | { readonly kind: "new"; readonly name: string; readonly distinct: boolean; readonly because: string }
  /** The node that is there gets another certificate; `newKey`: those of its old key end. */
  | {
      readonly kind: "again";
      readonly nodeId: NodeId;
      readonly name: string;
      readonly newKey: boolean;
      readonly because: string;
    }
  | {
      readonly kind: "refused";
      readonly code: "UNAUTHENTICATED" | "INVALID_ARGUMENT" | "ALREADY_EXISTS";
      readonly because: string;
    };

/** The name that an enrolment is about: the token's, else the agent's wish, else the host's. */
export function nameAskedFor(facts: Pick<EnrolmentFacts, "token" | "wishedName" | "hostName">): string {
  if (facts.token.nodeName !== undefined) return facts.token.nodeName;
  return facts.wishedName === "" ? facts.hostName : facts.wishedName;
}

/** What the use of a join token leads to. */
export function decideEnrolment(facts: EnrolmentFacts, now: Instant): EnrolmentVerdict {
  const { token, keyHash, wishedName, holder } = facts;
  if (token.expiresAt <= now) return refused("UNAUTHENTICATED", "the join token has expired");
  // The answer to the first use may have been lost on the way: the same key gets it again, another does not.
  if (token.usedAt !== undefined && token.usedByKey !== keyHash) {
    return refused("UNAUTHENTICATED", "the join token was used already, by another key");
  }
  if (wishedName !== "" && !isNodeName(wishedName)) {
    return refused("INVALID_ARGUMENT", "node_name is not 1 to 63 of a-z, 0-9 and '-' with no '-' at an end");
  }
  if (token.nodeName !== undefined && wishedName !== "" && wishedName !== token.nodeName) {
    return refused("INVALID_ARGUMENT", `the join token is for node "${token.nodeName}", not "${wishedName}"`);
  }
  const name = nameAskedFor(facts);
  if (holder === undefined) {
    return { kind: "new", name, distinct: false, because: `no node is called "${name}"` };
  }
  const { nodeId } = holder;
  if (holder.keyHash === keyHash) {
    return {
      kind: "again",
      nodeId,
      name,
      newKey: false,
      because: "the node enrolled again with the same key",
    };
  }
  const named = token.nodeName !== undefined || wishedName !== "";
  if (!named) {
    return { kind: "new", name, distinct: true, because: `another node is called "${name}"` };
  }
  if (holder.liveness === "live" || holder.liveness === "late") {
    return refused(
      "ALREADY_EXISTS",
      `node "${name}" is ${holder.liveness} and holds another key; revoke it first, or take another name`,
    );
  }
  return {
    kind: "again",
    nodeId,
    name,
    newKey: true,
    because: `the node was ${holder.liveness} and enrolled again with a new key`,
  };
}

function refused(
  code: "UNAUTHENTICATED" | "INVALID_ARGUMENT" | "ALREADY_EXISTS",
  because: string,
): EnrolmentVerdict {
  return { kind: "refused", code, because };
}
