/** Injection tokens of the doors. */
export const HTTP_DOOR = Symbol("HttpDoor");
export const GRPC_DOOR = Symbol("GrpcDoor");
export const AGENT_DOOR = Symbol("AgentDoor");
export const OPERATOR_API = Symbol("OperatorApi");
export const OPEN_API = Symbol("OpenApi");
export const PROMETHEUS_API = Symbol("PrometheusApi");
export const PROBES = Symbol("Probes");
/** Whether the process takes work. */
export const SERVING = Symbol("Serving");
export const ALERTMANAGER_API = Symbol("AlertmanagerApi");
/** Reads again what is read from files. */
export const RELOAD = Symbol("Reload");
