/** Deletes old files below a declared directory. Regular files only, no link followed, no file system left. */
import { realpath } from "node:fs/promises";
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Observation, Previewed } from "../action.js";
import { isWithin } from "../allow.js";
import type { ArgumentsOf } from "../command.js";
import type { Plan } from "../plans.js";
import { filesOf, findOldFiles, type OldFile } from "./old-files.js";
import { OpenDirectory } from "./open-directory.js";

type Arguments = ArgumentsOf<"clean-directory">;

/** Reasons that are listed one by one in a result; the rest is counted. */
const skippedShown = 200;

export const cleanDirectory: Action<"clean-directory"> = {
  name: "clean-directory",

  async preview(args, context): Promise<Previewed> {
    const place = await resolve(args, context);
    if (place.kind === "impossible") return place;
    const directory = await OpenDirectory.at(place.path);
    try {
      const found = await findOldFiles(directory, args, context);
      const plan: Plan = {
        action: "clean-directory",
        arguments: argumentsOf(args),
        directory: place.path,
        inverse: "irreversible",
        device: directory.device,
        files: found.files.map(({ path, size, mtimeMs, inode }) => ({ path, size, mtimeMs, inode })),
        bytes: found.bytes,
        leftOut: found.leftOut,
        unreadable: found.unreadable,
      };
      const more = found.leftOut > 0 ? ` (the oldest; ${found.leftOut} more match)` : "";
      const summary = `would delete ${count(found.files.length)} of ${bytesText(found.bytes)} in ${place.path}${more}`;
      return { kind: "planned", plan, summary };
    } finally {
      await directory.close();
    }
  },

  observed(plan) {
    return { directory: plan["directory"], device: plan["device"] };
  },

  async observe(args, context): Promise<Observation> {
    const place = await resolve(args, context);
    if (place.kind === "impossible") return place;
    const directory = await OpenDirectory.at(place.path);
    const state = { directory: place.path, device: directory.device };
    await directory.close();
    return { kind: "observed", state };
  },

  async run(args, plan, context): Promise<Done> {
    const place = await resolve(args, context);
    if (place.kind === "impossible") return failure(place.because);
    if (place.path !== plan["directory"])
      return failure(`${args.path} is ${place.path} now, the plan is for ${String(plan["directory"])}`);
    const top = await OpenDirectory.at(place.path);
    try {
      if (top.device !== plan["device"])
        return failure(`${place.path} is on another file system than when it was planned`);
      return await deleteFiles(top, place.path, filesOf(plan), context);
    } finally {
      await top.close();
    }
  },

  async afterInterruption(_args, plan): Promise<string> {
    const files = filesOf(plan);
    const directory = String(plan["directory"]);
    let gone = 0;
    let bytes = 0;
    let top: OpenDirectory;
    try {
      top = await OpenDirectory.at(directory);
    } catch (error) {
      return `${directory} cannot be looked at: ${reasonOf(error)}`;
    }
    try {
      for (const file of files) {
        if (await isStillThere(top, file)) continue;
        gone++;
        bytes += file.size;
      }
    } finally {
      await top.close();
    }
    return `${gone} of ${count(files.length)} of the plan are gone (${bytesText(bytes)}), ${files.length - gone} remain in ${directory}`;
  },
};

type Place =
  | { readonly kind: "place"; readonly path: string }
  | { readonly kind: "impossible"; readonly because: string };

/** The real path of what was asked for, if it lies below the real path of a declared root. */
async function resolve(args: Arguments, { policy }: ActionContext): Promise<Place> {
  let path: string;
  try {
    path = await realpath(args.path);
  } catch (error) {
    return { kind: "impossible", because: `${args.path}: ${reasonOf(error)}` };
  }
  for (const root of policy.cleanDirectory?.roots ?? []) {
    const real = await realpath(root).catch(() => undefined);
    if (real !== undefined && isWithin(real, path)) return { kind: "place", path };
  }
  return { kind: "impossible", because: `${args.path} leads to ${path}, which is not below a declared root` };
}

