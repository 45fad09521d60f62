/**
 * Vault: reads and writes the few secrets the house keeps there (KV version 2), has it sign, and renews its own token.
 * Nothing else sees a Vault token.
 */
import NodeVault from "node-vault";
import { z } from "zod";
import { OpsError } from "../../kernel/errors.js";
import { HOUR, SECOND } from "../../kernel/time.js";
import type { Guard } from "../breakers.js";
import type { Logger } from "../logger.js";
import type { Clock } from "../system.js";
import { type Transit, vaultTransit } from "./transit.js";

export interface VaultOptions {
  /** Such as https://vault:8200. */
  readonly address: string;
  /** A token, or an AppRole. */
  readonly auth:
    | { readonly kind: "token"; readonly token: string }
    | { readonly kind: "approle"; readonly roleId: string; readonly secretId: string };
  /** Where the KV engine (version 2) is mounted. @default "secret" */
  readonly mount?: string;
  /** Where the transit engine is mounted. @default "transit" */
  readonly transitMount?: string;
  /** @default 3,000 */
  readonly timeoutMs?: number;
  /** Leaves Vault alone when it does not answer. @default every call is made */
  readonly guard?: Guard;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** active, standby, sealed, uninitialised or unreachable, by Vault's /sys/health. */
export type VaultHealth = "active" | "standby" | "sealed" | "uninitialised" | "unreachable";

export interface Secrets {
  /** The secret's fields, or undefined when there is none at `path`. Throws UNAVAILABLE or PERMISSION_DENIED. */
  read(path: string): Promise<Readonly<Record<string, string>> | undefined>;
  /** Writes all fields. Fails with ABORTED when there is a secret already, so that two replicas cannot both be first. */
  create(path: string, fields: Readonly<Record<string, string>>): Promise<void>;
  /** Keys that sign and never leave Vault. */
  readonly transit: Transit;
  health(): Promise<VaultHealth>;
  close(): Promise<void>;
}

const READ = z.object({ data: z.object({ data: z.record(z.string(), z.string()) }) });
const LOGIN = z.object({ auth: z.object({ client_token: z.string(), lease_duration: z.number() }) });
const FAILURE = z.object({ response: z.object({ statusCode: z.number() }) });
const HEALTH: Readonly<Record<number, VaultHealth>> = {
  200: "active",
  429: "standby",
  472: "standby",
  473: "standby",
  501: "uninitialised",
  503: "sealed",
};

export async function connectVault(options: VaultOptions): Promise<Secrets> {
  const timeout = options.timeoutMs ?? 3_000;
  const mount = options.mount ?? "secret";
  const client = NodeVault({ endpoint: options.address, requestOptions: { timeout } });
  const stopped = new AbortController();

  /** Foreign errors are translated here; Vault's own texts are left out, for they may echo a request. */
  const translate = (what: string, cause: unknown): OpsError => {
    const status = FAILURE.safeParse(cause).data?.response.statusCode;
    if (status === 403) return new OpsError("PERMISSION_DENIED", `Vault refused to ${what}`);
    return new OpsError(
      "UNAVAILABLE",
      `Vault could not ${what}${status === undefined ? "" : ` (status ${status})`}`,
    );
  };

  /** `work` throws what is translated already. */
  const guarded = <T>(work: () => Promise<T>): Promise<T> =>
    options.guard === undefined ? work() : options.guard(new URL(options.address).origin, work);

  const login = async (): Promise<number> => {
    if (options.auth.kind === "token") {
      client.token = options.auth.token;
      return 0;
    }
    const { roleId: role_id, secretId: secret_id } = options.auth;
    return guarded(async () => {
      try {
        const answer = LOGIN.parse(await client.approleLogin({ role_id, secret_id }));
        client.token = answer.auth.client_token;
        return answer.auth.lease_duration * SECOND;
      } catch (cause) {
        throw translate("log in", cause);
      }
    });
  };

  const keepLoggedIn = async (firstLease: number): Promise<void> => {
    let lease = firstLease;
    while (lease > 0 && !stopped.signal.aborted) {
      await options.clock.sleep(Math.min(lease * 0.6, 24 * HOUR), stopped.signal);
      if (stopped.signal.aborted) return;
      lease = await login().catch((error: unknown) => {
        options.logger.warn("Vault did not renew our token; trying again", {}, error);
        return 20 * SECOND;
      });
    }
  };

  void keepLoggedIn(await login());

  return {
    read: (path) =>
      guarded(async () => {
        try {
          return READ.parse(await client.read(`${mount}/data/${path}`)).data.data;
        } catch (cause) {
          if (FAILURE.safeParse(cause).data?.response.statusCode === 404) return undefined;
          throw translate(`read "${path}"`, cause);
        }
      }),
    create: (path, fields) =>
      guarded(async () => {
        try {
          // cas: 0 writes only where there is no version yet.
          await client.write(`${mount}/data/${path}`, { options: { cas: 0 }, data: fields });
        } catch (cause) {
          if (FAILURE.safeParse(cause).data?.response.statusCode === 400) {
            throw new OpsError("ABORTED", `Vault already has a secret at "${path}"`);
          }
          throw translate(`write "${path}"`, cause);
        }
      }),
    transit: vaultTransit(
      {
        read: (what, path) =>
          guarded(async () => {
            try {
              return await client.read(path);
            } catch (cause) {
              if (FAILURE.safeParse(cause).data?.response.statusCode === 404) return undefined;
              throw translate(what, cause);
            }
          }),
        write: (what, path, body) =>
          guarded(async () => {
            try {
              return await client.write(path, body);
            } catch (cause) {
              throw translate(what, cause);
            }
          }),
      },
      options.transitMount ?? "transit",
    ),
    async health() {
      try {
        const response = await fetch(new URL("/v1/sys/health", options.address), {
          signal: AbortSignal.timeout(timeout),
        });
        return HEALTH[response.status] ?? "unreachable";
      } catch {
        return "unreachable";
      }
    },
    async close() {
      stopped.abort();
    },
  };
}
