/**
 * How the whole is, from how its parts are: the worst wins, in whatever order they are told.
 */
export type HealthStatus = "healthy" | "degraded" | "unhealthy";

/** What a check found. */
export interface Finding {
  readonly status: HealthStatus;
  /** One sentence: why it is judged so. */
  readonly because: string;
  /** Named values of the part, such as `connections_active`. */
  readonly figures: Readonly<Record<string, number>>;
}

export interface ComponentHealth extends Finding {
  readonly name: string;
  /** Without a vital part the control plane cannot do its work; a part that is not vital degrades the whole at most. */
  readonly vital: boolean;
  /** How long the check took. */
  readonly seconds: number;
}

export interface FoldedHealth {
  readonly status: HealthStatus;
  readonly because: string;
}

const SEVERITY: Readonly<Record<HealthStatus, number>> = { healthy: 0, degraded: 1, unhealthy: 2 };

export function worse(a: HealthStatus, b: HealthStatus): HealthStatus {
  return SEVERITY[b] > SEVERITY[a] ? b : a;
}

/** What a part's status means for the whole. */
export function weigh(component: Pick<ComponentHealth, "status" | "vital">): HealthStatus {
  return component.status === "unhealthy" && !component.vital ? "degraded" : component.status;
}

/** The worst of all parts by their weight, and the parts that make it so. No parts at all is healthy. */
export function foldHealth(components: readonly ComponentHealth[]): FoldedHealth {
  const status = components.reduce<HealthStatus>((worst, part) => worse(worst, weigh(part)), "healthy");
  if (status === "healthy") return { status, because: `all ${components.length} parts are healthy` };
  const culprits = components.filter((part) => weigh(part) === status);
  return { status, because: culprits.map((part) => `${part.name}: ${part.because}`).join("; ") };
}
