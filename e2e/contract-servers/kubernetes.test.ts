/** Whether the contract server is honest: the real kubectl does its work against it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../harness/until.js";
import { KubernetesContractServer } from "./kubernetes.js";
import { workload } from "./kubernetes-workloads.js";

const run = promisify(execFile);
let server: KubernetesContractServer;

async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await run("kubectl", ["--kubeconfig", server.kubeconfig, "-n", "web", ...args], {
    timeout: 60_000,
  });
  return stdout;
}

beforeAll(async () => {
  server = await new KubernetesContractServer().start(["node-a", "node-b", "node-c"]);
  await kubectl(
    "create",
    "--validate=false",
    "-f",
    workload(server, "shop", { replicas: 3, minAvailable: 2 }),
  );
  await kubectl("rollout", "status", "deployment/shop", "--timeout=30s");
});
afterAll(() => server?.stop());

describe("kubectl against the contract server", () => {
  test("sees what is there", async () => {
    expect(await kubectl("get", "nodes", "-o", "name")).toBe("node/node-a\nnode/node-b\nnode/node-c\n");
    expect((await kubectl("get", "pods", "-o", "name")).trim().split("\n")).toHaveLength(3);
    expect(await kubectl("get", "deploy", "shop", "-o", "jsonpath={.status.availableReplicas}")).toBe("3");
  });

  test("scales, and the pods follow", async () => {
    await kubectl("scale", "deployment/shop", "--replicas=5");
    await kubectl("rollout", "status", "deployment/shop", "--timeout=30s");
    expect((await kubectl("get", "pods", "-o", "name")).trim().split("\n")).toHaveLength(5);
    await kubectl("scale", "deployment/shop", "--replicas=3");
    await until("two to go", async () =>
      (await kubectl("get", "pods", "-o", "name")).trim().split("\n").length === 3 ? true : undefined,
    );
  });

  test("restarts, goes to a bad image, and undoes it", async () => {
    const images = (): Promise<string> =>
      kubectl("get", "deploy", "shop", "-o", "jsonpath={.spec.template.spec.containers[0].image}");
    await kubectl("rollout", "restart", "deployment/shop");
    await kubectl("rollout", "status", "deployment/shop", "--timeout=30s");
    await kubectl("set", "image", "deployment/shop", "main=registry.example/bad:2");
    await expect(kubectl("rollout", "status", "deployment/shop", "--timeout=2s")).rejects.toThrow();
    // What is asked for stays available while the new ones do not come up.
    expect(await kubectl("get", "deploy", "shop", "-o", "jsonpath={.status.availableReplicas}")).toBe("3");
    await kubectl("rollout", "undo", "deployment/shop");
    await kubectl("rollout", "status", "deployment/shop", "--timeout=30s");
    expect(await images()).toBe("registry.example/shop:1");
    expect(await kubectl("rollout", "history", "deployment/shop")).toMatch(/3/);
  });

  test("cordons, drains within the disruption budget, and uncordons", async () => {
    await kubectl("cordon", "node-a");
    expect(await kubectl("get", "node", "node-a", "-o", "jsonpath={.spec.unschedulable}")).toBe("true");
    await kubectl("drain", "node-b", "--timeout=30s", "--ignore-daemonsets");
    const places = await kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}");
    expect(places).not.toContain("node-b");
    await kubectl("uncordon", "node-a");
    await kubectl("uncordon", "node-b");
    await kubectl("rollout", "status", "deployment/shop", "--timeout=30s");
  });
});
