import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FinishedOutcome } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { afterEach, describe, expect, test } from "vitest";
import { AgentProcess, until } from "../testing/agent-process.js";
import { FakeControlPlane, type FakeOptions } from "../testing/fake-control-plane.js";

/** The whole agent as a process against a control plane that speaks the real contract. */
const running: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of running.splice(0).reverse()) await part.stop();
});

async function house(options: FakeOptions = {}, more: Readonly<Record<string, unknown>> = {}) {
  const fake = await FakeControlPlane.start(options);
  running.push(fake);
  const agent = new AgentProcess();
  running.push({ stop: () => agent.kill() });
  const root = join(agent.directory, "root");
  mkdirSync(root);
  agent.configure(fake, { actions: { cleanDirectory: { roots: [root], minAgeSeconds: 60 } }, ...more });
  return { fake, agent, root };
}

function oldFile(path: string, bytes: number, ageSeconds = 7200): void {
  writeFileSync(path, Buffer.alloc(bytes, 120));
  const at = Date.now() / 1000 - ageSeconds;
  utimesSync(path, at, at);
}

describe("the agent as a process", () => {
  test("enrols, sends real readings, previews and cleans a directory exactly as planned", async () => {
    const { fake, agent, root } = await house();
    oldFile(join(root, "a"), 1000);
    oldFile(join(root, "b"), 2000);
    writeFileSync(join(root, "young"), "x");
    await agent.start();
    await until("a frame came", () => fake.frames.length > 0);
    const names = [...(fake.frames[0]?.values.keys() ?? [])];
    expect(names.some((name) => name.startsWith("node_memory_MemTotal_bytes{"))).toBe(true);

    fake.order({ commandId: "c1", action: "clean-directory", arguments: { path: root }, mode: "preview" });
    await until("the preview is done", () =>
      fake.eventsOf("c1").some(({ event }) => event.case === "finished"),
    );
    const finished = fake.eventsOf("c1").at(-1)?.event;
    if (finished?.case !== "finished") throw new Error("not finished");
    expect(finished.value.outcome).toBe(FinishedOutcome.SUCCEEDED);
    expect(JSON.parse(finished.value.resultJson)).toMatchObject({
      bytes: 3000,
      files: [{ path: "a" }, { path: "b" }],
    });
  });
});
