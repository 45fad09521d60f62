import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { until } from "../../testing/agent-process.js";
import { freePort } from "../../testing/free-port.js";
import { planned } from "../../testing/planned.js";
import { doneAndUndone } from "../../testing/undo.js";
import { allow } from "../allow.js";
import type { ArgumentsOf } from "../command.js";
import { setBackendState } from "./set-backend-state.js";

let home = "";
let port = 0;
let haproxy: ChildProcess | undefined;
const servers: Server[] = [];

async function backend(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return (server.address() as AddressInfo).port;
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "mainstay-haproxy-"));
  port = await freePort();
  const a = await backend((request, response) => {
    setTimeout(() => response.end("a"), request.url === "/slow" ? 700 : 0);
  });
  const b = await backend((_request, response) => response.end("b"));
  writeFileSync(
    join(home, "haproxy.cfg"),
    `global\n  stats socket ${home}/admin level admin\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 5s\n  timeout server 5s\nlisten web\n  bind 127.0.0.1:${port}\n  balance roundrobin\n  server a 127.0.0.1:${a}\n  server b 127.0.0.1:${b}\n`,
  );
  haproxy = spawn("/usr/sbin/haproxy", ["-db", "-f", join(home, "haproxy.cfg")], { stdio: "ignore" });
  await until("HAProxy listens", () => existsSync(join(home, "admin")));
});
afterEach(() => {
  haproxy?.kill("SIGKILL");
  for (const server of servers.splice(0)) server.close();
  rmSync(home, { recursive: true });
});

const here = (more: object = {}) =>
  actionContext({
    setBackendState: { proxies: [{ name: "lb", socket: join(home, "admin"), backends: ["web"], ...more }] },
  }).context;
type Arguments = ArgumentsOf<"set-backend-state">;
const args = (server: string, state: Arguments["state"]): Arguments => ({
  action: "set-backend-state",
  proxy: "lb",
  backend: "web",
  server,
  state,
  waitSeconds: 3,
});
const asked = async (path = "/"): Promise<string> => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
const answers = async (): Promise<string[]> => {
  const all = new Set<string>();
  for (let times = 0; times < 6; times++) all.add(await asked());
  return [...all].sort();
};

describe("taking a server out and putting it back", () => {
  test("drains without breaking a request, and the inverse brings it back", async () => {
    expect(await answers()).toEqual(["a", "b"]);
    const slow = Promise.all([asked("/slow"), asked("/slow")]);
    const order = args("a", "drain");
    const plan = await planned(setBackendState, order, here());
    expect(await answers()).toEqual(["a", "b"]);
    expect(plan.inverse).toMatchObject({ action: "set-backend-state", arguments: { state: "ready" } });
    const done = await setBackendState.run(order, plan, here());
    expect(done, done.summary).toMatchObject({ succeeded: true, result: { after: "drain", sessions: 0 } });
    expect((await slow).sort()).toEqual(["a", "b"]);
    expect(await answers()).toEqual(["b"]);
    expect(await setBackendState.afterInterruption(order, plan, here())).toContain("web/a is drain");

    const back = args("a", "ready");
    const undone = await setBackendState.run(back, await planned(setBackendState, back, here()), here());
    expect(undone.succeeded, undone.summary).toBe(true);
    expect(await answers()).toEqual(["a", "b"]);
  });

  test("out and back is the same state", async () => {
    const order = { proxy: "lb", backend: "web", server: "a", state: "maint" };
    const states = await doneAndUndone("set-backend-state", order, here());
    expect(states.after).toBe(states.before);
    expect(states.between).not.toBe(states.before);
  });

  test("never the last one, whatever the plan said", async () => {
    const stale = await planned(setBackendState, args("b", "maint"), here());
    const first = args("a", "maint");
    expect(
      (await setBackendState.run(first, await planned(setBackendState, first, here()), here())).succeeded,
    ).toBe(true);
    const done = await setBackendState.run(args("b", "maint"), stale, here());
    expect(done.summary).toBe("0 other servers of web take requests, 1 have to");
    expect(await answers()).toEqual(["b"]);
  });

  test("a server that is not there cannot be planned", async () => {
    expect(await setBackendState.preview(args("c", "drain"), here())).toEqual({
      kind: "impossible",
      because: "HAProxy has no server web/c",
    });
  });

  test.each([
    [{ proxy: "lb", backend: "web", server: "a", state: "drain" }, "allow"],
    [{ proxy: "lb", backend: "admin", server: "a", state: "drain" }, "deny"],
    [{ proxy: "lb", backend: "web", server: "a; shutdown sessions", state: "drain" }, "deny"],
    [{ proxy: "lb", backend: "web", server: "a", state: "gone" }, "deny"],
    [{ proxy: "other", backend: "web", server: "a", state: "ready" }, "deny"],
  ])("the policy's word on %j is %s", (order, verdict) => {
    expect(allow(here().policy, "set-backend-state", JSON.stringify(order)).kind).toBe(verdict);
    expect(allow(actionContext({}).context.policy, "set-backend-state", JSON.stringify(order)).kind).toBe(
      "deny",
    );
  });
});
