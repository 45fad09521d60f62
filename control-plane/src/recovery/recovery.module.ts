/** Recovery's door: clusters under failover, what people ask of them, and what is told of them. */
export {
  endRun,
  insertRun,
  readOpenRun,
  readRestores,
  readRun,
  readRuns,
  saveAbort,
  saveReference,
} from "./drill-runs.store.js";
export { aimsOf, drillsOf, scoreRequest, standDrills } from "./drills.js";
export { FailoverLoop, type FailoverPorts } from "./failover.loop.js";
export { FailoverDesk } from "./failover-desk.js";
export { failoverLine, hearFailover, poolerLine } from "./failover-line.api.js";
export { Adoption } from "./patroni/adoption.js";
export { PatroniLoop } from "./patroni/patroni.loop.js";
export { recoveryApi } from "./recovery.api.js";
export {
  appendRecords,
  type RecoveryCluster,
  readClusters,
  readDecisions,
  registerCluster,
  takeTerm,
} from "./recovery.store.js";
export { readDrillRequests, readRequest, readRequests, withdrawRequest } from "./requests.store.js";
