/** Restarts a systemd unit, or a process that the policy declares. */
import type { Action, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import { planRestartOfProcess, restartProcess, whatBecameOfProcess } from "./restart-process.js";
import { planRestartOfUnit, restartUnit, whatBecameOfUnit } from "./restart-unit.js";

export const restartService: Action<"restart-service"> = {
  name: "restart-service",

  async preview(args, context): Promise<Previewed> {
    if (args.unit !== undefined) return planRestartOfUnit(args.unit, context);
    const declared = context.policy.restartService?.processes.find(({ name }) => name === args.process);
    if (declared === undefined)
      return { kind: "impossible", because: `${args.process} is not declared on this host` };
    return planRestartOfProcess(declared);
  },

  observed(plan) {
    // Which start of it, and not how it feels at the moment.
    const { pid, startTicks, mainPid, startedUs } = Object(plan["before"]) as Record<string, Json>;
    return { pid, startTicks, mainPid, startedUs };
  },

  async run(args, plan, context): Promise<Done> {
    if (args.unit !== undefined) return restartUnit(args.unit, plan, context);
    const declared = context.policy.restartService?.processes.find(({ name }) => name === args.process);
    if (declared === undefined) {
      const because = `${args.process} is not declared on this host any more`;
      return { succeeded: false, exitCode: 1, summary: because, result: { because } };
    }
    return restartProcess(declared, plan, context);
  },

  async afterInterruption(args, plan, context): Promise<string> {
    if (args.unit !== undefined) return whatBecameOfUnit(args.unit, plan, context);
    const declared = context.policy.restartService?.processes.find(({ name }) => name === args.process);
    return declared === undefined
      ? `${args.process} is not declared any more`
      : whatBecameOfProcess(declared, plan);
  },
};
