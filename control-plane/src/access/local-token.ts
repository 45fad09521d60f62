/** The local user's token: made at the first start and kept in a file that only its owner can read. */
import { join } from "node:path";
import { SYSTEM } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import type { Authenticator } from "./authenticate.js";
import { readPrivateFile, writePrivateFile } from "./private-file.js";
import { makeToken, type TokensDeps } from "./tokens.js";

export interface LocalTokenDeps extends TokensDeps {
  readonly authenticator: Authenticator;
  readonly stateDir: string;
}

/** `<state>/operator-token`, with role admin. Answers the file's path. A token in it that still counts is kept. */
export async function ensureLocalOperator(deps: LocalTokenDeps): Promise<string> {
  return ensureLocalToken(deps, "operator-token", "local-operator", ["admin"]);
}

/** A token of one's own in a file of the state directory (0600): kept when it still counts, else made anew. */
export async function ensureLocalToken(
  deps: LocalTokenDeps,
  file: string,
  name: string,
  roles: readonly Role[],
): Promise<string> {
  const path = join(deps.stateDir, file);
  const kept = (await readPrivateFile(path))?.trim();
  if (kept !== undefined && (await counts(deps.authenticator, kept))) return path;
  const { text } = await makeToken(deps, { name, roles, validFor: undefined, by: SYSTEM });
  await writePrivateFile(path, `${text}\n`, deps.system.draws.hex(8));
  return path;
}

async function counts(authenticator: Authenticator, text: string): Promise<boolean> {
  try {
    await authenticator.authenticate(text);
    return true;
  } catch (error) {
    if (error instanceof OpsError && error.code === "UNAUTHENTICATED") return false;
    throw error;
  }
}
