/**
 * Which of a judged alert's news has to be stored before anyone hears of it. Where an alert stands and since when must
 * outlive a kill at any point; what it says at the moment is read anew with the next turn anyway.
 */
import type { Labels } from "../../kernel/labels.js";
import type { Alert } from "./evaluate-rule.js";

/** `now`: before the turn is over; `later`: it may follow; `not`: it is stored as it is. */
export type Storing = "now" | "later" | "not";

/** What is stored of an alert, by what it was (undefined: it is new) and is. Resolved ones are stored with their transition. */
export function whatToStore(before: Alert | undefined, alert: Alert): Storing {
  if (alert.state.kind === "resolved") return "not";
  if (before === undefined || !standsAsBefore(before, alert)) return "now";
  const saysTheSame =
    Object.is(before.value, alert.value) &&
    before.because === alert.because &&
    sameTexts(before.annotations, alert.annotations);
  return saysTheSame ? "not" : "later";
}

function standsAsBefore(before: Alert, alert: Alert): boolean {
  const [was, is] = [before.state, alert.state];
  if (was.kind !== is.kind || was.activeAt !== is.activeAt) return false;
  if (was.kind === "firing" && is.kind === "firing") {
    if (was.firedAt !== is.firedAt || was.keptSince !== is.keptSince) return false;
  }
  return (before.flapping ?? false) === (alert.flapping ?? false) && sameTurns(before.turns, alert.turns);
}

function sameTurns(a: Alert["turns"] = [], b: Alert["turns"] = []): boolean {
  return a.length === b.length && a.every((turn, index) => turn === b[index]);
}

function sameTexts(a: Labels, b: Labels): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
