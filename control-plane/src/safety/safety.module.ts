/** Safety's door: ask before an action, say what was taken; trip, reset, and close cases. */

export { safetyApi } from "./safety.api.js";
export { Safety, type SafetyPorts } from "./safety.js";
export { SafetyWatch } from "./safety.loop.js";
