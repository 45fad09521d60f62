/** An agent acts on a cluster: every action is planned, run, verified by kubectl, and undone or refused. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KubernetesContractServer } from "../contract-servers/kubernetes.js";
import { workload } from "../contract-servers/kubernetes-workloads.js";
import { reaches, request } from "../harness/commands.js";
import type { Operator } from "../harness/operator.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const run = promisify(execFile);
const actions = [
  "evict-pod",
  "scale-workload",
  "rollout-restart",
  "rollout-undo",
  "cordon-node",
  "uncordon-node",
  "drain-node",
];
let cluster: KubernetesContractServer;
let stack: Stack;
let operator: Operator;

async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await run("kubectl", ["--kubeconfig", cluster.kubeconfig, "-n", "web", ...args], {
    timeout: 60_000,
  });
  return stdout.trim();
}
const image = (name: string) =>
  kubectl("get", "deploy", name, "-o", "jsonpath={.spec.template.spec.containers[0].image}");
const available = (name: string) =>
  kubectl("get", "deploy", name, "-o", "jsonpath={.status.availableReplicas}");
const pods = async (app: string): Promise<string[]> =>
  (await kubectl("get", "pods", "-l", `app=${app}`, "-o", "name")).split("\n").sort();
const rolledOut = (name: string) => kubectl("rollout", "status", `deployment/${name}`, "--timeout=30s");

interface Planned {
  readonly stateHash: string;
  readonly inverse: string | { readonly action: string; readonly arguments: object };
  readonly [part: string]: unknown;
}

const ended = [CommandState.SUCCEEDED, CommandState.FAILED, CommandState.REFUSED];

/** Asks, and waits for the end. */
async function act(action: string, args: object) {
  const { commandId } = await request(operator, "ops-1", action, { cluster: "lab", ...args });
  const command = await reaches(operator, commandId, ended, 60_000);
  const text = command.plan?.planJson ?? "";
  return { command, plan: (text === "" ? {} : JSON.parse(text)) as Planned };
}

async function succeeds(action: string, args: object): Promise<Planned> {
  const { command, plan } = await act(action, args);
  expect(command.state, `${command.because} ${command.summary}`).toBe(CommandState.SUCCEEDED);
  return plan;
}

/** Carries out what a plan names as its inverse. */
function undo({ inverse }: Planned): Promise<Planned> {
  if (typeof inverse === "string") throw new Error(`the plan names no inverse: ${inverse}`);
  return succeeds(inverse.action, inverse.arguments);
}

beforeAll(async () => {
  cluster = await new KubernetesContractServer().start(["node-a", "node-b", "node-c"]);
  stack = await Stack.start({
    policy: "limits: { perNodePerHour: 500 }\nrules: [{ name: everything, verdict: allow }]\n",
  });
  operator = stack.operator();
  await stack.startAgent("ops-1", {
    actions: {
      kubernetes: {
        clusters: [
          {
            name: "lab",
            kubeconfig: cluster.kubeconfig,
            namespaces: ["web"],
            nodes: ["*"],
            actions,
            maxReplicas: 8,
          },
        ],
      },
    },
  });
  await until("the node", async () => (await operator.fleet().getNode({ nodeId: "ops-1" })).node?.actions[6]);
  const shop = workload(cluster, "shop", { replicas: 3, minAvailable: 2 });
  const scaled = workload(cluster, "scaled", { replicas: 2, autoscaler: { min: 2, max: 4 } });
  await kubectl("create", "--validate=false", "-f", shop, "-f", scaled);
  await Promise.all([rolledOut("shop"), rolledOut("scaled")]);
});
afterAll(async () => {
  await stack?.stop();
  await cluster?.stop();
});

