/**
 * Vault, through its API: the active node in the lost region steps down, or, where the other region has a cluster of its own,
 * a snapshot is restored there. Nobody but people has the keys that unseal it.
 */
import { readFile, stat } from "node:fs/promises";
import { messageOf, OpsError } from "../../kernel/errors.js";
import { DAY, formatDuration } from "../../kernel/time.js";
import type { Clock } from "../../platform/system.js";
import type { VaultHealthAnswer, VaultOperations, VaultRole } from "../../platform/vault/operations.js";
import type { VaultTarget } from "../domain/region-plan.js";
import type { Seen } from "../domain/standing.js";
import type { ActAnswer, Driver, VerifyAnswer } from "../driver.js";

export interface VaultPorts {
  readonly clock: Clock;
  readonly vault: VaultOperations;
}

/** A snapshot is read whole. */
const SNAPSHOT_BYTES_MAX = 1024 * 1024 * 1024;

const SAYS: Readonly<Record<VaultRole, string>> = {
  active: "is active",
  standby: "is a standby",
  "dr-secondary": "is a disaster-recovery secondary",
  "performance-standby": "is a performance standby",
  uninitialised: "is not initialised",
  sealed: "is sealed: people have its keys",
  unknown: "does not answer as Vault does",
};

type Looked = { readonly health: VaultHealthAnswer } | { readonly because: string };

export function vaultDriver({ clock, vault }: VaultPorts): Driver<VaultTarget> {
  /** By run: what was restored, so that it is not restored over what was written since. */
  const restored = new Map<string, string>();
  const look = (address: string): Promise<Looked> =>
    vault.health(address).then(
      (health) => ({ health }),
      (error: unknown) => ({ because: messageOf(error) }),
    );
  const tokenOf = async ({ tokenFile }: VaultTarget): Promise<string> => {
    if (tokenFile === undefined)
      throw new OpsError("FAILED_PRECONDITION", "the plan names no tokenFile, and this needs a token");
    return (await readFile(tokenFile, "utf8")).trim();
  };
  const roleOf = (looked: Looked | undefined): VaultRole | undefined =>
    looked !== undefined && "health" in looked ? looked.health.role : undefined;
  const say = (address: string, looked: Looked): string =>
    "health" in looked ? `${new URL(address).host} ${SAYS[looked.health.role]}` : looked.because;

  return {
    async observe(target): Promise<Seen> {
      const [old, own] = await Promise.all([
        target.from === undefined ? undefined : look(target.from),
        look(target.to),
      ]);
      const from = target.from === undefined ? "none" : roleOf(old) === "active" ? "alive" : "lost";
      const because = [
        target.from === undefined || old === undefined ? [] : say(target.from, old),
        say(target.to, own),
      ]
        .flat()
        .join("; ");
      const role = roleOf(own);
      if (target.snapshotFile !== undefined) {
        const taken = await stat(target.snapshotFile).catch(() => undefined);
        const isThere = taken !== undefined && role === "active";
        const age =
          taken === undefined
            ? "there is no snapshot"
            : `its snapshot is ${aged(clock.now() - taken.mtimeMs)} old`;
        return {
          from,
          to: isThere ? "ready" : "not-ready",
          because: `${because}; ${age}`,
          asOf: taken === undefined ? null : Math.floor(taken.mtimeMs),
        };
      }
      const isFit = role === "standby" || role === "performance-standby";
      return { from, to: role === "active" ? "active" : isFit ? "ready" : "not-ready", because };
    },

    async act(target, { region, epoch, step }): Promise<ActAnswer> {
      const own = await look(target.to);
      if (!("health" in own)) return { kind: "failed", because: own.because };
      const { role } = own.health;
      const host = new URL(target.to).host;
      if (role === "sealed" || role === "uninitialised" || role === "unknown" || role === "dr-secondary")
        return { kind: "failed", because: `${host} ${SAYS[role]}` };
      if (target.snapshotFile !== undefined) {
        if (role !== "active")
          return { kind: "failed", because: `${host} ${SAYS[role]}, and takes no snapshot` };
        return restore(target, target.snapshotFile, `${region}/${epoch}/${step}`);
      }
      if (role === "active") return { kind: "acted", because: `${host} is active` };
      const old = target.from === undefined ? undefined : await look(target.from);
      if (target.from !== undefined && roleOf(old) === "active") {
        await vault.stepDown(target.from, await tokenOf(target));
        return { kind: "pending", because: `${new URL(target.from).host} was told to step down` };
      }
      return { kind: "pending", because: `${host} ${SAYS[role]}, and its cluster elects a leader` };
    },

    async verify(target): Promise<VerifyAnswer> {
      const own = await look(target.to);
      if (!("health" in own)) return { kind: "not-yet", because: own.because };
      const host = new URL(target.to).host;
      if (own.health.role !== "active")
        return { kind: "not-yet", because: `${host} ${SAYS[own.health.role]}` };
      if (target.check === undefined) return { kind: "verified", because: `${host} is active` };
      const isThere = await vault.canRead(target.to, await tokenOf(target), target.check);
      return isThere
        ? { kind: "verified", because: `${host} is active, and "${target.check}" can be read there` }
        : { kind: "not-yet", because: `${host} is active, and "${target.check}" is not there` };
    },
  };

  async function restore(target: VaultTarget, file: string, errand: string): Promise<ActAnswer> {
    const known = restored.get(errand);
    if (known !== undefined) return { kind: "acted", because: known };
    const token = await tokenOf(target);
    // What can be read there already was restored before, or is what is wanted: restoring would take back what came since.
    if (target.check !== undefined && (await vault.canRead(target.to, token, target.check)))
      return { kind: "acted", because: `"${target.check}" is there already: nothing was restored` };
    const { size, mtimeMs } = await stat(file);
    if (size > SNAPSHOT_BYTES_MAX)
      return { kind: "failed", because: `the snapshot is larger than ${SNAPSHOT_BYTES_MAX} bytes` };
    await vault.restoreSnapshot(target.to, token, await readFile(file));
    const because = `a snapshot of ${size} bytes was restored, ${aged(clock.now() - mtimeMs)} old`;
    restored.set(errand, because);
    return { kind: "acted", because };
  }
}

const aged = (age: number): string =>
  formatDuration(age > DAY ? Math.round(age / 1_000) * 1_000 : Math.max(0, Math.round(age)));
