/** What is to be sent to an agent for a command, given the stream that is open now. */
import type { Command, OrderMode } from "./command.js";

export type OrderChoice =
  | { readonly kind: "order"; readonly mode: OrderMode; readonly because: string }
  | { readonly kind: "cancel"; readonly because: string }
  | { readonly kind: "nothing"; readonly because: string };

/**
 * An order goes once over each stream until the agent has begun. What was begun is never ordered again: if the agent's
 * own journal were lost, a second order would do it twice.
 */
export function chooseOrder(command: Command, session: number): OrderChoice {
  const nothing = (because: string): OrderChoice => ({ kind: "nothing", because });
  const fresh = command.sentSession !== session;
  if (command.cancelBecause !== undefined && (command.state === "sent" || command.state === "running")) {
    return { kind: "cancel", because: command.cancelBecause };
  }
  switch (command.state) {
    case "planning":
      return fresh
        ? { kind: "order", mode: "preview", because: "a plan is wanted" }
        : nothing("the agent was asked for its plan");
    case "approved":
      return { kind: "order", mode: "run", because: "it is approved" };
    case "sent":
      if (command.runSequence > 0) return nothing("the agent has it");
      return fresh
        ? { kind: "order", mode: "run", because: "whether the last stream delivered it is not known" }
        : nothing("it went over this stream");
    default:
      return nothing(`the command is ${command.state}`);
  }
}
