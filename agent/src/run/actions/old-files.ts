/** Finds the oldest files below a directory that match, within bounds of number, bytes and depth. */
import type { ActionContext } from "../action.js";
import type { ArgumentsOf } from "../command.js";
import type { Plan } from "../plans.js";
import { matchesPattern } from "./name-pattern.js";
import type { OpenDirectory } from "./open-directory.js";

/** A file as it was when the plan was made: the three figures are its identity. */
export interface OldFile {
  /** Relative to the directory. */
  readonly path: string;
  readonly size: number;
  /** Whole ms. */
  readonly mtimeMs: number;
  readonly inode: number;
}

/** What was found. */
export interface FoundFiles {
  /** Oldest first. */
  readonly files: readonly OldFile[];
  readonly bytes: number;
  /** Files that match as well and are not in the list. */
  readonly leftOut: number;
  /** Directories and files that could not be looked at. */
  readonly unreadable: number;
}

const filesMax = 10_000;
/** The list as JSON, so that a plan is shorter than the mebibyte that the control plane keeps of a result. */
const listBytesMax = 1_000_000;
const depthMax = 64;
const entriesMax = 2_000_000;

interface Walk {
  readonly args: ArgumentsOf<"clean-directory">;
  readonly context: ActionContext;
  readonly before: number;
  readonly device: number;
  found: OldFile[];
  matched: number;
  entries: number;
  unreadable: number;
}

/** Walks the tree below `top`. Stops early when the context's signal aborts or two million names were seen. */
export async function findOldFiles(
  top: OpenDirectory,
  args: ArgumentsOf<"clean-directory">,
  context: ActionContext,
): Promise<FoundFiles> {
  const before = context.system.clock.now() - args.minAgeSeconds * 1000;
  const walk: Walk = {
    args,
    context,
    before,
    device: top.device,
    found: [],
    matched: 0,
    entries: 0,
    unreadable: 0,
  };
  await walkDirectory(walk, top, "", 0);
  keepOldest(walk);
  const files: OldFile[] = [];
  let bytes = 0;
  let listBytes = 0;
  for (const file of walk.found) {
    listBytes += Buffer.byteLength(JSON.stringify(file)) + 1;
    if (listBytes > listBytesMax) break;
    if (args.maxBytes !== undefined && bytes + file.size > args.maxBytes) continue;
    files.push(file);
    bytes += file.size;
  }
  return { files, bytes, leftOut: walk.matched - files.length, unreadable: walk.unreadable };
}

async function walkDirectory(
  walk: Walk,
  directory: OpenDirectory,
  prefix: string,
  depth: number,
): Promise<void> {
  for await (const name of directory.names()) {
    if (walk.context.signal.aborted || ++walk.entries > entriesMax) return;
    try {
      await lookAt(walk, directory, prefix, name, depth);
    } catch {
      walk.unreadable++;
    }
  }
}

async function lookAt(
  walk: Walk,
  parent: OpenDirectory,
  prefix: string,
  name: string,
  depth: number,
): Promise<void> {
  // A name that is not UTF-8 does not come back as itself: it could name another file.
  if (name.includes("\uFFFD")) {
    walk.unreadable++;
    return;
  }
  const stats = await parent.look(name);
  if (stats.dev !== walk.device) return;
  if (stats.isDirectory()) {
    if (depth >= depthMax) {
      walk.unreadable++;
      return;
    }
    const inner = await parent.inside(name);
    try {
      if (inner.device === walk.device) await walkDirectory(walk, inner, `${prefix}${name}/`, depth + 1);
    } finally {
      await inner.close();
    }
    return;
  }
  if (!stats.isFile() || stats.mtimeMs > walk.before) return;
  if (walk.args.pattern !== undefined && !matchesPattern(walk.args.pattern, name)) return;
  walk.matched++;
  walk.found.push({
    path: prefix + name,
    size: stats.size,
    mtimeMs: Math.trunc(stats.mtimeMs),
    inode: stats.ino,
  });
  if (walk.found.length >= 2 * filesMax) keepOldest(walk);
}

/** Oldest first; equal ages in the order of their paths, so that the same tree gives the same plan. */
function keepOldest(walk: Walk): void {
  walk.found.sort((a, b) => a.mtimeMs - b.mtimeMs || (a.path < b.path ? -1 : 1));
  walk.found.length = Math.min(walk.found.length, filesMax);
}

/** The files of a stored plan. */
export function filesOf(plan: Plan): OldFile[] {
  const files = plan["files"];
  if (!Array.isArray(files)) return [];
  return files.flatMap((file: unknown) => {
    const { path, size, mtimeMs, inode } = Object(file) as Readonly<Record<string, unknown>>;
    if (typeof path !== "string" || typeof size !== "number") return [];
    if (typeof mtimeMs !== "number" || typeof inode !== "number") return [];
    return [{ path, size, mtimeMs, inode }];
  });
}
