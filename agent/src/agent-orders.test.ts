import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandEvent, FinishedOutcome } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { afterEach, describe, expect, test } from "vitest";
import { until } from "./testing/agent-process.js";
import { closeHouses, endOf, finishOf, house, planCleaning } from "./testing/house.js";
import { oldFile } from "./testing/old-file.js";

afterEach(closeHouses);

const kinds = (events: readonly CommandEvent[]): (string | undefined)[] =>
  events.map(({ event }) => event.case);

/** They are written once a second: losing them costs nothing but a second sending. */
const acknowledgementsNoted = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1300));

describe("orders, by the whole agent as a process", () => {
  test("a directory is cleaned exactly as planned; what changed meanwhile is left and named", async () => {
    const { fake, agent, root } = await house();
    oldFile(join(root, "a"), 1000);
    oldFile(join(root, "b"), 2000);
    oldFile(join(root, "c"), 4000);
    writeFileSync(join(root, "young"), "x");
    await agent.start();
    await until("the stream is open", () => fake.hellos.length > 0);
    const planHash = await planCleaning(fake, "c1", root);
    oldFile(join(root, "b"), 2001);
    oldFile(join(root, "later"), 10);
    fake.order({
      commandId: "c1",
      action: "clean-directory",
      arguments: { path: root },
      mode: "run",
      planHash,
      generation: 2n,
    });
    await until("it ran", () =>
      fake.eventsOf("c1").some(({ event, mode }) => event.case === "finished" && mode === 2),
    );
    const run = fake.eventsOf("c1").filter(({ mode }) => mode === 2);
    const end = run.at(-1)?.event;
    if (end?.case !== "finished") throw new Error("not finished");
    expect(end.value.outcome).toBe(FinishedOutcome.SUCCEEDED);
    expect(JSON.parse(end.value.resultJson)).toMatchObject({
      deleted: 2,
      bytesFreed: 5000,
      skipped: [{ path: "b" }],
    });
    expect(readdirSync(root).sort()).toEqual(["b", "later", "young"]);
    expect(kinds(run).slice(0, 2)).toEqual(["accepted", "started"]);
    expect(run.map(({ sequence }) => sequence)).toEqual(run.map((_event, index) => index + 1));
    const output = run.flatMap(({ event }) =>
      event.case === "output" ? [Buffer.from(event.value.data).toString()] : [],
    );
    expect(output.join("")).toContain('deleted "a" 1000');
  });

  test("the same order twice runs once and gets the first answer twice", async () => {
    const { fake, agent, root } = await house();
    oldFile(join(root, "a"), 1000);
    await agent.start();
    await until("the stream is open", () => fake.hellos.length > 0);
    const planHash = await planCleaning(fake, "p", root);
    const order = {
      commandId: "r",
      action: "clean-directory",
      arguments: { path: root },
      mode: "run",
      planHash,
    } as const;
    fake.order(order);
    fake.order(order);
    await finishOf(fake, "r");
    oldFile(join(root, "a"), 1000);
    fake.order(order);
    await until("the answer came again", () =>
      fake.eventsOf("r").some(({ event, repeatedAnswer }) => repeatedAnswer && event.case === "finished"),
    );
    const finishes = fake
      .eventsOf("r")
      .flatMap(({ event }) => (event.case === "finished" ? [event.value.summary] : []));
    expect(new Set(finishes).size).toBe(1);
    expect(
      fake.eventsOf("r").filter(({ event, repeatedAnswer }) => event.case === "started" && !repeatedAnswer),
    ).toHaveLength(1);
    expect(existsSync(join(root, "a"))).toBe(true);
    // Also after a restart, with the acknowledgements noted.
    await acknowledgementsNoted();
    await agent.kill();
    agent.lines.length = 0;
    const seen = fake.events.length;
    const streams = fake.hellos.length;
    await agent.start();
    await until("the stream is open again", () => fake.hellos.length > streams);
    fake.order(order);
    await until("the answer came once more", () =>
      fake.events.slice(seen).some(({ event }) => event.case === "finished"),
    );
    expect(fake.events.slice(seen).every(({ repeatedAnswer }) => repeatedAnswer)).toBe(true);
    expect(existsSync(join(root, "a"))).toBe(true);
  });

  test.each([
    { what: "signed by another key", because: "bad-signature", forged: true, change: {} },
    { what: "for another node", because: "wrong-node", forged: false, change: { nodeId: "node-2" } },
    { what: "after its expiry", because: "expired", forged: false, change: { expiresAt: Date.now() - 1000 } },
    { what: "of an action unknown here", because: "unknown-action", forged: false, change: { action: "rm" } },
    {
      what: "outside the declared roots",
      because: "not-allowed-here",
      forged: false,
      change: { arguments: { path: "/etc" } },
    },
    {
      what: "with a plan that was never made",
      because: "unknown-plan",
      forged: false,
      change: { mode: "run", planHash: "a".repeat(64) },
    },
  ] as const)("an order $what is refused: $because", async ({ because, forged, change }) => {
    const { fake, agent, root } = await house();
    await agent.start();
    await until("the stream is open", () => fake.hellos.length > 0);
    const order = {
      commandId: "x",
      nodeId: fake.nodeId,
      action: "clean-directory",
      arguments: { path: root },
      mode: "preview",
      ...change,
    } as const;
    const other = generateKeyPairSync("ed25519").privateKey;
    fake.send({ case: "order", value: fake.authority.signedOrder(order, forged ? other : undefined) });
    const end = await endOf(fake, "x");
    expect(end.case === "refused" && end.value.because).toBe(because);
  });

  test("kill -9 in the middle of a run: interrupted, with what is known, and never run again", async () => {
    const { fake, agent, root } = await house();
    for (let index = 0; index < 5000; index++) oldFile(join(root, `f${index}`), 10);
    await agent.start();
    await until("the stream is open", () => fake.hellos.length > 0);
    const planHash = await planCleaning(fake, "p", root);
    const order = {
      commandId: "r",
      action: "clean-directory",
      arguments: { path: root },
      mode: "run",
      planHash,
    } as const;
    fake.order(order);
    await until("files go", () => readdirSync(root).length < 4900);
    await agent.kill();
    const left = readdirSync(root).length;
    expect(left).toBeGreaterThan(0);
    agent.lines.length = 0;
    await agent.start();
    const end = await endOf(fake, "r");
    expect(end.case === "interrupted" && end.value.detail).toContain(
      `${5000 - left} of 5000 files of the plan are gone`,
    );
    fake.order(order);
    await until("the answer came again", () =>
      fake.eventsOf("r").some(({ repeatedAnswer, event }) => repeatedAnswer && event.case === "interrupted"),
    );
    expect(readdirSync(root).length).toBe(left);
    const sequences = [...new Set(fake.eventsOf("r").map(({ sequence }) => sequence))];
    expect(sequences).toEqual(sequences.map((_sequence, index) => index + 1));
  });

  test("results wait for a control plane that is away, and come when it is back", async () => {
    const { fake, agent, root } = await house();
    oldFile(join(root, "a"), 1000);
    await agent.start();
    await until("the stream is open", () => fake.hellos.length > 0);
    const planHash = await planCleaning(fake, "p", root);
    await acknowledgementsNoted();
    fake.acknowledgesEvents = false;
    fake.order({
      commandId: "r",
      action: "clean-directory",
      arguments: { path: root },
      mode: "run",
      planHash,
    });
    await finishOf(fake, "r");
    await agent.kill();
    fake.events.length = 0;
    fake.acknowledgesEvents = true;
    agent.lines.length = 0;
    await agent.start();
    await finishOf(fake, "r");
    expect(kinds(fake.eventsOf("r"))).toEqual(["accepted", "started", "output", "finished"]);
    expect(fake.hellos.at(-1)?.openCommandIds).toEqual(["r"]);
  });

  test("a declared process is restarted, and a cancel in the middle is told to the end", async () => {
    const { fake, agent } = await house();
    const pidFile = join(agent.directory, "worker.pid");
    const script = join(agent.directory, "worker.sh");
    writeFileSync(script, `echo $$ > ${pidFile}\nexec sleep 1000\n`);
    agent.configure(fake, {
      actions: { restartService: { processes: [{ name: "worker", pidFile, start: ["/bin/sh", script] }] } },
    });
    await agent.start();
    await until("the stream is open", () => fake.hellos.length > 0);
    const restart = async (id: string): Promise<number> => {
      fake.order({
        commandId: `${id}p`,
        action: "restart-service",
        arguments: { process: "worker" },
        mode: "preview",
      });
      const { planHash } = await finishOf(fake, `${id}p`);
      fake.order({
        commandId: id,
        action: "restart-service",
        arguments: { process: "worker" },
        mode: "run",
        planHash,
      });
      const end = await finishOf(fake, id);
      expect(end.outcome, end.summary).toBe(FinishedOutcome.SUCCEEDED);
      return Number(readFileSync(pidFile, "utf8"));
    };
    const first = await restart("one");
    const second = await restart("two");
    try {
      expect(second).not.toBe(first);
      expect(existsSync(`/proc/${first}`)).toBe(false);
      expect(existsSync(`/proc/${second}`)).toBe(true);
    } finally {
      process.kill(second, "SIGKILL");
    }
  });

  test("a plan whose world has changed is not carried out, and what changed is said", async () => {
    const { fake, agent } = await house();
    const pidFile = join(agent.directory, "worker.pid");
    const worker = (): number => {
      const child = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
      writeFileSync(pidFile, `${child.pid}\n`);
      return child.pid ?? 0;
    };
    agent.configure(fake, {
      actions: {
        restartService: { processes: [{ name: "worker", pidFile, start: ["/bin/sleep", "1000"] }] },
      },
    });
    const pids = [worker()];
    await agent.start();
    await until("the stream is open", () => fake.hellos.length > 0);
    const order = { action: "restart-service", arguments: { process: "worker" } } as const;
    fake.order({ ...order, commandId: "p", mode: "preview" });
    const { planHash, resultJson } = await finishOf(fake, "p");
    expect(JSON.parse(resultJson)).toMatchObject({
      observed: { pid: pids[0] },
      stateHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    pids.push(worker());
    try {
      fake.order({ ...order, commandId: "r", mode: "run", planHash });
      const end = await endOf(fake, "r");
      expect(end.case === "refused" && end.value.because).toBe("drifted");
      expect(end.case === "refused" && end.value.detail).toContain(`pid: ${pids[0]} -> ${pids[1]}`);
      expect(kinds(fake.eventsOf("r"))).toEqual(["accepted", "refused"]);
      for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(true);
    } finally {
      for (const pid of pids) process.kill(pid, "SIGKILL");
    }
  });

  test("a cancel stops a run between two files and says how far it came", async () => {
    const { fake, agent, root } = await house();
    for (let index = 0; index < 5000; index++) oldFile(join(root, `f${index}`), 10);
    await agent.start();
    await until("the stream is open", () => fake.hellos.length > 0);
    const planHash = await planCleaning(fake, "p", root);
    fake.order({
      commandId: "r",
      action: "clean-directory",
      arguments: { path: root },
      mode: "run",
      planHash,
    });
    await until("files go", () => readdirSync(root).length < 4900);
    fake.send({
      case: "cancel",
      value: { $typeName: "mainstay.agent.v1.CancelOrder", commandId: "r", because: "a test" },
    });
    const end = await finishOf(fake, "r");
    expect(end.outcome).toBe(FinishedOutcome.CANCELLED);
    const left = readdirSync(root).length;
    expect(left).toBeGreaterThan(0);
    expect(end.summary).toContain(`deleted ${5000 - left} of 5000 files`);
  });

  test("a flood of output is bounded: the beginning and the end come, what is between is counted", async () => {
    const { fake, agent, root } = await house();
    for (let index = 0; index < 3000; index++) oldFile(join(root, `f${index}`), 10);
    await agent.start();
    await until("the stream is open", () => fake.hellos.length > 0);
    const planHash = await planCleaning(fake, "p", root);
    fake.order({
      commandId: "r",
      action: "clean-directory",
      arguments: { path: root },
      mode: "run",
      planHash,
      outputBytesMax: 16_384,
    });
    await finishOf(fake, "r");
    const pieces = fake.eventsOf("r").flatMap(({ event }) => (event.case === "output" ? [event.value] : []));
    const skipped = pieces.reduce((sum, { skippedBytes }) => sum + Number(skippedBytes), 0);
    const kept = pieces.reduce((sum, { data }) => sum + data.length, 0);
    expect(kept).toBeLessThanOrEqual(8192);
    const last = pieces.at(-1);
    expect(Number(last?.offset) + (last?.data.length ?? 0)).toBe(kept + skipped);
    expect(skipped).toBeGreaterThan(10_000);
  });
});
