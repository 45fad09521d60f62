import type { Dirent } from "node:fs";
import { access, readdir } from "node:fs/promises";

/** How deep `**` goes, and how many names one glob may look at: a glob over / must end. */
const DEPTH_MAX = 8;
const NAMES_MAX = 20_000;

/** What a glob found. */
export interface GlobFound {
  readonly paths: readonly string[];
  /** The glob looks at more names than it may; the rest was not looked at. */
  readonly cut: boolean;
}

/** Whether a path has a wildcard in it. */
export function isGlob(path: string): boolean {
  return /[*?]/u.test(path);
}

/**
 * Paths that fit an absolute glob with `*` and `?` within a name and `**` for any directories, in order, at most `max`. A
 * directory that cannot be read has nothing in it. `**` follows no symbolic link to a directory, so it cannot go round.
 */
export async function expandGlob(glob: string, max: number): Promise<GlobFound> {
  const walk: Walk = { paths: [], names: 0, chosen: false, max, cut: false };
  await expand(
    "",
    glob.split("/").filter((part) => part !== ""),
    0,
    walk,
  );
  return { paths: walk.paths, cut: walk.cut };
}

interface Walk {
  readonly paths: string[];
  names: number;
  /** A wildcard was met on the way. */
  chosen: boolean;
  readonly max: number;
  cut: boolean;
}

async function expand(base: string, parts: readonly string[], depth: number, walk: Walk): Promise<void> {
  const [part, ...rest] = parts;
  if (part === undefined || walk.cut) return;
  if (part !== "**" && !isGlob(part)) {
    // A path without wildcards is found even when it is not there: that it is missing shows when it is read. Behind a
    // wildcard it is one that some have and some do not.
    if (rest.length > 0) await expand(`${base}/${part}`, rest, depth, walk);
    else if (!walk.chosen || (await exists(`${base}/${part}`))) found(`${base}/${part}`, walk);
    return;
  }
  walk.chosen = true;
  const entries = await list(base === "" ? "/" : base, walk);
  if (part === "**") {
    await expand(base, rest, depth, walk);
    if (depth === DEPTH_MAX) return;
    for (const entry of entries) {
      if (entry.isDirectory()) await expand(`${base}/${entry.name}`, parts, depth + 1, walk);
    }
    return;
  }
  const fits = patternOf(part);
  for (const entry of entries) {
    if (!fits.test(entry.name)) continue;
    if (rest.length > 0) await expand(`${base}/${entry.name}`, rest, depth, walk);
    else if (!entry.isDirectory()) found(`${base}/${entry.name}`, walk);
  }
}

function found(path: string, walk: Walk): void {
  if (walk.paths.length >= walk.max) walk.cut = true;
  else if (!walk.paths.includes(path)) walk.paths.push(path);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

async function list(directory: string, walk: Walk): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    walk.names += entries.length;
    if (walk.names > NAMES_MAX) walk.cut = true;
    return entries.slice(0, NAMES_MAX).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}

/** Runs of `*` are one: many of them would let a long name take the matcher for ever. A leading dot has to be written. */
function patternOf(part: string): RegExp {
  const escaped = part.replaceAll(/[.+^${}()|[\]\\]/gu, "\\$&");
  const body = escaped.replaceAll(/\*+/gu, "[^/]*").replaceAll("?", "[^/]");
  return new RegExp(`^${part.startsWith(".") ? "" : "(?!\\.)"}${body}$`, "u");
}
