/** Remediation's door. */

export { NO_REMEDIATION, parseRemediation, type Remediation } from "./domain/remediation.js";
export { remediationApi } from "./remediation.api.js";
export { type RemediationPorts, Remediator } from "./remediation.loop.js";
