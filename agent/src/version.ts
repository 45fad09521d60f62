/** The version of this program, as Hello and the probes say it. */
export const agentVersion = "0.1.0";
