/** The one port to whatever is moved: each kind of step has a driver behind it. */
import type { Actor } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import type { Answer } from "./domain/next-cascade.js";
import type { StepTarget } from "./domain/region-plan.js";
import type { Seen, Standing } from "./domain/standing.js";

/** For whom something is done, and as what: the same run, step and epoch asked again is the same wish. */
export interface Errand {
  readonly region: string;
  readonly step: string;
  readonly epoch: number;
  readonly by: Actor;
  readonly roles: readonly Role[];
  /** When it was first begun. */
  readonly begunAt: number;
}

export type ActAnswer = Extract<Answer, { readonly kind: "acted" | "pending" | "failed" }>;
export type VerifyAnswer = Extract<Answer, { readonly kind: "verified" | "not-yet" | "undone" | "failed" }>;

export interface Driver<T extends StepTarget> {
  /** How it stands. What cannot be reached is an answer, no error. */
  observe(target: T, before: Standing | undefined): Promise<Seen>;
  /** Done again it changes nothing. */
  act(target: T, errand: Errand): Promise<ActAnswer>;
  verify(target: T, errand: Errand): Promise<VerifyAnswer>;
  /** The old part is back after all: it must not do its work beside the new one. @default nothing can be done */
  rejoin?(target: T): Promise<string | undefined>;
}

export type TargetOf<K extends StepTarget["kind"]> = Extract<StepTarget, { readonly kind: K }>;

/** A driver for each kind of step. */
export type Drivers = {
  readonly [K in StepTarget["kind"]]: Driver<TargetOf<K>>;
};

/** A step's driver with its target, so that neither can be mistaken for another's. */
export interface BoundDriver {
  observe(before: Standing | undefined): Promise<Seen>;
  act(errand: Errand): Promise<ActAnswer>;
  verify(errand: Errand): Promise<VerifyAnswer>;
  rejoin(): Promise<string | undefined>;
}

const bound = <T extends StepTarget>(driver: Driver<T>, target: T): BoundDriver => ({
  observe: (before) => driver.observe(target, before),
  act: (errand) => driver.act(target, errand),
  verify: (errand) => driver.verify(target, errand),
  rejoin: async () => driver.rejoin?.(target),
});

export function bindDriver(drivers: Drivers, target: StepTarget): BoundDriver {
  switch (target.kind) {
    case "fence":
    case "promote":
      return bound(drivers[target.kind], target);
    case "redis":
      return bound(drivers.redis, target);
    case "vault":
      return bound(drivers.vault, target);
    case "scale":
      return bound(drivers.scale, target);
    case "verify":
      return bound(drivers.verify, target);
    case "traffic":
      return bound(drivers.traffic, target);
    case "status":
      return bound(drivers.status, target);
  }
}
