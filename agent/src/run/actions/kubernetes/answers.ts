/** The answers that the actions on clusters have in common. */
import { reasonOf } from "../../../log.js";
import type { ActionContext, Done, Previewed } from "../../action.js";
import type { Json } from "../../canonical.js";
import { type Cluster, openCluster } from "./cluster.js";

export function impossible(because: string): { readonly kind: "impossible"; readonly because: string } {
  return { kind: "impossible", because };
}

export function failed(because: string, result: { readonly [key: string]: Json } = {}): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { ...result, because } };
}

export function succeeded(summary: string, result: { readonly [key: string]: Json }): Done {
  return { succeeded: true, exitCode: 0, summary, result };
}

/** Makes a plan on a cluster; what the cluster or the network refuses is why there is none. */
export async function planOn(
  name: string,
  context: ActionContext,
  make: (cluster: Cluster) => Promise<Previewed>,
): Promise<Previewed> {
  try {
    return await make(await openCluster(name, context));
  } catch (error) {
    return impossible(`${name}: ${reasonOf(error)}`);
  }
}

/** Runs on a cluster. */
export async function runOn(
  name: string,
  context: ActionContext,
  act: (cluster: Cluster) => Promise<Done>,
): Promise<Done> {
  try {
    return await act(await openCluster(name, context));
  } catch (error) {
    return failed(`${name}: ${context.signal.aborted ? "it was stopped" : reasonOf(error)}`);
  }
}

/** Looks again and again until a look says something, time is up, or the command is stopped. */
export async function lookUntil<T>(
  context: ActionContext,
  waitSeconds: number,
  look: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const { clock, timers } = context.system;
  const until = Math.min(context.deadline, clock.monotonic() + waitSeconds * 1000);
  for (;;) {
    const found = await look();
    if (found !== undefined || context.signal.aborted || clock.monotonic() >= until) return found;
    await timers.sleep(pollMs, context.signal);
  }
}

const pollMs = 500;
