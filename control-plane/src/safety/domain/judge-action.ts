/** Whether an action may be taken now, by what was done lately, what is under way and how the fleet is. */
import type { Actor } from "../../kernel/actor.js";
import type { NodeId } from "../../kernel/ids.js";
import type { Labels } from "../../kernel/labels.js";
import { formatDuration, HOUR, type Instant } from "../../kernel/time.js";
import { inFlightMax, type SafetyPolicy } from "./safety-policy.js";
import { type DomainHealth, explainStorm, type Storm } from "./storm.js";

/** Budgets are counted over this long. */
export const BUDGET_WINDOW = HOUR;

export interface ActionQuestion {
  /** The command that asks; it is not counted against itself. Empty when there is none yet. */
  readonly commandId: string;
  readonly actor: Actor;
  /** No person has decided on this very action: not asked for by one, not approved by one. */
  readonly automatic: boolean;
  readonly action: string;
  /** Canonical; tells what on the node is acted upon. */
  readonly argumentsJson: string;
  readonly node: { readonly id: NodeId; readonly name: string; readonly labels: Labels };
  /** It takes back what was done: never held. */
  readonly undo: boolean;
  /** Asked long before it is done, and asked again then: two may be told that the last place is theirs. */
  readonly tentative?: boolean;
  readonly now: Instant;
}

/** What holds an action. */
export type HeldBy = "brake" | "budget" | "storm" | "case" | "cooldown" | "in-flight";

export type SafetyVerdict =
  | { readonly kind: "clear" }
  | {
      readonly kind: "hold";
      /** `ask`: with a person's approval it may be done. `deny`: not now, whoever approves. */
      readonly verdict: "ask" | "deny";
      /** It goes by itself: whoever can wait may ask again. Otherwise a person has to do something. */
      readonly passing: boolean;
      readonly because: string;
      readonly by?: HeldBy;
    };

export type Brake =
  /** `at`: since when what was done counts. */
  | { readonly kind: "released"; readonly at: Instant; readonly by: Actor; readonly because: string }
  | { readonly kind: "tripped"; readonly at: Instant; readonly by: Actor; readonly because: string };

/** What was done within {@link BUDGET_WINDOW}, and since the brake was last released. */
export interface Spent {
  readonly taken: number;
  readonly ended: number;
  readonly failed: number;
}

export interface DomainFacts {
  readonly label: string;
  readonly name: string;
  readonly health: DomainHealth;
  readonly storm: Storm;
  /** Its other nodes that something is under way on. */
  readonly inFlight: number;
}

export interface SafetyFacts {
  readonly brake: Brake;
  readonly spent: Spent;
  /** The domains of the node. */
  readonly domains: readonly DomainFacts[];
  /** When the same was done to the same target, newest first: within the cases' window, since its last case was closed. */
  readonly repeats: readonly Instant[];
  /** Why a person is waited for. */
  readonly openCase: string | undefined;
}

/** A verdict, and what is to be stored with it. */
export type Judgement = SafetyVerdict & {
  readonly also?: { readonly kind: "trip" | "open-case"; readonly because: string };
};

const hold = (by: HeldBy, verdict: "ask" | "deny", passing: boolean, because: string): Judgement => ({
  kind: "hold",
  verdict,
  passing,
  because,
  by,
});

/** Why the brake has to trip; undefined when it need not. */
export function beyondBudget(spent: Spent, { budget }: SafetyPolicy): string | undefined {
  const { taken, ended, failed } = spent;
  const window = formatDuration(BUDGET_WINDOW);
  if (taken >= budget.actionsPerHour)
    return `${taken} actions were taken within ${window}, and the budget is ${budget.actionsPerHour}`;
  if (failed >= budget.failuresMin && failed > budget.failureRatio * ended)
    return `${failed} of ${ended} actions that ended within ${window} failed, and the limit is ${Math.round(budget.failureRatio * 100)} %`;
  return undefined;
}

/** How long the same action on the same target waits after it was done `times` times. */
export function cooldownAfter(times: number, { cooldown }: SafetyPolicy): number {
  return times === 0 ? 0 : Math.min(cooldown.max, cooldown.first * 2 ** Math.min(times - 1, 40));
}

/** What stops all that is automatic in the node's domains, whatever the action: the brake and storms. */
export function judgeWorld(
  { brake, domains }: Pick<SafetyFacts, "brake" | "domains">,
  policy: SafetyPolicy,
  now: Instant,
): SafetyVerdict {
  if (brake.kind === "tripped") return hold("brake", "deny", false, `the brake is tripped: ${brake.because}`);
  for (const { name, storm, health } of domains) {
    if (storm.kind !== "calm")
      return hold("storm", "deny", true, explainStorm(name, storm, health, policy.storm, now));
  }
  return { kind: "clear" };
}

/** `question.undo` and harmless actions are clear before anything is looked up: see {@link isExempt}. */
export function judgeAction(question: ActionQuestion, facts: SafetyFacts, policy: SafetyPolicy): Judgement {
  const { now, action, node } = question;
  const spent = beyondBudget(facts.spent, policy);
  if (question.automatic) {
    const world = judgeWorld(facts, policy, now);
    if (world.kind === "hold") return world;
    if (spent !== undefined)
      return {
        ...hold("budget", "deny", false, `the brake trips: ${spent}`),
        also: { kind: "trip", because: spent },
      };
    if (facts.openCase !== undefined)
      return hold("case", "deny", false, `a case is open for a person: ${facts.openCase}`);
    const times = facts.repeats.length;
    const [last] = facts.repeats;
    if (times + 1 >= policy.cases.at) {
      const because = `${action} was done ${times} times on ${node.name} within ${formatDuration(policy.cases.within)} and is asked for again; a person has to look`;
      return {
        ...hold("case", "deny", false, `a case is opened: ${because}`),
        also: { kind: "open-case", because },
      };
    }
    const until = (last ?? 0) + cooldownAfter(times, policy);
    if (last !== undefined && now < until)
      return hold(
        "cooldown",
        "deny",
        true,
        `${action} was done on ${node.name} ${formatDuration(Math.max(0, now - last))} ago; the same again may come in ${formatDuration(until - now)}`,
      );
  }
  for (const limit of policy.inFlight) {
    const domain = facts.domains.find(({ label }) => label === limit.label);
    if (domain === undefined) continue;
    const max = inFlightMax(limit, domain.health.nodes);
    if (domain.inFlight >= max)
      return hold(
        "in-flight",
        "deny",
        true,
        `${domain.inFlight} other nodes of ${domain.name} are being acted upon, at most ${max} at once`,
      );
  }
  // People go on when the budget is spent, but no longer alone.
  if (!question.automatic && spent !== undefined && question.actor.kind !== "system")
    return hold("budget", "ask", true, spent);
  return { kind: "clear" };
}

/** Actions that only look and those that take back are neither counted as repeats nor held. */
export function isExempt(question: Pick<ActionQuestion, "action" | "undo">, policy: SafetyPolicy): boolean {
  return question.undo || policy.harmless.includes(question.action);
}
