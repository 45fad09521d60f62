/** The way to the agents connected here; each call answers at once. */
import type { NodeId } from "../kernel/ids.js";
import type { Command, OrderMode } from "./domain/command.js";

export interface AgentLine {
  /** The generation of the node's open stream on this replica. */
  session(node: NodeId): number | undefined;
  /** False when the stream is gone or cannot take more now. */
  order(command: Command, mode: OrderMode): boolean;
  cancel(command: Command, because: string): boolean;
}

/** Where an order goes that is stored as sent over a stream of this replica. */
export interface Outlet {
  session(node: NodeId): number | undefined;
  send(command: Command, mode: OrderMode, because: string): void;
}