describe("acting on a cluster", () => {
  test("what cannot be done is not planned", async () => {
    const before = await pods("shop");
    const refused = await act("evict-pod", { namespace: "web", pod: "nobody" });
    expect(refused.command.because).toContain("there is no pod web/nobody");
    const plan = await request(operator, "ops-1", "scale-workload", {
      cluster: "lab",
      namespace: "kube-public",
      name: "shop",
      replicas: 1,
    });
    expect(plan.because).toContain("namespace kube-public is not in the namespaces");
    expect(await pods("shop")).toEqual(before);
  });

  test("evict-pod: the owner's new pod is ready before it is called done; a bound in the way is named", async () => {
    const [first = ""] = await pods("shop");
    const plan = await succeeds("evict-pod", { namespace: "web", pod: first.replace("pod/", "") });
    expect(plan).toMatchObject({ inverse: "nothing-to-undo", owner: { kind: "ReplicaSet" } });
    expect(await pods("shop")).not.toContain(first);
    expect(await available("shop")).toBe("3");
    // With the budget at all three there is none to spare.
    await kubectl("patch", "pdb", "shop", "--type=merge", "-p", '{"spec":{"minAvailable":3}}');
    const [next = ""] = await pods("shop");
    const { command } = await act("evict-pod", {
      namespace: "web",
      pod: next.replace("pod/", ""),
      waitSeconds: 1,
    });
    expect(command).toMatchObject({ state: CommandState.FAILED });
    expect(command.summary).toContain("disruption budget shop lets none go");
    expect(await pods("shop")).toContain(next);
    await kubectl("patch", "pdb", "shop", "--type=merge", "-p", '{"spec":{"minAvailable":2}}');
  });

  test("scale-workload: there and back, and through the autoscaler where one watches", async () => {
    const plan = await succeeds("scale-workload", { namespace: "web", name: "shop", replicas: 5 });
    expect(await available("shop")).toBe("5");
    const back = await undo(plan);
    expect(back.stateHash).not.toBe(plan.stateHash);
    expect(await available("shop")).toBe("3");
    const again = await succeeds("scale-workload", { namespace: "web", name: "shop", replicas: 3 });
    expect(again.stateHash).toBe(plan.stateHash);

    const through = await succeeds("scale-workload", { namespace: "web", name: "scaled", replicas: 3 });
    expect(through).toMatchObject({ through: "autoscaler", before: { autoscalerMin: 2 } });
    expect(await kubectl("get", "hpa", "scaled", "-o", "jsonpath={.spec.minReplicas}")).toBe("3");
    expect(await available("scaled")).toBe("3");
    await undo(through);
    expect(await kubectl("get", "hpa", "scaled", "-o", "jsonpath={.spec.minReplicas}")).toBe("2");
    const beyond = await act("scale-workload", { namespace: "web", name: "scaled", replicas: 5 });
    expect(beyond.command.because).toContain("lets scaled have 4 at most");
  });

  test("rollout-restart: every pod is another, and not one was missing", async () => {
    const before = await pods("shop");
    const plan = await succeeds("rollout-restart", { namespace: "web", name: "shop" });
    expect(plan.inverse).toBe("nothing-to-undo");
    const after = await pods("shop");
    expect(after.filter((pod) => before.includes(pod))).toEqual([]);
    expect(await available("shop")).toBe("3");
  });

  test("rollout-undo: back to what ran, forth again, and a revision that does not come up is taken back", async () => {
    await kubectl("set", "image", "deployment/shop", "main=registry.example/shop:2");
    await rolledOut("shop");
    const plan = await succeeds("rollout-undo", { namespace: "web", name: "shop" });
    expect(await image("shop")).toBe("registry.example/shop:1");
    await undo(plan);
    expect(await image("shop")).toBe("registry.example/shop:2");
    const again = await request(operator, "ops-1", "rollout-undo", {
      cluster: "lab",
      namespace: "web",
      name: "shop",
      revision: 9999,
    });
    expect(again.because).toContain("has not kept revision 9999");
    // A bad release, and a look back to it from a good one.
    await kubectl("set", "image", "deployment/shop", "main=registry.example/bad:3");
    await until("the bad release to be seen", async () =>
      (await kubectl("get", "pods", "-o", "jsonpath={..waiting.reason}")) === "" ? undefined : true,
    );
    const rescue = await succeeds("rollout-undo", { namespace: "web", name: "shop" });
    expect(await image("shop")).toBe("registry.example/shop:2");
    const { inverse } = rescue;
    const forth = await act("rollout-undo", Object(inverse).arguments);
    expect(forth.command.state).toBe(CommandState.FAILED);
    expect(forth.command.summary).toMatch(/ImagePullBackOff; it was taken back$/);
    expect(await image("shop")).toBe("registry.example/shop:2");
    expect(await available("shop")).toBe("3");
  });

  test("cordon-node and uncordon-node: one at a time, and the same state as before", async () => {
    const unschedulable = () => kubectl("get", "node", "node-a", "-o", "jsonpath={.spec.unschedulable}");
    const plan = await succeeds("cordon-node", { node: "node-a" });
    expect(await unschedulable()).toBe("true");
    const second = await act("cordon-node", { node: "node-b" });
    expect(second.command.because).toContain("node-a is cordoned already: one node at a time");
    const back = await undo(plan);
    expect(await unschedulable()).toBe("");
    expect(back.stateHash).not.toBe(plan.stateHash);
    const again = await succeeds("cordon-node", { node: "node-a" });
    expect(again.stateHash).toBe(plan.stateHash);
    await undo(again);
  });

  test("drain-node: pod by pod within the budget, stops at the first that may not go, and its inverse opens the node", async () => {
    const onNode = () =>
      kubectl("get", "pods", "--field-selector", "spec.nodeName=node-b", "-o", "name").then((text) =>
        text.split("\n").filter((line) => line !== ""),
      );
    await until("something to run there", async () => ((await onNode()).length > 0 ? true : undefined));
    const plan = await succeeds("drain-node", { node: "node-b" });
    expect(await onNode()).toEqual([]);
    expect([await available("shop"), await available("scaled")]).toEqual(["3", "2"]);
    await undo(plan);
    expect(await kubectl("get", "node", "node-b", "-o", "jsonpath={.spec.unschedulable}")).toBe("");

    await kubectl("patch", "pdb", "shop", "--type=merge", "-p", '{"spec":{"minAvailable":3}}');
    const [node = ""] = (
      await kubectl("get", "pods", "-l", "app=shop", "-o", "jsonpath={.items[*].spec.nodeName}")
    ).split(" ");
    const stuck = await act("drain-node", { node, waitSeconds: 1 });
    expect(stuck.command.state).toBe(CommandState.FAILED);
    expect(stuck.command.summary).toContain(`${node} stays cordoned`);
    expect(await available("shop")).toBe("3");
    await undo(stuck.plan);
  });

  /** Plans, and holds what kubectl sees against what it saw before. */
  async function onlyPlans(action: string, args: object, expected: object): Promise<void> {
    const seen = async (): Promise<string> => {
      const fields = 'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.spec}{"\\n"}{end}';
      return (await kubectl("get", "deploy,hpa,pods,nodes", "-o", fields)).split("\n").sort().join("\n");
    };
    const before = await seen();
    expect(before).toMatch(/Deployment\/shop .*replicas/);
    const { command } = await operator.commands().requestCommand({
      requestId: `plan-${action}`,
      nodeId: "ops-1",
      action,
      argumentsJson: JSON.stringify({ cluster: "lab", ...args }),
      hold: true,
      waitMs: 10_000,
    });
    const held = await reaches(operator, command?.commandId ?? "", [
      CommandState.PLANNED,
      CommandState.REFUSED,
    ]);
    expect(held.state, held.because).toBe(CommandState.PLANNED);
    expect(JSON.parse(held.plan?.planJson ?? "{}")).toMatchObject({ action, ...expected });
    expect(await seen()).toBe(before);
    await operator.commands().rejectCommand({ commandId: held.commandId, reason: "it was only looked at" });
  }
  const shopPod = async (): Promise<string> => (await pods("shop"))[0]?.replace("pod/", "") ?? "";
  const shop = { namespace: "web", name: "shop" };

  test("evict-pod: its plan touches nothing", async () => {
    const pod = await shopPod();
    await onlyPlans(
      "evict-pod",
      { namespace: "web", pod },
      { inverse: "nothing-to-undo", arguments: { pod } },
    );
  });

  test("scale-workload: its plan touches nothing", () =>
    onlyPlans("scale-workload", { ...shop, replicas: 4 }, { inverse: { action: "scale-workload" } }));

  test("rollout-restart: its plan touches nothing", () =>
    onlyPlans("rollout-restart", shop, { inverse: "nothing-to-undo" }));

  test("rollout-undo: its plan touches nothing", () =>
    onlyPlans("rollout-undo", shop, { inverse: { action: "rollout-undo" } }));

  test("cordon-node: its plan touches nothing", () =>
    onlyPlans("cordon-node", { node: "node-a" }, { inverse: { action: "uncordon-node" } }));

  test("uncordon-node: its plan touches nothing", async () => {
    await kubectl("cordon", "node-c");
    await onlyPlans("uncordon-node", { node: "node-c" }, { inverse: { action: "cordon-node" } });
    await kubectl("uncordon", "node-c");
  });

  test("drain-node: its plan touches nothing", () =>
    onlyPlans("drain-node", { node: "node-b" }, { inverse: { action: "uncordon-node" } }));

  test("what the actions printed is found by its words, over REST and on the command line", async () => {
    const url = `http://127.0.0.1:${stack.ports.rest}/api/mainstay/v1/outputs?query=cordon%20or%20%22is%20evicted%22`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${operator.token}` } });
    const { hits } = (await answer.json()) as { hits: { action: string; lines: string[] }[] };
    expect(hits.map(({ action }) => action)).toContain("evict-pod");
    expect(hits.flatMap(({ lines }) => lines).join()).toMatch(/web\/shop-.* is evicted/);
    const cli = join(import.meta.dirname, "../../control-plane/cli/dist/main.js");
    const settings = [
      ...["--address", `127.0.0.1:${stack.ports.grpc}`],
      ...["--token-file", join(stack.state, "operator-token")],
    ];
    const { stdout } = await run(process.execPath, [cli, "outputs", "search", "evicted", ...settings]);
    expect(stdout).toMatch(/evict-pod .*web\/shop-/);
  });

  test("outside what the host declares it is refused", async () => {
    for (const [action, args] of [
      ["scale-workload", { namespace: "kube-system", name: "dns", replicas: 0 }],
      ["scale-workload", { namespace: "web", name: "shop", replicas: 9 }],
      ["evict-pod", { namespace: "web", pod: "../nodes/node-a" }],
    ] as const) {
      const { command } = await act(action, args);
      expect(command.state, action).toBe(CommandState.REFUSED);
    }
  });
});
