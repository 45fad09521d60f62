/** How the control plane shows itself to Patroni's REST API, by cluster: a file of its own, never the database. */
import { z } from "zod";

export interface PatroniCredentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** A file that holds the password and nothing else. */
  readonly passwordFile?: string | undefined;
  /** PEM files. */
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** The password may be sent without TLS to another host. */
  readonly plainHttp?: boolean | undefined;
}

export type PatroniCredentialsFile = Readonly<Record<string, PatroniCredentials>>;

const TEXT = z.string().min(1).max(1_000);

const CREDENTIALS = z
  .strictObject({
    username: TEXT.optional(),
    password: TEXT.optional(),
    passwordFile: TEXT.optional(),
    caFile: TEXT.optional(),
    certFile: TEXT.optional(),
    keyFile: TEXT.optional(),
    plainHttp: z.boolean().optional(),
  })
  .refine((one) => (one.certFile === undefined) === (one.keyFile === undefined), {
    error: "certFile and keyFile go together",
  })
  .refine((one) => one.password === undefined || one.passwordFile === undefined, {
    error: "password and passwordFile exclude each other",
  })
  .refine(
    (one) => (one.username === undefined) === (one.password === undefined && one.passwordFile === undefined),
    { error: "username goes with password or passwordFile" },
  );

const FILE = z.strictObject({ clusters: z.record(z.string().max(63), CREDENTIALS) });

/** Faults name the place and never a value: what stands there is secret. */
export function parsePatroniCredentials(
  value: unknown,
  lineOf: (path: readonly (string | number)[]) => number,
): { readonly value: PatroniCredentialsFile } | { readonly faults: readonly string[] } {
  const parsed = FILE.safeParse(value ?? { clusters: {} });
  if (parsed.success) return { value: parsed.data.clusters };
  return {
    faults: parsed.error.issues.map(({ path, code, message }) => {
      const place = path.filter((part) => typeof part !== "symbol");
      const said = code === "custom" ? message : `not as expected (${code})`;
      return `${lineOf(place)}: ${place.join(".") || "the file"}: ${said}`;
    }),
  };
}

/** Why the password may not be sent there; undefined when it may. */
export function whyNotShown(
  credentials: PatroniCredentials,
  endpoint: { readonly protocol: string; readonly hostname: string },
): string | undefined {
  if (credentials.username === undefined || endpoint.protocol === "https:") return undefined;
  const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(endpoint.hostname);
  if (loopback || credentials.plainHttp === true) return undefined;
  return "its password would cross the network in plain text; use https, or say plainHttp: true";
}
