/** The actions this agent has, by name. */

import type { Action, ActionContext, Done, Observation, ObservedState, Previewed } from "./action.js";
import type { ActionName } from "./action-names.js";
import { cleanDirectory } from "./actions/clean-directory.js";
import { collectDiagnostics } from "./actions/collect-diagnostics.js";
import { endIdleSessions } from "./actions/end-idle-sessions.js";
import { heapSnapshot } from "./actions/heap-snapshot.js";
import { cordonNode, uncordonNode } from "./actions/kubernetes/cordon-node.js";
import { drainNode } from "./actions/kubernetes/drain-node.js";
import { evictPod } from "./actions/kubernetes/evict-pod.js";
import { rolloutRestart } from "./actions/kubernetes/rollout-restart.js";
import { rolloutUndo } from "./actions/kubernetes/rollout-undo.js";
import { scaleWorkload } from "./actions/kubernetes/scale-workload.js";
import { maintainTable } from "./actions/maintain-table.js";
import { netcheck } from "./actions/netcheck.js";
import { pgbouncerPause, pgbouncerResume } from "./actions/pgbouncer-pause.js";
import { pgbouncerReload } from "./actions/pgbouncer-reload.js";
import { redisRestart } from "./actions/redis-restart.js";
import { redisSave } from "./actions/redis-save.js";
import { reloadService } from "./actions/reload-service.js";
import { renewCertificate } from "./actions/renew-certificate.js";
import { restartService } from "./actions/restart-service.js";
import { restoreDrill } from "./actions/restore-drill.js";
import { rotateLogs } from "./actions/rotate-logs.js";
import { scalePool } from "./actions/scale-pool.js";
import { setBackendState } from "./actions/set-backend-state.js";
import { setPostgresParameter } from "./actions/set-postgres-parameter.js";
import { terminateQuery } from "./actions/terminate-query.js";
import type { ActionArguments } from "./command.js";
import { stateHash } from "./drift.js";
import type { Plan } from "./plans.js";
import type { ProgramEnd } from "./process.js";

/** One of each. */
export type Actions = { readonly [A in ActionName]: Action<A> };

/** All of them. */
export const allActions: Actions = {
  "clean-directory": cleanDirectory,
  "restart-service": restartService,
  "end-idle-sessions": endIdleSessions,
  "collect-diagnostics": collectDiagnostics,
  "terminate-query": terminateQuery,
  "maintain-table": maintainTable,
  "set-postgres-parameter": setPostgresParameter,
  "reload-service": reloadService,
  "rotate-logs": rotateLogs,
  "redis-save": redisSave,
  "redis-restart": redisRestart,
  netcheck,
  "set-backend-state": setBackendState,
  "pgbouncer-pause": pgbouncerPause,
  "pgbouncer-resume": pgbouncerResume,
  "pgbouncer-reload": pgbouncerReload,
  "scale-pool": scalePool,
  "heap-snapshot": heapSnapshot,
  "renew-certificate": renewCertificate,
  "evict-pod": evictPod,
  "scale-workload": scaleWorkload,
  "rollout-restart": rolloutRestart,
  "rollout-undo": rolloutUndo,
  "cordon-node": cordonNode,
  "uncordon-node": uncordonNode,
  "drain-node": drainNode,
  "restore-drill": restoreDrill,
};

/** An action whose arguments are those of some action. */
interface SomeAction {
  preview(args: ActionArguments, context: ActionContext): Promise<Previewed>;
  observed(plan: Plan): ObservedState;
  observe?(args: ActionArguments, context: ActionContext): Promise<Observation>;
  run(args: ActionArguments, plan: Plan, context: ActionContext): Promise<Done>;
  adopt?(args: ActionArguments, plan: Plan, context: ActionContext, end: ProgramEnd): Promise<Done>;
  afterInterruption(args: ActionArguments, plan: Plan, context: ActionContext): Promise<string>;
}

/** The action that the arguments are for. The map's type pairs each name with its own action, which is all this rests on. */
function actionOf(actions: Actions, args: ActionArguments): SomeAction {
  return actions[args.action];
}

/** Previews the action that the arguments are for; its plan says which state it rests on. */
export async function preview(
  actions: Actions,
  args: ActionArguments,
  context: ActionContext,
): Promise<Previewed> {
  const action = actionOf(actions, args);
  const previewed = await action.preview(args, context);
  if (previewed.kind === "impossible") return previewed;
  const observed = action.observed(previewed.plan);
  return { ...previewed, plan: { ...previewed.plan, observed, stateHash: stateHash(observed) } };
}

/** Looks anew at the state that a plan rests on. Touches nothing. */
export async function observe(
  actions: Actions,
  args: ActionArguments,
  context: ActionContext,
): Promise<Observation> {
  const action = actionOf(actions, args);
  if (action.observe !== undefined) return action.observe(args, context);
  const previewed = await action.preview(args, context);
  if (previewed.kind === "impossible") return previewed;
  return { kind: "observed", state: action.observed(previewed.plan) };
}

/** Runs it. */
export function run(
  actions: Actions,
  args: ActionArguments,
  plan: Plan,
  context: ActionContext,
): Promise<Done> {
  return actionOf(actions, args).run(args, plan, context);
}

/** Does the rest after a program that outlived the agent; undefined when the action cannot. */
export function adopting(
  actions: Actions,
  args: ActionArguments,
): ((plan: Plan, context: ActionContext, end: ProgramEnd) => Promise<Done>) | undefined {
  const action = actionOf(actions, args);
  if (action.adopt === undefined) return undefined;
  return (plan, context, end) =>
    action.adopt?.(args, plan, context, end) ?? Promise.reject(new Error("it cannot be adopted"));
}

/** Asks what is known after it was interrupted. */
export function afterInterruption(
  actions: Actions,
  args: ActionArguments,
  plan: Plan,
  context: ActionContext,
): Promise<string> {
  return actionOf(actions, args).afterInterruption(args, plan, context);
}

/** The arguments without the action's name, as plans have them. */
export function plannedArguments(args: ActionArguments): Plan["arguments"] {
  const { action: _, ...rest } = args;
  return rest;
}
