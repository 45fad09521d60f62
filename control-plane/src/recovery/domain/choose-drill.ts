/** Whether a drill begins by itself now, and which. */
import { type Duration, formatDuration, type Instant, MINUTE } from "../../kernel/time.js";
import { isWithin } from "../../kernel/window.js";
import type { DrillDefinition, DrillStanding } from "./drill.js";

/** One that failed is tried again after a tenth of its pace, and not sooner than this. */
const AGAIN_AFTER_MIN: Duration = 10 * MINUTE;
/** Begun so much of its pace before it is due, so that it is not overdue each time. One with windows cannot choose as freely. */
const AHEAD = { anyTime: 0.1, inWindows: 0.25 } as const;

export interface DrillWorld {
  /** The drill whose run is open; undefined when none is. */
  readonly open: string | undefined;
  /** Why nothing automatic may begin: the brake, or a freeze; undefined when it may. */
  readonly held: string | undefined;
  /** Why a drill is to be left alone now, by its id. */
  readonly against: ReadonlyMap<string, string>;
  readonly now: Instant;
}

export interface StoodDrill {
  readonly drill: DrillDefinition;
  readonly standing: DrillStanding;
}

export type DrillChoice =
  | { readonly kind: "begin"; readonly drill: DrillDefinition; readonly because: string }
  | { readonly kind: "none"; readonly because: string };

/** The one that is due first, of those that may begin now. */
export function chooseDrill(drills: readonly StoodDrill[], world: DrillWorld): DrillChoice {
  if (world.open !== undefined) return none(`${world.open} is under way, and there is never a second one`);
  if (world.held !== undefined) return none(world.held);
  const waiting: string[] = [];
  const byDue = [...drills].sort((a, b) => a.standing.dueAt - b.standing.dueAt);
  for (const { drill, standing } of byDue) {
    const why = whyNot(drill, standing, world);
    if (why === undefined) return { kind: "begin", drill, because: dueText(standing, world.now) };
    waiting.push(`${drill.id}: ${why}`);
  }
  return none(waiting.length === 0 ? "no drill is defined" : waiting.join("; "));
}

function whyNot(
  drill: DrillDefinition,
  standing: DrillStanding,
  { against, now }: DrillWorld,
): string | undefined {
  if (!drill.byItself) return "a person begins it";
  const ahead = drill.every * (drill.windows.length === 0 ? AHEAD.anyTime : AHEAD.inWindows);
  const never = standing.last === "never";
  // What was never restored is no backup yet: that is not put off.
  if (!(never && drill.kind === "restore") && now < standing.dueAt - ahead) return "it is not due";
  const again = Math.max(AGAIN_AFTER_MIN, drill.every / 10);
  if (standing.lastAt !== undefined && now < standing.lastAt + again)
    return `the last one was less than ${formatDuration(Math.round(again))} ago`;
  if (drill.windows.length > 0 && !drill.windows.some((window) => isWithin(window, now)))
    return "it is outside of its windows";
  return against.get(drill.id);
}

function dueText({ last, dueAt }: DrillStanding, now: Instant): string {
  if (last === "never") return "it was never run";
  return now > dueAt
    ? `it is overdue by ${formatDuration(Math.round((now - dueAt) / 1_000) * 1_000)}`
    : "it is due";
}

const none = (because: string): DrillChoice => ({ kind: "none", because });

/** Why a run that is open is to be called off; undefined while it may go on. */
export function whyAbort(
  run: { readonly begunAt: Instant; readonly component: string; readonly abortBecause: string },
  atMost: Duration,
  { trouble, now }: { readonly trouble: ReadonlyMap<string, string>; readonly now: Instant },
): string | undefined {
  if (run.abortBecause !== "") return run.abortBecause;
  if (now > run.begunAt + atMost) return `it is not over after ${formatDuration(atMost)}`;
  return trouble.get(run.component);
}
