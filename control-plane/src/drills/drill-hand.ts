/** How a drill of a kind is carried out: asked for once, looked at until it has ended, called off. */
import type { DrillDefinition, DrillScore } from "../recovery/domain/drill.js";
import type { DrillRun } from "../recovery/domain/drill-run.js";
import type { RestoreReport } from "../recovery/domain/restore-report.js";

export type Asked =
  | { readonly kind: "asked"; readonly reference: string }
  /** It will never be done as it was asked for. */
  | { readonly kind: "refused"; readonly because: string };

export type Seen =
  | { readonly kind: "open"; readonly because: string }
  | { readonly kind: "ended"; readonly score: DrillScore; readonly report: RestoreReport | undefined };

export interface DrillHand {
  /** What it may touch, in words. */
  reach(drill: DrillDefinition): string;
  /** Why it could not be done now; undefined when nothing is known that speaks against it. */
  whyNot(drill: DrillDefinition): Promise<string | undefined>;
  /** Asked again for the same run it is the same: one that was asked for before a crash is found. */
  ask(run: DrillRun, drill: DrillDefinition): Promise<Asked>;
  look(run: DrillRun): Promise<Seen>;
  /** Done again it changes nothing. */
  abort(run: DrillRun, because: string): Promise<void>;
}
