/** An action on a node, through the one hand: planned by its agent, judged by policy, approved, signed, run once. */
import type { NodeAction, ScaleTarget } from "../domain/region-plan.js";
import type { ActAnswer, Driver, Errand } from "../driver.js";

/** The same errand asked again is the same command. */
export type RunOnNode = (action: NodeAction, errand: Errand) => Promise<ActAnswer>;

export interface ScalePorts {
  readonly runOnNode: RunOnNode;
  /** Whether an agent of that name is live and offers the action; why not. */
  readonly whyNot: (action: NodeAction) => Promise<string | undefined>;
}

export function scaleDriver({ runOnNode, whyNot }: ScalePorts): Driver<ScaleTarget> {
  return {
    async observe(target) {
      const because = await whyNot(target);
      return because === undefined
        ? { from: "none", to: "ready", because: `${target.node} can do ${target.action}` }
        : { from: "none", to: "not-ready", because };
    },
    act: (target, errand) => runOnNode(target, errand),
    async verify(target, errand) {
      const became = await runOnNode(target, errand);
      return became.kind === "acted"
        ? { kind: "verified", because: became.because }
        : { kind: "not-yet", because: became.because };
    },
  };
}
