/** How much an action helps against an alert, and whether it may still be done without asking. */
import type { EffectPolicy } from "./remediation.js";

/** What was tried within the window. */
export interface Effect {
  readonly alert: string;
  readonly action: string;
  readonly tries: number;
  readonly helped: number;
}

export interface EffectScore {
  /** Share of the tries that helped, 0..1; 1 while nothing was tried. */
  readonly score: number;
  /** A person has to approve it from now on. */
  readonly demoted: boolean;
  readonly because: string;
}

export function scoreEffect(
  { tries, helped }: Pick<Effect, "tries" | "helped">,
  policy: EffectPolicy,
): EffectScore {
  const score = tries === 0 ? 1 : helped / tries;
  const share = `it helped ${helped} of ${tries} times`;
  if (tries < policy.tries)
    return { score, demoted: false, because: `${share}; it is judged from ${policy.tries} on` };
  const limit = `at least ${Math.round(policy.score * 100)} % are expected`;
  return score < policy.score
    ? { score, demoted: true, because: `demoted: ${share}, ${limit}; a person has to approve it` }
    : { score, demoted: false, because: `${share}, ${limit}` };
}
