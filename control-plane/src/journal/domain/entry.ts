/**
 * An entry of the journal: what happened, to what, by whom, when, and why; each chained to the one before.
 */
import type { Actor } from "../../kernel/actor.js";
import { canonicalJson, type Json } from "../../kernel/canonical-json.js";
import type { Instant } from "../../kernel/time.js";

/** What a room says happened; the journal adds the position and the hash. */
export interface NewEntry {
  readonly at: Instant;
  /** `family.event`, such as `alert.fired` or `command.requested`. */
  readonly kind: string;
  /** What it is about: `alert:…`, `command:…`, `node:…`, `token:…`. */
  readonly subject: string;
  readonly actor: Actor;
  /** One sentence. */
  readonly because: string;
  /** Flat facts; never a secret, never unbounded text. */
  readonly facts: { readonly [name: string]: Json };
  /** W3C trace context of the request that led to it. */
  readonly traceparent?: string;
}

export interface Entry extends NewEntry {
  /** 1 for the first entry; rises by one. */
  readonly position: number;
  /** SHA-256, hex, over this entry and the hash before it. */
  readonly hash: string;
}

/** A SHA-256 in hex; given by the caller, for the digest is not ours. */
export type Digest = (text: string) => string;

/** Where a chain stands: its last position and hash. */
export interface Head {
  readonly position: number;
  readonly hash: string;
}

/** The head of an empty journal. */
export const GENESIS: Head = { position: 0, hash: "0".repeat(64) };

function hashOf(entry: NewEntry, position: number, before: string, digest: Digest): string {
  return digest(
    canonicalJson({
      before,
      position,
      at: entry.at,
      kind: entry.kind,
      subject: entry.subject,
      actor: [entry.actor.kind, entry.actor.name],
      because: entry.because,
      facts: entry.facts,
      traceparent: entry.traceparent ?? "",
    }),
  );
}

/** The entries with their places in the chain after `head`. */
export function chainEntries(head: Head, entries: readonly NewEntry[], digest: Digest): readonly Entry[] {
  let { position, hash } = head;
  return entries.map((entry) => {
    position += 1;
    hash = hashOf(entry, position, hash, digest);
    return { ...entry, position, hash };
  });
}

export type ChainVerdict =
  | { readonly kind: "intact"; readonly head: Head }
  | { readonly kind: "broken"; readonly at: number; readonly because: string };

/** Whether `entries`, in order, continue the chain after `head`. The first that does not is named. */
export function verifyEntries(head: Head, entries: readonly Entry[], digest: Digest): ChainVerdict {
  let { position, hash } = head;
  for (const entry of entries) {
    if (entry.position !== position + 1) {
      return { kind: "broken", at: position + 1, because: `entry ${position + 1} is missing` };
    }
    position = entry.position;
    const expected = hashOf(entry, position, hash, digest);
    if (entry.hash !== expected) {
      return {
        kind: "broken",
        at: position,
        because: `entry ${position} is not what was written, or follows another entry`,
      };
    }
    hash = entry.hash;
  }
  return { kind: "intact", head: { position, hash } };
}
