/** The local user's token: made at the first start and kept in a file that only its owner can read. */
import { join } from "node:path";
import { SYSTEM } from "../kernel/actor.js";
import { OpsError } from "../kernel/errors.js";
import type { Authenticator } from "./authenticate.js";
import { readPrivateFile, writePrivateFile } from "./private-file.js";
import { makeToken, type TokensDeps, type TokenWish } from "./tokens.js";

export interface LocalTokenDeps extends TokensDeps {
  readonly authenticator: Authenticator;
  readonly stateDir: string;
}

/** Files below the state directory, mode 0600. */
export interface LocalTokens {
  /** The local user: an administrator. */
  readonly operator: string;
  /** For an AI client: it may ask for commands and never approve them. */
  readonly mcp: string;
  /** For whoever scrapes our own metrics: it may only look. */
  readonly scrape: string;
}

/** The local user's tokens. One in a file that still counts is kept. */
export async function ensureLocalTokens(deps: LocalTokenDeps): Promise<LocalTokens> {
  return {
    operator: await ensureLocalToken(deps, {
      file: "operator-token",
      name: "local-operator",
      kind: "human",
      roles: ["admin"],
    }),
    mcp: await ensureLocalToken(deps, {
      file: "mcp-token",
      name: "local-mcp",
      kind: "mcp",
      roles: ["operator"],
    }),
    scrape: await ensureLocalToken(deps, {
      file: "scrape-token",
      name: "local-scrape",
      kind: "human",
      roles: ["viewer"],
    }),
  };
}

/** A token of one's own in a file of the state directory (0600): kept when it still counts, else made anew. */
async function ensureLocalToken(
  deps: LocalTokenDeps,
  { file, ...who }: { readonly file: string } & Pick<TokenWish, "name" | "kind" | "roles">,
): Promise<string> {
  const path = join(deps.stateDir, file);
  const kept = (await readPrivateFile(path))?.trim();
  if (kept !== undefined && (await counts(deps.authenticator, kept))) return path;
  const { text } = await makeToken(deps, { ...who, validFor: undefined, by: SYSTEM });
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
