/**
 * Redis: the replica in the other region follows nobody any more, and the old one follows it once it is back; or the only
 * one is started again with what it saved. How old what it has then is, is told.
 */
import { readFile } from "node:fs/promises";
import { messageOf, OpsError } from "../../kernel/errors.js";
import { formatDuration, SECOND } from "../../kernel/time.js";
import type { RedisAdmin, RedisPlace, RedisState } from "../../platform/redis/admin.js";
import type { Clock } from "../../platform/system.js";
import type { RedisTarget, ServerPlace } from "../domain/region-plan.js";
import type { Seen } from "../domain/standing.js";
import type { ActAnswer, Driver, Errand, VerifyAnswer } from "../driver.js";
import type { RunOnNode } from "./scale.js";

export interface RedisPorts {
  readonly clock: Clock;
  readonly connect: <T>(place: RedisPlace, work: (admin: RedisAdmin) => Promise<T>) => Promise<T>;
  /** The ordinary way of commands. */
  readonly runOnNode: RunOnNode;
}

/** How long writes may wait while the replica gets the rest. */
const HAND_OVER_WITHIN = 10 * SECOND;

type Looked = { readonly state: RedisState } | { readonly because: string };

export function redisDriver({ clock, connect, runOnNode }: RedisPorts): Driver<RedisTarget> {
  const at = async <T>(
    target: RedisTarget,
    place: ServerPlace,
    work: (admin: RedisAdmin) => Promise<T>,
  ): Promise<T> => {
    const { user, passwordFile, tls } = target;
    const password = passwordFile === undefined ? undefined : await readPassword(passwordFile);
    const given = {
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password }),
    };
    return connect({ ...place, tls, ...given }, work);
  };
  const look = (target: RedisTarget, place: ServerPlace): Promise<Looked> =>
    at(target, place, (admin) => admin.look()).then(
      (state) => ({ state }),
      (error: unknown) => ({ because: messageOf(error) }),
    );
  const both = (target: RedisTarget): Promise<readonly [Looked | undefined, Looked]> =>
    Promise.all([
      target.from === undefined ? undefined : look(target, target.from),
      look(target, target.to),
    ] as const);

  return {
    async observe(target): Promise<Seen> {
      const [old, own] = await both(target);
      if (target.from === undefined) return alone(target, own);
      const now = clock.now();
      const isMaster = old !== undefined && "state" in old && old.state.role === "master";
      const from = isMaster ? "alive" : "lost";
      const fromSays = sayOf(target.from, old);
      if (!("state" in own)) return { from, to: "not-ready", because: `${fromSays}; ${own.because}` };
      const { state } = own;
      const because = `${fromSays}; ${sayOf(target.to, own)}`;
      if (state.role === "master") {
        // Two masters: the old one is to follow. Before it was ever moved that is a pair that was never made.
        return { from, to: isReady(state) ? "active" : "not-ready", because };
      }
      const isSound = isReady(state) && follows(state, target.from);
      const heardAt = state.silentFor === undefined ? null : now - state.silentFor;
      return { from, to: isSound ? "ready" : "not-ready", because, asOf: isSound ? heardAt : null };
    },

    async act(target, errand): Promise<ActAnswer> {
      const [old, own] = await both(target);
      if (!("state" in own))
        return target.restart === undefined ? failed(own.because) : restart(target, errand);
      const { state } = own;
      if (state.isLoading) return { kind: "pending", because: "it loads its data" };
      const { from, to } = target;
      if (state.role === "master") {
        await rejoin(target, old);
        return { kind: "acted", because: `${placeOf(to)} follows nobody, with ${state.keys} keys` };
      }
      if (state.isSyncing) return failed(`${placeOf(to)} is being filled: what it has is not whole`);
      if (from !== undefined && old !== undefined && "state" in old && old.state.role === "master") {
        if (!follows(state, from))
          return failed(`${placeOf(to)} follows ${followed(state)}, not ${placeOf(from)}`);
        await at(target, from, (admin) => admin.handOver(to.host, to.port, HAND_OVER_WITHIN));
        return { kind: "pending", because: `${placeOf(from)} hands over to it` };
      }
      await at(target, to, (admin) => admin.promote());
      return { kind: "acted", because: `${placeOf(to)} was told to follow nobody, with ${state.keys} keys` };
    },

    async verify(target): Promise<VerifyAnswer> {
      const [old, own] = await both(target);
      if (!("state" in own)) return { kind: "not-yet", because: own.because };
      const { state } = own;
      if (state.role !== "master")
        return { kind: "undone", because: `${placeOf(target.to)} follows ${followed(state)}` };
      if (state.isLoading) return { kind: "not-yet", because: "it loads its data" };
      const behind =
        target.from === undefined
          ? ""
          : old !== undefined && "state" in old && old.state.role === "replica"
            ? `; ${placeOf(target.from)} follows it`
            : `; ${placeOf(target.from)} will be made to follow it when it is back`;
      return {
        kind: "verified",
        because: `${placeOf(target.to)} takes writes, with ${state.keys} keys${behind}`,
      };
    },

    async rejoin(target): Promise<string | undefined> {
      if (target.from === undefined) return undefined;
      const [old, own] = await both(target);
      if (!("state" in own) || own.state.role !== "master") return undefined;
      return rejoin(target, old);
    },
  };

  async function restart(target: RedisTarget, errand: Errand): Promise<ActAnswer> {
    if (target.restart === undefined) return failed("it says nothing about how it is started");
    const became = await runOnNode(target.restart, errand);
    // It has come up when it answers, not when its process has begun.
    return became.kind === "acted" ? { kind: "pending", because: became.because } : became;
  }

  /** Whoever was the master follows: it would take writes that are lost later. */
  async function rejoin(target: RedisTarget, old: Looked | undefined): Promise<string | undefined> {
    const { from, to } = target;
    if (from === undefined || old === undefined || !("state" in old) || old.state.role === "replica")
      return undefined;
    await at(target, from, (admin) => admin.follow(to.host, to.port));
    return `${placeOf(from)} follows ${placeOf(to)}`;
  }
}

