/** Rollouts: what a workload's pods are made from, and whether a new making comes up or has to be taken back. */
import type { ActionContext } from "../../action.js";
import { canonicalJson, sha256Hex } from "../../canonical.js";
import { lookUntil } from "./answers.js";
import type { Cluster } from "./cluster.js";
import { type Listed, matches, type Pod, troubleOf, type Workload } from "./objects.js";
import { podsPath } from "./paths.js";

/** A hash of what pods are made from. */
export function templateHash(workload: Workload): string {
  return sha256Hex(canonicalJson(workload.spec?.template ?? {}));
}

/** Why no rollout may begin now; undefined when one may. */
export function whyNoRollout({ spec, status, metadata }: Workload): string | undefined {
  if (spec?.paused === true) return "its rollouts are paused";
  if (
    (status?.observedGeneration ?? 0) < (metadata?.generation ?? 0) ||
    !isComplete({ spec, status, metadata })
  )
    return "a rollout is under way, or its pods are not available";
  return undefined;
}

type Parts = Pick<Workload, "metadata" | "spec" | "status">;

function isComplete({ spec, status, metadata }: { [K in keyof Parts]?: Parts[K] | undefined }): boolean {
  const wanted = spec?.replicas ?? 1;
  const { updatedReplicas = 0, replicas = 0, availableReplicas, readyReplicas = 0 } = status ?? {};
  const available = availableReplicas ?? readyReplicas;
  const seen = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
  return seen && updatedReplicas === wanted && replicas === wanted && available === wanted;
}

export type RolledOut = { readonly kind: "complete" } | { readonly kind: "failed"; readonly because: string };

/** The pods that a workload has; whether a rollout is stuck is told by those that come after them. */
export async function podsOf(cluster: Cluster, { metadata, spec }: Workload): Promise<readonly Pod[]> {
  const { items } = await cluster.get<Listed<Pod>>(podsPath(metadata?.namespace ?? ""));
  return items.filter((pod) => matches(spec?.selector, pod.metadata?.labels));
}

/**
 * Waits for a rollout to be complete, and looks meanwhile whether it is stuck.
 * @param before the pods that were there before it began
 */
export async function watchRollout(
  cluster: Cluster,
  path: string,
  before: readonly Pod[],
  waitSeconds: number,
  context: ActionContext,
): Promise<RolledOut> {
  const old = new Set(before.map(({ metadata }) => metadata?.uid));
  let said = "";
  const end = await lookUntil(context, waitSeconds, async (): Promise<RolledOut | undefined> => {
    const now = await cluster.get<Workload>(path);
    const { updatedReplicas = 0, availableReplicas, readyReplicas = 0, conditions = [] } = now.status ?? {};
    const word = `${updatedReplicas} of ${now.spec?.replicas ?? 1} are new, ${availableReplicas ?? readyReplicas} are available`;
    if (word !== said) context.say(word);
    said = word;
    if (isComplete(now)) return { kind: "complete" };
    const late = conditions.find(({ reason }) => reason === "ProgressDeadlineExceeded");
    if (late !== undefined) return { kind: "failed", because: late.message ?? "it makes no progress" };
    const fresh = (await podsOf(cluster, now)).filter(({ metadata }) => !old.has(metadata?.uid));
    const trouble = troubleOf(fresh);
    return trouble === undefined ? undefined : { kind: "failed", because: trouble };
  });
  if (end !== undefined) return end;
  const why = context.signal.aborted ? "it was stopped" : `it took longer than ${waitSeconds} s`;
  return { kind: "failed", because: `${why}: ${said}` };
}

/**
 * Puts the old making back with `put` and waits for it. What is left of the command's time does not count, and no
 * cancellation: this has to be done.
 */
export async function takeBack(
  cluster: Cluster,
  path: string,
  put: () => Promise<unknown>,
  context: ActionContext,
): Promise<string> {
  const calm = { ...context, signal: new AbortController().signal, deadline: Number.POSITIVE_INFINITY };
  const before = await podsOf(cluster, await cluster.get<Workload>(path));
  await put();
  const back = await watchRollout(cluster, path, before, returnSeconds, calm);
  return back.kind === "complete" ? "it was taken back" : `it was taken back, and ${back.because}`;
}

const returnSeconds = 30;
