/** Alerting's door: rules in force, judged; alerts read. */
export { alertReads } from "./alert-reads.js";
export { alertsApi } from "./alerts.api.js";
export { readAlert, readAlerts, readFiringSince, readNodesFiring, type StoredAlert } from "./alerts.store.js";
export { type EvaluationPorts, Evaluator } from "./evaluation.loop.js";
export { readFirings } from "./past-firings.js";
export { RuleFiles } from "./rule-files.js";
export { RulesInForce } from "./rules-in-force.js";
export { StoredRules } from "./stored-rules.js";
