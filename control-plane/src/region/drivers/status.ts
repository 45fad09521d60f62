/** What people are told at the end. It stands in the run's records, and so in the journal: once, whatever is killed. */
import type { StatusTarget } from "../domain/region-plan.js";
import type { Driver } from "../driver.js";

export const statusDriver: Driver<StatusTarget> = {
  observe: async () => ({ from: "none", to: "ready", because: "it is told at the end" }),
  act: async ({ text }) => ({ kind: "acted", because: text }),
  verify: async ({ text }) => ({ kind: "verified", because: text }),
};
