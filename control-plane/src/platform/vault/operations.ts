/** What is asked of, and ordered to, Vaults of others: how one stands, that it hands over, that it takes a snapshot. */
import NodeVault from "node-vault";
import { z } from "zod";
import { messageOf, OpsError } from "../../kernel/errors.js";
import { type Duration, MINUTE, SECOND } from "../../kernel/time.js";
import type { HttpClient } from "../http-client.js";

/**
 * By the status of /sys/health: 200 active; 429 standby; 472 a disaster-recovery secondary; 473 a performance standby; 501 not
 * initialised; 503 sealed. Nothing else is Vault's.
 */
export type VaultRole =
  | "active"
  | "standby"
  | "dr-secondary"
  | "performance-standby"
  | "uninitialised"
  | "sealed"
  | "unknown";

const ROLES: Readonly<Record<number, VaultRole>> = {
  200: "active",
  429: "standby",
  472: "dr-secondary",
  473: "performance-standby",
  501: "uninitialised",
  503: "sealed",
};

export interface VaultHealthAnswer {
  readonly role: VaultRole;
  readonly status: number;
  /** Of the cluster it belongs to; empty when it does not say. */
  readonly clusterId: string;
}

export interface VaultOperations {
  /** Throws OpsError UNAVAILABLE or DEADLINE_EXCEEDED when nobody answers. */
  health(address: string): Promise<VaultHealthAnswer>;
  /** The active node becomes a standby, and another active. Throws PERMISSION_DENIED, UNAVAILABLE. */
  stepDown(address: string, token: string): Promise<void>;
  /** Replaces everything the cluster holds by a Raft snapshot, even one of another cluster. */
  restoreSnapshot(address: string, token: string, snapshot: Uint8Array): Promise<void>;
  /** Whether a secret can be read there. */
  canRead(address: string, token: string, path: string): Promise<boolean>;
}

const HEALTH = z.object({ cluster_id: z.string().optional() });
const FAILURE = z.object({ response: z.object({ statusCode: z.number() }) });
const TIMEOUT: Duration = 3 * SECOND;
const ANSWER_BYTES_MAX = 64 * 1024;

export function vaultOperations(http: HttpClient): VaultOperations {
  const client = (endpoint: string, token: string) =>
    NodeVault({ endpoint, token, requestOptions: { timeout: TIMEOUT } });
  /** Vault's own texts are left out, for they may echo a request. */
  const translate = (what: string, cause: unknown): OpsError => {
    const status = FAILURE.safeParse(cause).data?.response.statusCode;
    if (status === 403) return new OpsError("PERMISSION_DENIED", `Vault refused to ${what}`);
    const why = status === undefined ? messageOf(cause).slice(0, 200) : `status ${status}`;
    return new OpsError("UNAVAILABLE", `Vault could not ${what} (${why})`);
  };
  return {
    async health(address) {
      const url = new URL("/v1/sys/health", address);
      const answer = await http.call({
        method: "GET",
        url,
        timeoutMs: TIMEOUT,
        bytesMax: ANSWER_BYTES_MAX,
      });
      return {
        role: ROLES[answer.status] ?? "unknown",
        status: answer.status,
        clusterId: HEALTH.safeParse(parseJson(answer.body.toString("utf8"))).data?.cluster_id ?? "",
      };
    },
    async stepDown(address, token) {
      try {
        await client(address, token).stepDown();
      } catch (cause) {
        throw translate("step down", cause);
      }
    },
    async restoreSnapshot(address, token, snapshot) {
      const { status } = await http.call({
        method: "POST",
        url: new URL("/v1/sys/storage/raft/snapshot-force", address),
        headers: { "x-vault-token": token, "content-type": "application/octet-stream" },
        body: snapshot,
        timeoutMs: MINUTE,
        bytesMax: ANSWER_BYTES_MAX,
      });
      if (status === 200 || status === 204) return;
      throw status === 403
        ? new OpsError("PERMISSION_DENIED", "Vault refused to take a snapshot")
        : new OpsError("UNAVAILABLE", `Vault could not take a snapshot (status ${status})`);
    },
    async canRead(address, token, path) {
      try {
        await client(address, token).read(path);
        return true;
      } catch (cause) {
        if (FAILURE.safeParse(cause).data?.response.statusCode === 404) return false;
        throw translate(`read "${path}"`, cause);
      }
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