async function deleteFiles(
  top: OpenDirectory,
  directory: string,
  files: readonly OldFile[],
  context: ActionContext,
): Promise<Done> {
  let deleted = 0;
  let bytesFreed = 0;
  let skippedCount = 0;
  const skipped: { path: string; because: string }[] = [];
  for (const file of files) {
    if (context.signal.aborted) break;
    const answer = await deleteOne(top, file);
    if (answer.kind === "deleted") {
      deleted++;
      bytesFreed += answer.freed;
      context.say(`deleted ${JSON.stringify(file.path)} ${file.size}`);
    } else {
      skippedCount++;
      if (skipped.length < skippedShown) skipped.push({ path: file.path, because: answer.because });
      context.say(`skipped ${JSON.stringify(file.path)}: ${answer.because}`, "stderr");
    }
  }
  const notReached = files.length - deleted - skippedCount;
  const parts = [
    `deleted ${deleted} of ${count(files.length)} in ${directory}, ${bytesText(bytesFreed)} freed`,
    ...(skippedCount > 0 ? [`${skippedCount} skipped`] : []),
    ...(notReached > 0 ? [`${notReached} not reached`] : []),
  ];
  return {
    succeeded: notReached === 0 && (deleted > 0 || files.length === 0),
    exitCode: notReached === 0 && (deleted > 0 || files.length === 0) ? 0 : 1,
    summary: parts.join(", "),
    result: { deleted, bytesFreed, skippedCount, notReached, skipped },
  };
}

type Deleted =
  | { readonly kind: "deleted"; readonly freed: number }
  | { readonly kind: "skipped"; readonly because: string };

/** Deletes one file of the plan if it is still the one that was planned. */
async function deleteOne(top: OpenDirectory, file: OldFile): Promise<Deleted> {
  try {
    return await withParent(top, file.path, async (parent, name): Promise<Deleted> => {
      const now = await parent.look(name);
      if (parent.device !== top.device || now.dev !== top.device)
        return { kind: "skipped", because: "it is on another file system now" };
      if (!now.isFile()) return { kind: "skipped", because: "it is not a regular file any more" };
      if (now.ino !== file.inode) return { kind: "skipped", because: "another file has its name now" };
      if (now.size !== file.size || Math.trunc(now.mtimeMs) !== file.mtimeMs) {
        return { kind: "skipped", because: "it was changed since the plan was made" };
      }
      await parent.remove(name);
      // A file with another name keeps its blocks.
      return { kind: "deleted", freed: now.nlink > 1 ? 0 : now.size };
    });
  } catch (error) {
    const gone = error instanceof Error && "code" in error && error.code === "ENOENT";
    return { kind: "skipped", because: gone ? "it is gone already" : reasonOf(error) };
  }
}

async function isStillThere(top: OpenDirectory, file: OldFile): Promise<boolean> {
  try {
    return await withParent(
      top,
      file.path,
      async (parent, name) => (await parent.look(name)).ino === file.inode,
    );
  } catch {
    return false;
  }
}

/** Walks down to a file's directory, each step through an open directory, no step through a link. */
async function withParent<T>(
  top: OpenDirectory,
  path: string,
  act: (parent: OpenDirectory, name: string) => Promise<T>,
): Promise<T> {
  const parts = path.split("/");
  const name = parts.pop() ?? "";
  if (
    name === "" ||
    name === "." ||
    name === ".." ||
    parts.some((part) => part === "" || part === "." || part === "..")
  ) {
    throw new Error(`${JSON.stringify(path)} is no path inside the directory`);
  }
  const opened: OpenDirectory[] = [];
  try {
    let parent = top;
    for (const part of parts) {
      parent = await parent.inside(part);
      opened.push(parent);
    }
    return await act(parent, name);
  } finally {
    for (const directory of opened) await directory.close();
  }
}

function argumentsOf(args: Arguments): Plan["arguments"] {
  const { path, minAgeSeconds, maxBytes, pattern } = args;
  return { path, minAgeSeconds, maxBytes, pattern };
}

function failure(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { deleted: 0, bytesFreed: 0, because } };
}

function count(files: number): string {
  return files === 1 ? "1 file" : `${files} files`;
}

/** Bytes as people read them. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
