/** The drills that run on this machine in a house of their own, by name. */
import { whyNoNetwork } from "../harness/network.js";
import { controlPlaneLoss } from "./control-plane-loss.js";
import { pgPartition } from "./pg-partition.js";
import { pgPrimaryLoss } from "./pg-primary-loss.js";
import { pgProcessCrash } from "./pg-process-crash.js";
import { pgSwitchover } from "./pg-switchover.js";
import { regionLoss } from "./region-loss.js";
import type { Drill } from "./report.js";
import { restore } from "./restore.js";

export const drills: Readonly<Record<string, Drill>> = {
  "pg-primary-loss": {
    says: "a primary's node is lost while a client writes",
    programs: ["pg_rewind"],
    run: pgPrimaryLoss,
  },
  "pg-switchover": {
    says: "the owner changes as planned, there and back, while a client writes",
    programs: ["pg_rewind"],
    run: pgSwitchover,
  },
  "pg-process-crash": {
    says: "PostgreSQL is killed while its agent lives",
    programs: ["pg_rewind"],
    run: pgProcessCrash,
  },
  "pg-partition": {
    says: "the primary is cut off from everyone while clients write everywhere",
    programs: ["pg_rewind"],
    whyNot: whyNoNetwork,
    run: pgPartition,
  },
  "control-plane-loss": {
    says: "the control plane is killed, alone and at each record of a decision (some minutes)",
    programs: ["pg_rewind"],
    run: controlPlaneLoss,
  },
  restore: {
    says: "a backup is restored beside the live data, to the newest moment, to another, and damaged",
    programs: ["pg_rewind", "pgbackrest"],
    run: restore,
  },
  "region-loss": {
    says: "a whole region is lost and moved",
    programs: ["pg_rewind", "redis-server", "named"],
    run: regionLoss,
  },
};
