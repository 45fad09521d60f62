/** One trial of each fault: what is done to a cluster that is whole, and what its client and its members say of it. */
import { loadAverage, sleep } from "../processes.mjs";
import { longestGap, missing, now, overlaps } from "./markers.mjs";
import { query } from "./query.mjs";

/** The fault comes at a random moment of the cluster's beats. */
const PHASE_MS = 1_000;
/** Markers are written for so long before the fault, and after what followed from it. */
const LEAD_MS = 700;

export const FAULTS = {
  "node-loss": { tells: "the primary's PostgreSQL, guard and agent are killed at once", run: loseNode },
  crash: { tells: "the primary's postmaster is killed, its agent lives", run: crash, crashes: 1 },
  "third-crash": {
    tells: "the primary's postmaster is killed three times within a minute",
    run: crashThrice,
  },
  switchover: { tells: "another member becomes the primary as planned", run: switchOver },
  "control-down": {
    tells: "the third site (control plane, or etcd) is killed and comes back",
    run: loseControl,
  },
};

/** Resolves with what `look` answers when it is neither undefined nor false; undefined when `withinMs` has passed. */
export async function until(look, withinMs, everyMs = 20) {
  const deadline = now() + withinMs;
  for (;;) {
    const value = await Promise.resolve(look()).catch(() => undefined);
    if (value !== undefined && value !== false) return value;
    if (now() > deadline) return undefined;
    await sleep(everyMs);
  }
}

async function need(what, look, withinMs, everyMs) {
  const value = await until(look, withinMs, everyMs);
  if (value === undefined) throw new Error(`waited ${withinMs / 1_000} s for ${what}`);
  return value;
}

/**
 * Runs one. Resolves with its figures; rejects when the cluster did not come to where it should, and is then of no use for
 * another trial.
 */
export async function runTrial(fault, { cluster, markers, patienceMs, downMs }) {
  const ready = () => (cluster.ready ?? cluster.redundant).call(cluster);
  await need("the cluster to be whole", ready, patienceMs, 100);
  const crashes = FAULTS[fault].crashes ?? 0;
  if (crashes > 0) {
    await cluster.beforeCrash?.(crashes);
    await need("the cluster to be whole", ready, patienceMs, 100);
  }
  const from = await need("a primary", () => cluster.primary(), patienceMs);
  await sleep(LEAD_MS + Math.random() * PHASE_MS);
  const beganAt = now();
  await need("markers to be acknowledged", () => markers.since(beganAt).length > 0, patienceMs);
  const load = loadAverage()[0];
  const trial = { cluster, markers, patienceMs, downMs, from, beganAt };
  const seen = await FAULTS[fault].run(trial);
  await sleep(LEAD_MS);
  const acked = markers.since(beganAt - LEAD_MS);
  const primary = await need("a primary", () => cluster.primary(), patienceMs);
  const there = await numbersOf(cluster, primary, acked);
  const lost = missing(acked, there);
  markers.forgetBefore(now());
  return {
    noWritesMs: Math.round(seen.noWritesMs),
    laterGapMs: Math.round(longestGap(acked, seen.backAt).gapMs),
    acknowledged: acked.length,
    lost: lost.length,
    both: overlaps(acked),
    failovers: seen.planned === true ? 0 : primary === from ? 0 : 1,
    from,
    primary,
    ...(seen.redundantMs === undefined ? {} : { redundantMs: Math.round(seen.redundantMs) }),
    ...(seen.neverRedundant ? { neverRedundant: true } : {}),
    ...((await cluster.account?.(seen.faultAt)) ?? {}),
    load,
  };
}

/** How the clients of the bench connect to each member. */
export const placesOf = (cluster) =>
  cluster.members.map((member) => ({ user: "postgres", database: "postgres", ...cluster.access, ...member }));
const placeOf = (cluster, name) => placesOf(cluster).find((one) => one.name === name);

/** Makes the table of markers. */
export async function prepare(cluster, patienceMs) {
  const primary = await need("a primary", () => cluster.primary(), patienceMs);
  await query(placeOf(cluster, primary), "create table if not exists marker (number bigint primary key)");
}

/** The markers that a member has, among those that were acknowledged. */
async function numbersOf(cluster, name, acked) {
  const numbers = acked.map(({ number }) => number);
  if (numbers.length === 0) return new Set();
  const rows = await query(
    placeOf(cluster, name),
    `select number::int as number from marker
     where number between ${Math.min(...numbers)} and ${Math.max(...numbers)}`,
  );
  return new Set(rows.map(({ number }) => number));
}

/** Resolves with when the next marker after `at` was acknowledged that counts for `counts`. */
const acknowledgedAfter = ({ markers, patienceMs }, at, counts = () => true) =>
  need(
    "a marker to be acknowledged after the fault",
    () => markers.since(at).find((one) => one.sentAt > at && counts(one))?.at,
    patienceMs,
  );

async function redundantAgain({ cluster, patienceMs }, since) {
  const at = await until(async () => ((await cluster.redundant()) ? now() : undefined), patienceMs, 50);
  return at === undefined ? { neverRedundant: true } : { redundantMs: at - since };
}

async function loseNode(trial) {
  const { cluster, from } = trial;
  const faultAt = now();
  await cluster.killNode(from);
  const backAt = await acknowledgedAfter(trial, faultAt, ({ member }) => member !== from);
  await sleep(LEAD_MS);
  const returnedAt = now();
  await cluster.startNode(from);
  return { faultAt, backAt, noWritesMs: backAt - faultAt, ...(await redundantAgain(trial, returnedAt)) };
}

async function crashOnce(trial) {
  const { cluster, markers, patienceMs } = trial;
  const faultAt = now();
  await cluster.crashPostgres(await cluster.primary());
  // Backends may outlive their postmaster by a few commits. Who takes new connections has a living one.
  await need("a member that takes connections", () => cluster.primary(), patienceMs);
  const backAt = await acknowledgedAfter(trial, now());
  const { gapMs } = longestGap(markers.since(faultAt - LEAD_MS), faultAt, backAt);
  return { faultAt, backAt, noWritesMs: gapMs };
}

async function crash(trial) {
  const seen = await crashOnce(trial);
  return { ...seen, ...(await redundantAgain(trial, seen.backAt)) };
}

async function crashThrice(trial) {
  for (let time = 0; time < 2; time += 1) {
    await crashOnce(trial);
    await sleep(LEAD_MS);
  }
  const seen = await crashOnce(trial);
  return { ...seen, ...(await redundantAgain(trial, seen.backAt)) };
}

async function switchOver(trial) {
  const { cluster, markers, from } = trial;
  const to = cluster.members.find(({ name }) => name !== from).name;
  const faultAt = now();
  await cluster.switchover(to);
  const backAt = await acknowledgedAfter(trial, faultAt, ({ member }) => member === to);
  const again = await redundantAgain(trial, backAt);
  const { gapMs } = longestGap(markers.since(faultAt - LEAD_MS), faultAt, backAt);
  return { faultAt, backAt, planned: true, noWritesMs: gapMs, ...again };
}

async function loseControl(trial) {
  const { cluster, markers, downMs } = trial;
  const faultAt = now();
  await cluster.controlDown();
  await sleep(downMs);
  await cluster.controlUp();
  const upAt = now();
  const again = await redundantAgain(trial, upAt);
  await acknowledgedAfter(trial, upAt);
  const { gapMs } = longestGap(markers.since(faultAt - LEAD_MS), faultAt);
  return { faultAt, backAt: upAt, noWritesMs: gapMs, ...again };
}
