/**
 * How each part is, from what was read of it. Thresholds stand beside their reason; all are inclusive.
 */
import { type Duration, type Instant, MINUTE, SECOND } from "../../kernel/time.js";
import type { Finding, HealthStatus } from "./fold-health.js";

const finding = (status: HealthStatus, because: string, figures: Finding["figures"]): Finding => ({
  status,
  because,
  figures,
});

const percent = (ratio: number): string => `${(100 * ratio).toFixed(ratio < 0.1 ? 1 : 0)} %`;

export interface DatabaseReading {
  /** Time of one round trip. */
  readonly seconds: number;
  readonly connectionsActive: number;
  readonly connectionsMax: number;
  readonly waiting: number;
}

/** Nine of ten connections in use is the seed's own alarm for the pool; a round trip of 1 s means queues everywhere. */
export function judgeDatabase(reading: DatabaseReading): Finding {
  const figures = {
    connections_active: reading.connectionsActive,
    connections_max: reading.connectionsMax,
    connections_waiting: reading.waiting,
    round_trip_seconds: reading.seconds,
  };
  const use = reading.connectionsActive / reading.connectionsMax;
  const used = `${reading.connectionsActive} of ${reading.connectionsMax} connections in use`;
  if (reading.seconds >= 1) {
    return finding("degraded", `a round trip takes ${reading.seconds.toFixed(1)} s`, figures);
  }
  if (use >= 0.9) return finding("degraded", `${used}, ${reading.waiting} waiting`, figures);
  return finding("healthy", used, figures);
}

export interface LiveReading {
  /** `in-process`: no Redis is configured. */
  readonly kind: "redis" | "in-process";
  readonly connected: boolean;
}

export function judgeRedis(reading: LiveReading): Finding {
  const figures = { connections_active: reading.connected && reading.kind === "redis" ? 1 : 0 };
  if (reading.kind === "in-process")
    return finding("healthy", "within this process; no Redis is configured", figures);
  if (reading.connected) return finding("healthy", "connected", figures);
  return finding("unhealthy", "not connected; live updates between replicas wait, nothing is lost", figures);
}

export type VaultReading =
  | "active"
  | "standby"
  | "sealed"
  | "uninitialised"
  | "unreachable"
  | "not-configured";

export function judgeVault(reading: VaultReading): Finding {
  if (reading === "not-configured")
    return finding("healthy", "not configured; keys are files in the state directory", {});
  const status = reading === "active" || reading === "standby" ? "healthy" : "unhealthy";
  return finding(status, reading, { reachable: reading === "unreachable" ? 0 : 1 });
}

export interface ApiReading {
  readonly eventLoopLag: Duration;
  readonly requestsActive: number;
}

/** Above 1 s people and agents notice; above 5 s the process counts as hung (see judge-liveness.ts). */
export function judgeApi(reading: ApiReading): Finding {
  const figures = {
    event_loop_lag_seconds: reading.eventLoopLag / SECOND,
    requests_active: reading.requestsActive,
  };
  const lag = `the event loop lagged ${Math.round(reading.eventLoopLag)} ms`;
  if (reading.eventLoopLag >= 5 * SECOND) return finding("unhealthy", lag, figures);
  if (reading.eventLoopLag >= SECOND) return finding("degraded", lag, figures);
  return finding("healthy", `${reading.requestsActive} requests under way`, figures);
}

export interface NodesReading {
  readonly live: number;
  readonly late: number;
  readonly lost: number;
}

/** One lost node degrades; when every node is lost, the fault is likelier here than there. */
export function judgeAgents(reading: NodesReading): Finding {
  const all = reading.live + reading.late + reading.lost;
  const figures = { streams_active: reading.live, nodes_late: reading.late, nodes_lost: reading.lost };
  if (all > 0 && reading.lost === all) return finding("unhealthy", `all ${all} nodes are lost`, figures);
  if (reading.lost > 0) return finding("degraded", `${reading.lost} of ${all} nodes are lost`, figures);
  return finding(
    "healthy",
    all === 0 ? "no node has joined yet" : `${reading.live} of ${all} nodes are live`,
    figures,
  );
}

export interface SpaceReading {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** 15 % is the seed's rule for disks; below 5 % PostgreSQL's next checkpoint may fail. */
export function judgeDisk(reading: SpaceReading): Finding {
  return judgeSpace("of the state directory's disk is free", reading, 0.15, 0.05);
}

/** Below 3 % available the kernel's OOM killer is near. */
export function judgeMemory(reading: SpaceReading & { readonly residentBytes: number }): Finding {
  const judged = judgeSpace("of the host's memory is available", reading, 0.1, 0.03);
  return { ...judged, figures: { ...judged.figures, resident_bytes: reading.residentBytes } };
}

function judgeSpace(what: string, reading: SpaceReading, low: number, out: number): Finding {
  const figures = { free_bytes: reading.freeBytes, total_bytes: reading.totalBytes };
  const free = reading.totalBytes > 0 ? reading.freeBytes / reading.totalBytes : 1;
  const because = `${percent(free)} ${what}`;
  if (free < out) return finding("unhealthy", because, figures);
  if (free < low) return finding("degraded", because, figures);
  return finding("healthy", because, figures);
}

export interface CpuReading {
  /** Runnable tasks over the last minute. */
  readonly load: number;
  readonly cores: number;
  /** Share of one core that this process used since the last reading. */
  readonly ownCores: number;
}

/** Twice as many runnable tasks as cores: everything takes twice as long. */
export function judgeCpu(reading: CpuReading): Finding {
  const figures = { load_1m: reading.load, cores: reading.cores, own_cores: reading.ownCores };
  const because = `load ${reading.load.toFixed(1)} on ${reading.cores} cores`;
  if (reading.load >= 8 * reading.cores) return finding("unhealthy", because, figures);
  return finding(reading.load >= 2 * reading.cores ? "degraded" : "healthy", because, figures);
}

export interface LoopReading {
  readonly name: string;
  readonly interval: Duration;
  readonly lastStartedAt: Instant | undefined;
  readonly lastSucceededAt: Instant | undefined;
  readonly failuresInRow: number;
  readonly lastError: string | undefined;
}

/** A loop is late when it has not succeeded for four intervals and a minute; three failures in a row are told sooner. */
export function judgeLoops(loops: readonly LoopReading[], startedAt: Instant, now: Instant): Finding {
  const troubles: string[] = [];
  for (const loop of loops) {
    const since = now - (loop.lastSucceededAt ?? startedAt);
    if (loop.failuresInRow >= 3) {
      troubles.push(
        `${loop.name} failed ${loop.failuresInRow} times in a row (${loop.lastError ?? "no reason"})`,
      );
    } else if (since > 4 * loop.interval + MINUTE) {
      troubles.push(`${loop.name} has not succeeded for ${Math.round(since / SECOND)} s`);
    }
  }
  const figures = { loops: loops.length, loops_in_trouble: troubles.length };
  if (troubles.length > 0) return finding("degraded", troubles.join("; "), figures);
  return finding("healthy", `${loops.length} loops are on time`, figures);
}

/** What a room says of itself. */
export type RoomReading =
  | { readonly kind: "ok" }
  | { readonly kind: "degraded"; readonly because: string }
  | { readonly kind: "down"; readonly because: string };

export function judgeRoom(reading: RoomReading, figures: Finding["figures"]): Finding {
  if (reading.kind === "ok") return finding("healthy", "as it should be", figures);
  return finding(reading.kind === "down" ? "unhealthy" : "degraded", reading.because, figures);
}
