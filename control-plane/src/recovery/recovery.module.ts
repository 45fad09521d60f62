/** Recovery's door: decision logs of clusters that are failed over, and what is told of them. */
export { recoveryApi } from "./recovery.api.js";
export {
  appendRecords,
  type RecoveryCluster,
  readClusters,
  registerCluster,
  takeTerm,
} from "./recovery.store.js";
