/** Vault's transit engine: it holds Ed25519 keys that never leave it, and signs when asked. */
import { z } from "zod";
import { OpsError } from "../../kernel/errors.js";

/** One version of a key. */
export interface TransitVersion {
  readonly version: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

export interface Transit {
  /** The versions of a key that are still in use, oldest first; made when there is no such key. Throws UNAVAILABLE, PERMISSION_DENIED, or FAILED_PRECONDITION when it is not Ed25519. */
  versions(key: string): Promise<readonly TransitVersion[]>;
  /** 64 bytes. Throws UNAVAILABLE or PERMISSION_DENIED. */
  sign(key: string, version: number, bytes: Uint8Array): Promise<Uint8Array>;
}

/** What of the client is needed; it throws what is translated already, and answers undefined for what is not there. */
export interface TransitCalls {
  read(what: string, path: string): Promise<unknown>;
  write(what: string, path: string, body: Readonly<Record<string, unknown>>): Promise<unknown>;
}

const KEY = z.object({
  data: z.object({
    type: z.string(),
    keys: z.record(z.string(), z.union([z.object({ public_key: z.string() }), z.number()])),
  }),
});
const SIGNED = z.object({ data: z.object({ signature: z.string() }) });
const PUBLIC_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** @param mount where the engine is mounted, such as `transit` */
export function vaultTransit({ read, write }: TransitCalls, mount: string): Transit {
  const readKey = async (key: string) => {
    const answer = await read(`read the transit key "${key}"`, `${mount}/keys/${key}`);
    return answer === undefined ? undefined : understood(KEY, answer, key).data;
  };
  return {
    async versions(key) {
      let found = await readKey(key);
      if (found === undefined) {
        // Of two that make it at once one is first, and both read the same.
        await write(`make the transit key "${key}"`, `${mount}/keys/${key}`, { type: "ed25519" });
        found = await readKey(key);
      }
      if (found?.type !== "ed25519") {
        const type = found?.type ?? "not there";
        throw new OpsError(
          "FAILED_PRECONDITION",
          `Vault's transit key "${key}" is ${type}, expected ed25519`,
        );
      }
      return Object.entries(found.keys)
        .flatMap(([version, its]) =>
          typeof its === "number"
            ? []
            : [{ version: Number(version), publicKey: bytesOf(its.public_key, PUBLIC_BYTES, key) }],
        )
        .sort((a, b) => a.version - b.version);
    },
    async sign(key, version, bytes) {
      const answer = await write(`sign with the transit key "${key}"`, `${mount}/sign/${key}`, {
        input: Buffer.from(bytes).toString("base64"),
        key_version: version,
      });
      const { signature } = understood(SIGNED, answer, key).data;
      const [, base64] = /^vault:v\d+:(.+)$/.exec(signature) ?? [];
      return bytesOf(base64 ?? "", SIGNATURE_BYTES, key);
    },
  };
}

function understood<T>(form: z.ZodType<T>, answer: unknown, key: string): T {
  const read = form.safeParse(answer);
  if (read.success) return read.data;
  throw new OpsError("UNAVAILABLE", `what Vault says of the transit key "${key}" is not understood`);
}

function bytesOf(base64: string, length: number, key: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  if (bytes.length === length) return bytes;
  throw new OpsError(
    "UNAVAILABLE",
    `Vault answered ${bytes.length} bytes for the transit key "${key}", expected ${length}`,
  );
}
