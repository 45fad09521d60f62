/** Files that only their owner can read, written wholly or not at all. */
import { link, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { OpsError } from "../kernel/errors.js";

/** The file's text; undefined when there is none. Throws FAILED_PRECONDITION when it cannot be read. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw failure("read", path, error);
  }
}

/** Writes the file over whatever was there; safe from a power cut. `unique` names the file while it is being written. */
export async function writePrivateFile(
  path: string,
  text: string,
  unique: string,
  mode = 0o600,
): Promise<void> {
  const temporary = await writeBeside(path, text, unique, mode);
  try {
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw failure("write", path, error);
  }
}

/** Writes the file where there is none. Throws ABORTED when there is one, so that only one of two writers is first. */
export async function createPrivateFile(path: string, text: string, unique: string): Promise<void> {
  const temporary = await writeBeside(path, text, unique, 0o600);
  try {
    await link(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw new OpsError("ABORTED", `create ${path}: it is there already`);
    throw failure("create", path, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeBeside(path: string, text: string, unique: string, mode: number): Promise<string> {
  const temporary = `${path}.${unique}.new`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    return temporary;
  } catch (error) {
    await rm(temporary, { force: true });
    throw failure("write", path, error);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function failure(verb: string, path: string, error: unknown): OpsError {
  const code = codeOf(error) === "ENOSPC" ? "RESOURCE_EXHAUSTED" : "FAILED_PRECONDITION";
  const message = error instanceof Error ? error.message : String(error);
  return new OpsError(code, `${verb} ${path}: ${message}`, {}, { cause: error });
}
