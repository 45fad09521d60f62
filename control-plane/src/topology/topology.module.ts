/** Topology's door: which components there are, and what a change reaches. */
export { topologyApi } from "./topology.api.js";
