/** Takes a Deployment back to an earlier revision, and forth again when the earlier one does not come up. */
import type { Action, ActionContext, Previewed } from "../../action.js";
import { canonicalJson, type Json } from "../../canonical.js";
import type { ArgumentsOf } from "../../command.js";
import type { Plan } from "../../plans.js";
import { failed, impossible, planOn, runOn, succeeded } from "./answers.js";
import { type Cluster, openCluster } from "./cluster.js";
import { controllerOf, type Listed, type Workload } from "./objects.js";
import { replicaSetsPath, workloadPath } from "./paths.js";
import { podsOf, takeBack, templateHash, watchRollout } from "./rollout.js";

type Arguments = ArgumentsOf<"rollout-undo">;

const revisionKey = "deployment.kubernetes.io/revision";

export const rolloutUndo: Action<"rollout-undo"> = {
  name: "rollout-undo",

  preview: (args, context) =>
    planOn(args.cluster, context, async (cluster): Promise<Previewed> => {
      const { namespace, name, revision, waitSeconds } = args;
      const found = await look(cluster, args);
      if (typeof found === "string") return impossible(found);
      const { deployment, present, target } = found;
      const plan: Plan = {
        action: "rollout-undo",
        arguments: { cluster: args.cluster, namespace, name, revision, waitSeconds },
        before: { uid: deployment.metadata?.uid, template: templateHash(deployment), revision: present },
        to: { revision: revisionOf(target), images: imagesOf(target) },
        from: { revision: present, images: imagesOf(deployment) },
        // The present revision keeps its number as long as it is kept at all.
        inverse: {
          action: "rollout-undo",
          arguments: { cluster: args.cluster, namespace, name, revision: present, waitSeconds },
        },
      };
      const summary = `would take deployment ${namespace}/${name} from revision ${present} (${imagesOf(deployment).join(", ")}) to ${revisionOf(target)} (${imagesOf(target).join(", ")})`;
      return { kind: "planned", plan, summary };
    }),

  observed(plan) {
    // Not the revision's number: after there and back the same pods run under a new one.
    const { uid, template } = Object(plan["before"]) as { uid?: string; template?: string };
    return { uid, template };
  },

  run: (args, plan, context) =>
    runOn(args.cluster, context, async (cluster) => {
      const found = await look(cluster, args);
      if (typeof found === "string") return failed(found);
      const { deployment, target } = found;
      if (templateHash(deployment) !== Object(plan["before"]).template)
        return failed(`${args.name} is made from something else than when it was planned; nothing was done`);
      if (revisionOf(target) !== Object(plan["to"]).revision)
        return failed(
          `revision ${String(Object(plan["to"]).revision)} is not there any more; nothing was done`,
        );
      const path = pathOf(args);
      const make = (template: Json) =>
        cluster.patch<Workload>(path, "json", [
          { op: "test", path: "/metadata/uid", value: deployment.metadata?.uid },
          { op: "replace", path: "/spec/template", value: template },
        ]);
      const pods = await podsOf(cluster, deployment);
      await make(withoutHash(target));
      context.say(`deployment ${args.namespace}/${args.name} goes to revision ${revisionOf(target)}`);
      const rolled = await watchRollout(cluster, path, pods, args.waitSeconds, context);
      if (rolled.kind === "complete")
        return succeeded(
          `deployment ${args.namespace}/${args.name} runs what revision ${revisionOf(target)} was: ${imagesOf(target).join(", ")}`,
          { images: imagesOf(target) },
        );
      return failed(
        `${args.name}: ${rolled.because}; ${await takeBack(cluster, path, () => make(withoutHash(deployment)), context)}`,
      );
    }),

  afterInterruption: whatIsKnown,
};

function pathOf({ namespace, name }: Arguments): string {
  return workloadPath(namespace, "deployment", name);
}

interface Found {
  readonly deployment: Workload;
  readonly present: number;
  readonly target: Workload;
}

/** The deployment and the revision to go to; a sentence when there is none. */
async function look(cluster: Cluster, args: Arguments): Promise<Found | string> {
  const deployment = await cluster.find<Workload>(pathOf(args));
  if (deployment === undefined) return `there is no deployment ${args.namespace}/${args.name}`;
  if (deployment.spec?.paused === true)
    return `deployment ${args.namespace}/${args.name}: its rollouts are paused`;
  const present = revisionOf(deployment);
  const { items } = await cluster.get<Listed<Workload>>(replicaSetsPath(args.namespace));
  const earlier = items
    .filter((one) => controllerOf({ ...one, spec: {}, status: {} })?.uid === deployment.metadata?.uid)
    .filter((one) =>
      args.revision === undefined ? revisionOf(one) < present : revisionOf(one) === args.revision,
    )
    .sort((a, b) => revisionOf(b) - revisionOf(a));
  const [target] = earlier;
  if (target === undefined) {
    const which =
      args.revision === undefined ? "a revision before the present one" : `revision ${args.revision}`;
    return `deployment ${args.namespace}/${args.name} has not kept ${which}`;
  }
  if (canonicalJson(withoutHash(target)) === canonicalJson(withoutHash(deployment)))
    return `deployment ${args.namespace}/${args.name} runs revision ${revisionOf(target)} already`;
  return { deployment, present, target };
}

function revisionOf({ metadata }: Workload): number {
  return Number(metadata?.annotations?.[revisionKey] ?? 0);
}

/** What pods are made from, without the label by which a ReplicaSet tells its own. */
function withoutHash({ spec }: Workload): Json {
  const template = JSON.parse(JSON.stringify(spec?.template ?? {})) as {
    metadata?: { labels?: Record<string, string> };
  };
  if (template.metadata?.labels !== undefined) delete template.metadata.labels["pod-template-hash"];
  return template;
}

function imagesOf({ spec }: Workload): string[] {
  const containers: unknown = Object(spec?.template?.["spec"]).containers;
  return Array.isArray(containers) ? containers.map((one) => String(Object(one).image).slice(0, 200)) : [];
}

async function whatIsKnown(args: Arguments, plan: Plan, context: ActionContext): Promise<string> {
  const now = await (await openCluster(args.cluster, context)).find<Workload>(pathOf(args));
  if (now === undefined) return `there is no deployment ${args.namespace}/${args.name} any more`;
  if (templateHash(now) === Object(plan["before"]).template) return `${args.name} runs what it ran`;
  return `${args.name} runs ${imagesOf(now).join(", ")}: ${now.status?.availableReplicas ?? 0} of ${now.spec?.replicas ?? 1} are available`;
}
