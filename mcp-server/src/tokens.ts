/** Names under which the parts are known to the container. */
export const HTTP_DOOR = Symbol("HttpDoor");
export const MCP_ENDPOINT = Symbol("McpEndpoint");
export const HEALTH = Symbol("HealthReport");
