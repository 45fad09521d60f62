/**
 * The part of pgbouncer's configuration that says where a cluster's databases lead, in a file of its own. Its first line
 * keeps what the agent obeyed last; the rest is what pgbouncer reads when it is told to reload, or is started.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Epoch } from "@mainstay/proto/failover/words";
import { readIfThere, syncDirectory } from "../../identity/state-files.js";
import type { HostPort } from "../settings.js";
import type { PooledDatabase } from "./settings.js";

/** What the file keeps across a restart of the agent. */
export interface Obeyed {
  readonly epoch: Epoch;
  /** Clients were held by the agent, and may be still. */
  readonly holds: boolean;
}

export interface Entries extends Obeyed {
  /** Where clients are led; null while nobody has said. */
  readonly at: HostPort | null;
}

const HEAD = /^; mainstay epoch=(\d{1,15}) holds=([01]) at=(\S*)\n/;

/** The file's whole text. */
export function entriesText({ epoch, holds, at }: Entries, databases: readonly PooledDatabase[]): string {
  const place = at === null ? "" : `${at.host}:${at.port}`;
  const lines =
    at === null
      ? []
      : databases.map(({ name, options }) => `${name} = host=${at.host} port=${at.port} ${options}`);
  return [
    `; mainstay epoch=${epoch} holds=${holds ? 1 : 0} at=${place}`,
    "; Written by Mainstay's agent whenever the owner changes; what is changed here is lost.",
    "[databases]",
    ...lines,
    "",
  ].join("\n");
}

/** What the file says; null when it is not there, or not the agent's. */
export function readEntries(path: string): Entries | null {
  const head = HEAD.exec(readIfThere(path) ?? "");
  if (head === null) return null;
  const [, epoch = "0", holds, place = ""] = head;
  const cut = place.lastIndexOf(":");
  const at = cut < 0 ? null : { host: place.slice(0, cut), port: Number(place.slice(cut + 1)) };
  return { epoch: Number(epoch), holds: holds === "1", at };
}

/** Replaces it whole and durably; who may read it stays as it was, at first everybody. Throws what the file system throws. */
export function writeEntries(path: string, text: string): void {
  if (readIfThere(path) === text) return;
  const draft = `${path}.new`;
  const file = openSync(draft, "w", 0o644);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  keepOwner(path, draft);
  renameSync(draft, path);
  syncDirectory(dirname(path));
}

function keepOwner(path: string, draft: string): void {
  const before = statSync(path, { throwIfNoEntry: false });
  if (before === undefined) return;
  const now = statSync(draft);
  chmodSync(draft, before.mode & 0o777);
  if (before.uid !== now.uid || before.gid !== now.gid) chownSync(draft, before.uid, before.gid);
}
