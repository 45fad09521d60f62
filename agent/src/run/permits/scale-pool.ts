/** Whether this host lets pools of processes grow and shrink, which, and how far. Pure. */
import type { Fields } from "../../fields.js";
import { declared, declaredName, deny, required, requiredName, type Verdict } from "../verdict.js";
import { askingSignals, readOptionalProgram, readSignal } from "./processes.js";

/** Pools that may be scaled. */
export interface ScalePoolPolicy {
  readonly pools: readonly DeclaredPool[];
}

/** Alike processes with numbers from 1: instances of a systemd template unit, or of a declared program. */
export interface DeclaredPool {
  readonly name: string;
  /** How few and how many may run. Default 1; `max` has no default. */
  readonly min: number;
  readonly max: number;
  /** A template unit such as `worker@.service`; undefined for a declared program. */
  readonly unit: string | undefined;
  /** Program and arguments; `%i` in an argument is the instance's number. */
  readonly start: readonly string[] | undefined;
  /** Absolute, with `%i` in it. */
  readonly pidFile: string | undefined;
  readonly stop: NodeJS.Signals;
  /** The load that one instance bears; scaling by load needs it. */
  readonly perReplica: number | undefined;
}

export const templateUnit = /^[A-Za-z0-9][A-Za-z0-9:_.\\-]{0,100}@\.service$/;

export function readScalePool(fields: Fields): ScalePoolPolicy {
  const pools = fields.each("pools").map((pool): DeclaredPool => {
    const read = {
      name: required(pool, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      min: pool.integer("min", 1, 0, 1000),
      max: pool.integer("max", 0, 1, 1000),
      unit: pool.text("unit", undefined, "a template unit such as worker@.service", templateUnit),
      start: readOptionalProgram(pool, "start"),
      pidFile: pool.text("pidFile", undefined, "an absolute path with %i in it", /^\/[^\0]*%i[^\0]*$/),
      stop: readSignal(pool, "stop", "SIGTERM", askingSignals),
      perReplica: pool.has("perReplica") ? pool.integer("perReplica", 1, 1, 1_000_000_000) : undefined,
    };
    if (!pool.has("max")) pool.fault("max", undefined, "a whole number from 1 to 1000");
    if (read.min > read.max) pool.fault("min", read.min, `at most max, ${read.max}`);
    const program = read.start !== undefined && read.pidFile !== undefined;
    if ((read.unit !== undefined) === program)
      pool.fault("unit", read.unit, "either unit, or start and pidFile");
    pool.done();
    return read;
  });
  fields.done();
  return { pools };
}

export function allowScalePool(own: ScalePoolPolicy | undefined, fields: Fields): Verdict {
  const pool = requiredName(fields, "pool", "pool");
  const replicas = fields.has("replicas") ? fields.integer("replicas", 1, 0, 1000) : undefined;
  const load = fields.has("load") ? fields.integer("load", 0, 0, 1_000_000_000_000) : undefined;
  if ((replicas === undefined) === (load === undefined))
    fields.fault("replicas", replicas, "either replicas or load");
  if (own === undefined) return deny("actions.scalePool is not set on this host");
  const known = declared(own.pools, pool);
  if (known === undefined) return deny(`${pool} is not in actions.scalePool.pools`);
  if (replicas !== undefined && (replicas < known.min || replicas > known.max))
    return deny(`${replicas} replicas of ${pool}: this host allows ${known.min} to ${known.max}`);
  if (load !== undefined && known.perReplica === undefined)
    return deny(`${pool} declares no perReplica in actions.scalePool: its load says nothing`);
  return { kind: "allow", arguments: { action: "scale-pool", pool, replicas, load } };
}
