/** Commands' door: request and decide at the desk, dispatch to agents, read. */
export { CommandDesk, type CommandRequest, type TargetNode } from "./command-desk.js";
export { commandsApi } from "./commands.api.js";
export { readCommand, readCommandByRequest, readCommands, readOpen } from "./commands.store.js";
export { type AgentLine, Dispatcher } from "./dispatch.loop.js";
export { agentLine, fromWireEvent, type SessionsPort, type SignOrder } from "./orders.api.js";
