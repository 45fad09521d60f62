/** Remediation's door. */

export { parseRemediation, type RemediationRule } from "./domain/remediation.js";
export { type RemediationPorts, Remediator } from "./remediation.loop.js";
