/** Where the house's own keys are kept: Vault when it is configured, else files that only their owner can read. */
import { join } from "node:path";
import { OpsError } from "../kernel/errors.js";
import type { Draws } from "../platform/system.js";
import type { Secrets } from "../platform/vault/secrets.js";
import { createPrivateFile, readPrivateFile } from "./private-file.js";

/** Texts by name (`ca`, `order-key`); each is written once. */
export interface KeyStore {
  /** Where it is, for people: a directory or a path in Vault. */
  readonly place: string;
  /** The text, or undefined when there is none. Throws when the store cannot be asked. */
  read(name: string): Promise<string | undefined>;
  /** Throws ABORTED when there is one already. */
  create(name: string, text: string): Promise<void>;
}

/** `<directory>/<name>.key`, mode 0600. */
export function fileKeyStore(directory: string, draws: Draws): KeyStore {
  const pathOf = (name: string): string => join(directory, `${name}.key`);
  return {
    place: directory,
    read: (name) => readPrivateFile(pathOf(name)),
    create: (name, text) => createPrivateFile(pathOf(name), text, draws.hex(8)),
  };
}

/** `<prefix>/<name>` in Vault's KV engine, field `pem`. */
export function vaultKeyStore(secrets: Pick<Secrets, "read" | "create">, prefix = "mainstay"): KeyStore {
  return {
    place: `Vault, ${prefix}/`,
    async read(name) {
      const fields = await secrets.read(`${prefix}/${name}`);
      if (fields === undefined) return undefined;
      const pem = fields["pem"];
      if (pem === undefined) {
        throw new OpsError("FAILED_PRECONDITION", `Vault's ${prefix}/${name} has no field "pem"`);
      }
      return pem;
    },
    create: (name, text) => secrets.create(`${prefix}/${name}`, { pem: text }),
  };
}

/** What is kept under `name`; made and kept when there is nothing yet. Of two who make it at once, one wins for both. */
export async function keptOrMade(
  store: KeyStore,
  name: string,
  make: () => Promise<string>,
): Promise<string> {
  const kept = await store.read(name);
  if (kept !== undefined) return kept;
  const made = await make();
  try {
    await store.create(name, made);
    return made;
  } catch (error) {
    if (!(error instanceof OpsError) || error.code !== "ABORTED") throw error;
    const first = await store.read(name);
    if (first === undefined) throw error;
    return first;
  }
}
