import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { freePort } from "../../testing/free-port.js";
import { planned } from "../../testing/planned.js";
import { allow } from "../allow.js";
import { netcheck } from "./netcheck.js";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return (server.address() as AddressInfo).port;
}

const args = (target?: string) => ({ action: "netcheck", target, timeoutMs: 500 }) as const;
const here = (targets: readonly object[]) => actionContext({ netcheck: { targets } });

describe("looking at the way to services", () => {
  test("the plan names the ways, and nobody is asked", async () => {
    let connections = 0;
    const web = await listening(createServer(() => connections++));
    const { context } = here([{ name: "web", host: "127.0.0.1", port: web }]);
    const plan = await planned(netcheck, args(), context);
    expect(plan).toMatchObject({ targets: [{ name: "web", host: "127.0.0.1", port: web }] });
    expect(connections).toBe(0);
  });

  test("reaches what is there, each step timed, and changes nothing", async () => {
    let asked = 0;
    const web = await listening(
      createHttp((request, response) => {
        asked++;
        response.end(request.url);
      }),
    );
    const { context, said } = here([
      { name: "web", host: "localhost", port: web, httpPath: "/health" },
      { name: "plain", host: "127.0.0.1", port: web },
    ]);
    const plan = await planned(netcheck, args(), context);
    expect(plan).toMatchObject({ inverse: "nothing-to-undo", targets: [{ name: "web" }, { name: "plain" }] });
    expect(asked).toBe(0);
    const done = await netcheck.run(args(), plan, context);
    expect(done, done.summary).toMatchObject({
      succeeded: true,
      result: {
        ways: [
          { target: "web", httpStatus: 200, failedAt: null, nameMs: expect.any(Number) },
          { target: "plain", httpStatus: null, connectionMs: expect.any(Number), failedAt: null },
        ],
      },
    });
    expect(asked).toBe(1);
    expect(said).toHaveLength(2);
  });

  test("names the step at which each way ends", async () => {
    const broken = await listening(
      createHttp((_request, response) => {
        response.statusCode = 503;
        response.end();
      }),
    );
    const silent = await listening(createServer(() => undefined));
    const { context } = here([
      { name: "no-name", host: "nobody.invalid", port: 1 },
      { name: "closed", host: "127.0.0.1", port: await freePort() },
      { name: "no-tls", host: "127.0.0.1", port: broken, tls: true },
      { name: "broken", host: "127.0.0.1", port: broken, httpPath: "/" },
      { name: "silent", host: "127.0.0.1", port: silent, httpPath: "/" },
    ]);
    const done = await netcheck.run(args(), await planned(netcheck, args(), context), context);
    expect(done.succeeded).toBe(false);
    expect(done.result["ways"]).toMatchObject([
      { failedAt: "name" },
      { failedAt: "connection", because: expect.stringContaining("ECONNREFUSED") },
      { failedAt: "tls" },
      { failedAt: "http", because: "HTTP status 503" },
      { failedAt: "http", because: "no answer within 500 ms" },
    ]);
    expect(done.summary).toContain("silent (http: no answer within 500 ms)");
  });

  test("looks at one alone when asked to, and at nothing that was declared otherwise since the plan", async () => {
    const port = await listening(createServer(() => undefined));
    const both = [
      { name: "a", host: "127.0.0.1", port },
      { name: "b", host: "127.0.0.1", port: 1 },
    ];
    const { context } = here(both);
    const plan = await planned(netcheck, args("a"), context);
    expect((await netcheck.run(args("a"), plan, context)).succeeded).toBe(true);
    const changed = here([{ name: "a", host: "127.0.0.2", port }]).context;
    expect((await netcheck.run(args("a"), plan, changed)).summary).toContain(
      "others than when it was planned",
    );
  });

  test.each([
    [{ target: "a" }, "allow"],
    [{}, "allow"],
    [{ target: "b" }, "deny"],
    [{ host: "10.0.0.1", port: 22 }, "deny"],
    [{ timeoutMs: 1e9 }, "deny"],
  ])("the policy's word on %j is %s", (asked, verdict) => {
    const { policy } = here([{ name: "a", host: "127.0.0.1", port: 1 }]).context;
    expect(allow(policy, "netcheck", JSON.stringify(asked)).kind).toBe(verdict);
    expect(allow(actionContext({}).context.policy, "netcheck", JSON.stringify(asked)).kind).toBe("deny");
  });
});
