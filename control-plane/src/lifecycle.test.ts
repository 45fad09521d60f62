import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CatchUp } from "./catch-up.js";
import { nodeId } from "./kernel/ids.js";
import { Lifecycle } from "./lifecycle.js";
import { createLogger } from "./platform/logger.js";
import { lockState } from "./platform/state-lock.js";
import { systemClock } from "./platform/system.js";
import { fakeSystem } from "./platform/testing/fake-system.js";
import type { FrameSession } from "./timeseries/timeseries.module.js";
import { isLoopback } from "./tls.js";

test("what was started last is stopped first, and one that fails or hangs does not keep the others", async () => {
  const stopped: string[] = [];
  const lines: string[] = [];
  const lifecycle = new Lifecycle(
    systemClock,
    createLogger(systemClock, (line) => lines.push(line)),
  );
  lifecycle.started("ground", () => void stopped.push("ground"));
  lifecycle.started("hangs", () => new Promise(() => {}), 20);
  lifecycle.started("fails", () => Promise.reject(new Error("no")));
  lifecycle.started("throws", () => {
    throw new Error("no");
  });
  lifecycle.started("doors", async () => void stopped.push("doors"));
  await lifecycle.stop();
  expect(stopped).toEqual(["doors", "ground"]);
  expect(lines.map((line) => (JSON.parse(line) as { part: string }).part)).toEqual([
    "throws",
    "fails",
    "hangs",
  ]);
  await lifecycle.stop();
  expect(stopped).toHaveLength(2);
});

test("a state directory has one control plane at a time", async () => {
  const directory = await mkdtemp(join(tmpdir(), "mainstay-lock-"));
  const other = await mkdtemp(join(tmpdir(), "mainstay-lock-"));
  const release = await lockState(directory);
  await expect(lockState(`${directory}/../${directory.split("/").at(-1)}`)).rejects.toThrow(
    `another control plane runs on the state directory ${directory}`,
  );
  await (await lockState(other))();
  await release();
  await (await lockState(directory))();
  await Promise.all([directory, other].map((path) => rm(path, { recursive: true })));
});

test.each([
  ["127.0.0.1", true],
  ["127.8.8.8", true],
  ["localhost", true],
  ["::1", true],
  ["0.0.0.0", false],
  ["::", false],
  ["10.0.0.7", false],
  ["127.evil.example", false],
  ["127.0.0.1.evil.example", false],
])("%s is loopback: %s", (host, is) => {
  expect(isLoopback({ host, port: 0 })).toBe(is);
});

test("a node has caught up when a frame that is news was taken", async () => {
  const { clock } = fakeSystem(1_000_000);
  let answer: ReturnType<FrameSession["frame"]> = "busy";
  const session: FrameSession = {
    announce: () => {},
    layout: () => {},
    frame: () => answer,
    busy: false,
    ready: async () => {},
    onLost: () => {},
    close: () => {},
  };
  const catchUp = new CatchUp({ openSession: async () => ({ session, resumeAfter: 7n }) }, clock);
  const node = { id: nodeId("n"), name: "web-1", outboxId: "o" };
  const opened = await catchUp.openSession(node);
  expect(opened.resumeAfter).toBe(7n);
  const values = new Uint8Array();
  const send = (at: number): string => opened.session.frame(1n, 1, at, values);
  expect(send(1_000_000)).toBe("busy");
  expect(catchUp.count).toBe(0);
  answer = "taken";
  send(969_999);
  expect(catchUp.count).toBe(0);
  send(970_000);
  expect(catchUp.count).toBe(1);
  send(1_000_000);
  expect(catchUp.count).toBe(1);
  // From now on its sessions are handed out as they are.
  expect((await catchUp.openSession(node)).session).toBe(session);
});
