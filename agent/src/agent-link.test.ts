import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { until } from "./testing/agent-process.js";
import { closeHouses, house } from "./testing/house.js";

/** The whole agent as a process against a control plane that speaks the real contract over real mTLS. */
afterEach(closeHouses);

/** Sequences without gap or repeat, from the first that came. */
function isUnbroken(sequences: readonly bigint[]): boolean {
  return sequences.every((sequence, index) => index === 0 || sequence === (sequences[index - 1] ?? 0n) + 1n);
}

describe("the agent's link, as a process", () => {
  test("enrols over TLS and sends real readings, then stops in order", async () => {
    const { fake, agent } = await house();
    await agent.start();
    await until("frames came", () => fake.frames.length >= 3);
    const names = [...(fake.frames[0]?.values.keys() ?? [])];
    expect(names.some((name) => name.startsWith("node_memory_MemTotal_bytes{"))).toBe(true);
    expect(fake.hellos[0]).toMatchObject({ actions: ["clean-directory"], intervalMs: 1000 });
    expect(fake.enrolments[0]?.nodeName).toBe("test-node");
    expect(readFileSync(join(agent.stateDir, "identity.json")).length).toBeGreaterThan(0);
    expect(await agent.kill("SIGTERM")).toBe(0);
  });

  test("reads a configuration in YAML too, and says all that is wrong with one before it starts", async () => {
    const { agent } = await house();
    writeFileSync(agent.configFile, `nodeName: a\nstateDir: ${agent.stateDir}\n`);
    expect(await agent.check()).toEqual({ code: 0, said: "mainstay-agent: the configuration is sound\n" });
    writeFileSync(agent.configFile, "nodeName: A_B\nintervalMs: 1\n");
    const { code, said } = await agent.check();
    expect(code).toBe(2);
    expect(said).toContain("nodeName: ");
    expect(said).toContain("intervalMs: ");
  });

  test("enrols over plaintext on loopback", async () => {
    const { fake, agent } = await house({ enrollOverTls: false });
    await agent.start();
    await until("a frame came", () => fake.frames.length > 0);
  });

  test("does not send its token to one who is not the authority that the token names", async () => {
    const { fake, agent } = await house();
    const other = `mjt_t1_${"s".repeat(32)}_${"0".repeat(64)}`;
    agent.configure(fake, { joinToken: other });
    await agent.start();
    await until("it was refused", () =>
      agent.lines.some((line) => line.includes("does not show the certificate authority")),
    );
    expect(fake.enrolments).toEqual([]);
    expect(agent.lines.join("\n")).not.toContain("s".repeat(32));
  });

  test("after kill -9 it goes on with the next sequence and nothing is missing", async () => {
    const { fake, agent } = await house();
    await agent.start();
    await until("frames came", () => fake.frames.length >= 2);
    await agent.kill();
    agent.lines.length = 0;
    await agent.start();
    const before = fake.frames.length;
    await until("frames came again", () => fake.frames.length >= before + 2);
    expect(new Set(fake.hellos.map(({ outboxId }) => outboxId)).size).toBe(1);
    expect(fake.enrolments).toHaveLength(1);
    expect(isUnbroken([...new Set(fake.frames.map(({ sequence }) => sequence))])).toBe(true);
  });

  test("what was read while the link was down comes afterwards, in order and without a gap", async () => {
    const { fake, agent } = await house();
    await agent.start();
    await until("a frame came", () => fake.frames.length >= 1);
    fake.acknowledges = false;
    const last = fake.resumeAfter.get(fake.frames[0]?.outboxId ?? "") ?? 0n;
    fake.cut();
    await agent.kill();
    agent.lines.length = 0;
    // A control plane that is away: the agent collects and cannot send.
    const stored = fake.frames.length;
    agent.configure(fake, { controlPlane: { agents: "127.0.0.1:1", enroll: "127.0.0.1:1" } });
    await agent.start();
    await new Promise((resolve) => setTimeout(resolve, 3500));
    await agent.kill();
    agent.configure(fake);
    fake.acknowledges = true;
    agent.lines.length = 0;
    await agent.start();
    await until("the backlog came", () => fake.frames.length >= stored + 5);
    const later = fake.frames.slice(stored).map(({ sequence }) => sequence);
    expect(later[0]).toBe(last + 1n);
    expect(isUnbroken(later)).toBe(true);
    expect(fake.frames.slice(stored).filter(({ values }) => values.size > 50).length).toBeGreaterThanOrEqual(
      3,
    );
  });

  test("a stream that is cut is opened again and goes on where the control plane left off", async () => {
    const { fake, agent } = await house();
    await agent.start();
    await until("a frame came", () => fake.frames.length >= 1);
    fake.cut();
    await until("a second stream", () => fake.hellos.length >= 2);
    const before = fake.frames.length;
    await until("frames came again", () => fake.frames.length >= before + 2);
    expect(isUnbroken([...new Set(fake.frames.map(({ sequence }) => sequence))])).toBe(true);
  });

  test("asked to drain it leaves and comes back", async () => {
    const { fake, agent } = await house();
    await agent.start();
    await until("a frame came", () => fake.frames.length >= 1);
    fake.send({
      case: "drain",
      value: {
        $typeName: "mainstay.agent.v1.Drain",
        reconnectAfterMs: 300,
        jitterMs: 100,
        because: "a test",
      },
    });
    await until("the stream has ended", () => !fake.isConnected);
    await until("it came back", () => fake.hellos.length >= 2);
  });

  test("asked to announce again it does, and sends what was not taken over", async () => {
    const { fake, agent } = await house();
    await agent.start();
    await until("a frame came", () => fake.frames.length >= 1);
    fake.acknowledges = false;
    const acknowledged = fake.frames.length;
    await until("one more came", () => fake.frames.length > acknowledged);
    const unacknowledged = fake.frames.at(-1)?.sequence;
    const seen = fake.frames.length;
    fake.send({
      case: "resendSeries",
      value: { $typeName: "mainstay.agent.v1.ResendSeries", because: "a test" },
    });
    await until("it came again", () =>
      fake.frames.slice(seen).some(({ sequence }) => sequence === unacknowledged),
    );
  });

  test("says that it lives when there is nothing else to say", async () => {
    const { fake, agent } = await house({ heartbeatMs: 500 }, { intervalMs: 60_000 });
    await agent.start();
    await until("heartbeats came", () => fake.heartbeats >= 3);
  });

  test("renews its certificate over the live stream and uses it on the next", async () => {
    const { fake, agent } = await house({ certificateMs: 6_000 });
    await agent.start();
    await until("it asked for a new certificate", () => fake.renewals >= 1);
    await until("it took it", () => agent.lines.some((line) => line.includes("the certificate was renewed")));
    expect(fake.hellos).toHaveLength(1);
    expect(fake.renewals).toBe(1);
    fake.cut();
    await until("a second stream", () => fake.hellos.length >= 2);
    expect(fake.peerSerials[1]).not.toBe(fake.peerSerials[0]);
  });

  test("with a certificate that ran out it says so, and enrols again with a new token", async () => {
    const { fake, agent } = await house({ certificateMs: 2_500 });
    await agent.start();
    await until("a frame came", () => fake.frames.length >= 1);
    await agent.kill();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    agent.lines.length = 0;
    await agent.start();
    await until("it says what is wrong", () => agent.lines.some((line) => line.includes("ran out")));
    await until("the old token is refused", () =>
      agent.lines.some((line) => line.includes("refused the join token")),
    );
    await agent.kill();
    fake.usedTokens.clear();
    agent.lines.length = 0;
    const before = fake.hellos.length;
    await agent.start();
    await until("it is back", () => fake.hellos.length > before);
    expect(fake.enrolments).toHaveLength(2);
  });

  test("two agents on one state directory: the second says so and leaves", async () => {
    const { agent } = await house();
    await agent.start();
    const first = agent.pid;
    agent.lines.length = 0;
    const { AgentProcess } = await import("./testing/agent-process.js");
    const second = new AgentProcess();
    writeFileSync(second.configFile, readFileSync(agent.configFile));
    await second.start();
    expect(second.lines.join("\n")).toContain(`another agent has it (pid ${first})`);
    expect(await second.kill()).toBe(1);
    rmSync(second.directory, { recursive: true });
  });
});