function alone(target: RedisTarget, own: Looked): Seen {
  if (!("state" in own)) {
    const to = target.restart === undefined ? "not-ready" : "ready";
    return { from: "lost", to, because: own.because };
  }
  const { state } = own;
  return {
    from: "alive",
    to: isReady(state) ? "active" : "not-ready",
    because: sayOf(target.to, own),
    // A server that was just started says that it has saved then: what it had is older.
    ...(state.isLoading ? {} : { asOf: state.savedAt }),
  };
}

const failed = (because: string): ActAnswer => ({ kind: "failed", because });
const placeOf = ({ host, port }: ServerPlace): string => `${host}:${port}`;
const followed = ({ follows: whom }: RedisState): string => (whom === undefined ? "nobody" : placeOf(whom));
const isReady = ({ isLoading, isSyncing }: RedisState): boolean => !isLoading && !isSyncing;
/** By its port alone: the name by which a replica knows its master need not be ours. */
const follows = (state: RedisState, from: ServerPlace): boolean => state.follows?.port === from.port;

function sayOf(place: ServerPlace, looked: Looked | undefined): string {
  if (looked === undefined) return "";
  if (!("state" in looked)) return looked.because;
  const { role, keys, isLinked, silentFor } = looked.state;
  if (role === "master") return `${placeOf(place)} is a master with ${keys} keys`;
  const heard = silentFor === undefined ? "never" : `${formatDuration(silentFor)} ago`;
  return `${placeOf(place)} is a replica with ${keys} keys, ${isLinked ? "linked" : "not linked"}, heard its master ${heard}`;
}

async function readPassword(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new OpsError("FAILED_PRECONDITION", `the password file cannot be read: ${messageOf(error)}`);
  }
}
