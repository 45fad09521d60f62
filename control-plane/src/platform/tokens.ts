/** Injection tokens for what the platform offers. */
export const CONFIG = Symbol("Config");
export const SYSTEM_PORT = Symbol("System");
export const LOGGER = Symbol("Logger");
export const METRICS = Symbol("Metrics");
export const DATABASE = Symbol("Database");
export const LIVE = Symbol("Live");
export const SECRETS = Symbol("Secrets");
