/** Drills' door: what begins, carries on and calls off drills, and what is told of their runs. */
export { DrillDesk, type DrillDeskPorts } from "./drill-desk.js";
export { drillsApi } from "./drills.api.js";
export { DrillLoop, type DrillLoopPorts } from "./drills.loop.js";
export { restoreHand } from "./restore-hand.js";
export { switchoverHand } from "./switchover-hand.js";
