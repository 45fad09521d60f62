/** Rollouts' door: plan one, decide about it, and the loop that moves them on. */
export { RolloutDesk, type RolloutDeskPorts } from "./rollout-desk.js";
export { rolloutsApi } from "./rollouts.api.js";
export { RolloutDriver, type RolloutLoopPorts } from "./rollouts.loop.js";
