/** A region plan: what is moved when a region is lost, with what, in which order and how long each part may take. */
import type { Duration } from "../../kernel/time.js";

/** By stage: what comes first. */
export const KINDS = ["fence", "promote", "vault", "redis", "scale", "verify", "traffic", "status"] as const;
export type StepKind = (typeof KINDS)[number];

/** `host:port` of a server. */
export interface ServerPlace {
  readonly host: string;
  readonly port: number;
}

/** An action on a node, by the ordinary way of commands. */
export interface NodeAction {
  readonly node: string;
  readonly action: string;
  readonly arguments: Readonly<Record<string, string | number | boolean>>;
}

/** One request of a synthetic transaction. `{marker}` in path, body and `contains` is a text that is new for each try. */
export interface SyntheticRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly status: number;
  readonly contains: string;
}

export interface PostgresTarget {
  readonly kind: "fence" | "promote";
  /** A cluster under failover. */
  readonly cluster: string;
  /** Its members in the other region. */
  readonly to: readonly string[];
}

export interface RedisTarget {
  readonly kind: "redis";
  /** Undefined: `to` is the only one, and is started again with what it saved. */
  readonly from: ServerPlace | undefined;
  readonly to: ServerPlace;
  readonly user: string | undefined;
  /** Absolute; its first line. */
  readonly passwordFile: string | undefined;
  readonly tls: boolean;
  /** Starts `to` again, with what it saved, when it does not answer. */
  readonly restart: NodeAction | undefined;
}

export interface VaultTarget {
  readonly kind: "vault";
  /** The node or cluster in the lost region; undefined when there is none. */
  readonly from: string | undefined;
  /** Such as https://vault.us-west.example.org:8200. */
  readonly to: string;
  readonly tokenFile: string | undefined;
  /** Absolute; restored into `to` when `from` is lost and `to` is a cluster of its own. */
  readonly snapshotFile: string | undefined;
  /** Path of a secret (with its mount) that must be readable there. */
  readonly check: string | undefined;
}

export interface ScaleTarget extends NodeAction {
  readonly kind: "scale";
}

export interface VerifyTarget {
  readonly kind: "verify";
  readonly requests: readonly SyntheticRequest[];
  /** So often in a row it must succeed. */
  readonly times: number;
  /** Absolute; sent as bearer token. */
  readonly tokenFile: string | undefined;
}

export interface TrafficTarget {
  readonly kind: "traffic";
  /** As the traffic file names it. */
  readonly target: string;
  /** Where it is to go, by that target's own words. */
  readonly to: string;
}

export interface StatusTarget {
  readonly kind: "status";
  readonly text: string;
}

export type StepTarget =
  | PostgresTarget
  | RedisTarget
  | VaultTarget
  | ScaleTarget
  | VerifyTarget
  | TrafficTarget
  | StatusTarget;

export interface RegionStep {
  readonly id: string;
  readonly kind: StepKind;
  /** Of the components file, whose objectives it is measured against. */
  readonly component: string | undefined;
  readonly target: StepTarget;
  /** Everything that must be done before: what the file says, and what its kind needs. */
  readonly needs: readonly string[];
  /** From when it could begin until it is verified. */
  readonly budget: Duration;
  /** How much of what was written may be lost, as time; undefined: by the component's objectives, if it has one. */
  readonly rpo: Duration | undefined;
}

export const OVER_BUDGET = ["ask", "continue", "abort"] as const;

export interface RegionPlan {
  /** The region that may be lost. */
  readonly id: string;
  readonly title: string;
  /** The region that takes over. */
  readonly to: string;
  /** From the loss until everything is verified and traffic moved. */
  readonly rto: Duration;
  /** What a step does that takes longer than its budget. */
  readonly overBudget: (typeof OVER_BUDGET)[number];
  /** Whether another person must always agree, or only when more than the RPO may be lost or what is seen is doubtful. */
  readonly approval: "doubtful" | "always";
  /** What a step needs stands before it. */
  readonly steps: readonly RegionStep[];
}
