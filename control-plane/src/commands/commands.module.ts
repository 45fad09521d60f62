/** Commands' door: request and decide at the desk, dispatch to agents, read. */
export type { AgentLine } from "./agent-line.js";
export { CommandDesk, type UndoRequest } from "./command-desk.js";
export { commandsApi } from "./commands.api.js";
export {
  readCommand,
  readCommandByRequest,
  readCommands,
  readCommandsById,
  readOpen,
} from "./commands.store.js";
export { Dispatcher } from "./dispatch.loop.js";
export type { TargetNode } from "./judge-command.js";
export type { CommandRequest } from "./new-command.js";
export { agentLine, fromWireEvent, type SessionsPort } from "./orders.api.js";
export { outputsApi } from "./outputs.api.js";
