/** Safety's door: ask before an action, say what was taken; trip, reset, and close cases. */
export { Safety, type SafetyPorts } from "./safety.js";
