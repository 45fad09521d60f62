/** Alertmanager's API as its clients use it, amtool among them, over notification made up in memory. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { permit } from "../access/domain/permit.js";
import { OpsError } from "../kernel/errors.js";
import { systemClock } from "../platform/system.js";
import { alertmanagerEndpoints } from "./alertmanager/alertmanager-api.js";
import {
  CONFIG,
  type MadeUpNotification,
  madeUpNotification,
} from "./alertmanager/testing/made-up-notification.js";
import { caller, openTestDoors, type TestDoors, TOKEN } from "./testing/open-test-doors.js";

const run = promisify(execFile);
const AMTOOL = "/usr/bin/amtool";

let made: MadeUpNotification;
let doors: TestDoors;
let reloads = 0;
const faults: string[] = [];
beforeAll(async () => {
  made = madeUpNotification(systemClock);
  // The rooms stay the same; each test gets alerts and silences of its own.
  const notification = new Proxy(made.notification, {
    get: (_, name) => Reflect.get(made.notification, name),
  });
  doors = await openTestDoors({
    alertmanager: alertmanagerEndpoints({
      notification,
      clock: systemClock,
      version: "0.1.0",
      name: "replica-1",
    }),
    authenticate: async (token) => {
      if (token === TOKEN) return caller(["admin"]);
      if (token === "viewer") return caller(["viewer"]);
      throw new OpsError("UNAUTHENTICATED", "the token is unknown");
    },
    permit,
    reload: async () => {
      reloads++;
      return faults;
    },
  });
});
afterAll(() => doors.close());
beforeEach(() => {
  made = madeUpNotification(systemClock);
});

async function ask(
  path: string,
  init: RequestInit = {},
  token = TOKEN,
): Promise<{ status: number; body: unknown }> {
  const headers = { authorization: `Bearer ${token}`, ...init.headers };
  const answer = await fetch(`${doors.rest}${path}`, { ...init, headers });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? "" : JSON.parse(text) };
}

const post = (path: string, body: unknown, token = TOKEN) =>
  ask(
    path,
    { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
    token,
  );

const inMinutes = (minutes: number): string => new Date(systemClock.now() + minutes * 60_000).toISOString();

const silence = (change: object = {}) => ({
  matchers: [{ name: "alertname", value: "DiskFull", isRegex: false }],
  startsAt: inMinutes(0),
  endsAt: inMinutes(60),
  createdBy: "me",
  comment: "work",
  ...change,
});

const DISK = { alertname: "DiskFull", team: "database" };

describe("alerts", () => {
  test("as Prometheus posts them, and as they are read", async () => {
    const body = [
      {
        labels: DISK,
        annotations: { summary: "full" },
        startsAt: "2026-01-02T03:04:05.678Z",
        endsAt: "0001-01-01T00:00:00Z",
        generatorURL: "http://p/graph",
      },
      { labels: { alertname: "Other" } },
    ];
    expect(await post("/api/v2/alerts", body)).toEqual({ status: 200, body: "" });
    expect(made.posted).toEqual([
      {
        labels: DISK,
        annotations: { summary: "full" },
        startsAt: 1_767_323_045_678,
        endsAt: undefined,
        generatorUrl: "http://p/graph",
      },
      {
        labels: { alertname: "Other" },
        annotations: {},
        startsAt: undefined,
        endsAt: undefined,
        generatorUrl: "",
      },
    ]);
    const { status, body: alerts } = await ask("/alertmanager/api/v2/alerts?filter=team%3Ddatabase");
    expect(status).toBe(200);
    expect(alerts).toEqual([
      {
        labels: DISK,
        annotations: { summary: "full" },
        startsAt: "2026-01-02T03:04:05.678Z",
        endsAt: expect.stringMatching(/Z$/),
        updatedAt: expect.stringMatching(/Z$/),
        generatorURL: "http://p/graph",
        fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
        receivers: [{ name: "database" }],
        status: { state: "active", silencedBy: [], inhibitedBy: [], mutedBy: [] },
      },
    ]);
  });

  test.each([
    {
      query: "",
      filter: { active: true, silenced: true, inhibited: true, unprocessed: true, muted: true, matchers: [] },
    },
    {
      query: "?active=false&silenced=0&inhibited=no",
      filter: { active: false, silenced: false, inhibited: false },
    },
    { query: "?receiver=data.*", filter: { receiver: "data.*" } },
    {
      query: `?filter=${encodeURIComponent('a=~"b|c"')}&filter=${encodeURIComponent("d!=e")}`,
      filter: {
        matchers: [
          { name: "a", op: "=~", value: "b|c" },
          { name: "d", op: "!=", value: "e" },
        ],
      },
    },
  ])("asked for with $query", async ({ query, filter }) => {
    expect((await ask(`/api/v2/alerts${query}`)).status).toBe(200);
    expect((await ask(`/api/v2/alerts/groups${query}`)).status).toBe(200);
    expect(made.asked).toEqual([expect.objectContaining(filter), expect.objectContaining(filter)]);
  });

  test("in groups", async () => {
    await post("/api/v2/alerts", [{ labels: DISK }, { labels: { alertname: "Other" } }]);
    expect((await ask("/api/v2/alerts/groups")).body).toMatchObject([
      { labels: { alertname: "DiskFull" }, receiver: { name: "people" }, alerts: [{ labels: DISK }] },
      { labels: { alertname: "Other" } },
    ]);
  });

  test.each([
    { what: "no list", body: {}, status: 422, says: "alerts in body" },
    { what: "no labels", body: [{}], status: 422, says: "0.labels in body is required" },
    {
      what: "a time that is none",
      body: [{ labels: DISK, startsAt: "now" }],
      status: 422,
      says: '0.startsAt in body must be of type date-time: "now"',
    },
    {
      what: "a label that is no text",
      body: [{ labels: { a: 1 } }],
      status: 422,
      says: "0.labels.a in body",
    },
  ])("$what is $status", async ({ body, status, says }) => {
    const answer = await post("/api/v2/alerts", body);
    expect(answer).toEqual({ status, body: { code: 602, message: expect.stringContaining(says) } });
  });

  test("the good of a list are stored, the bad are told", async () => {
    expect(await post("/api/v2/alerts", [{ labels: {} }, { labels: DISK }])).toEqual({
      status: 400,
      body: "at least one label pair required",
    });
    expect(made.posted).toHaveLength(1);
  });
});

describe("silences", () => {
  test("are made, read, changed and ended", async () => {
    const made1 = await post("/api/v2/silences", silence());
    expect(made1).toEqual({ status: 200, body: { silenceID: expect.stringMatching(/^[0-9a-f-]{36}$/) } });
    const { silenceID: id } = made1.body as { silenceID: string };
    expect(await ask(`/api/v2/silence/${id}`)).toMatchObject({
      status: 200,
      body: {
        id,
        status: { state: "active" },
        createdBy: "me",
        comment: "work",
        matchers: [{ name: "alertname", value: "DiskFull", isRegex: false, isEqual: true }],
      },
    });
    const { startsAt } = (await ask(`/api/v2/silence/${id}`)).body as { startsAt: string };
    expect(await post("/api/v2/silences", silence({ id, startsAt, comment: "longer" }))).toEqual({
      status: 200,
      body: { silenceID: id },
    });
    await post("/api/v2/alerts", [{ labels: DISK }]);
    expect((await ask("/api/v2/alerts")).body).toMatchObject([
      { status: { state: "suppressed", silencedBy: [id] } },
    ]);
    expect((await ask("/api/v2/alerts?silenced=false")).body).toEqual([]);
    expect(await ask(`/api/v2/silence/${id}`, { method: "DELETE" })).toEqual({ status: 200, body: "" });
    expect((await ask("/api/v2/silences?filter=alertname%3DDiskFull")).body).toMatchObject([
      { id, status: { state: "expired" }, comment: "longer" },
    ]);
    expect((await ask("/api/v2/silences?filter=alertname%3DOther")).body).toEqual([]);
    expect(made.by).toEqual(["tester", "tester", "tester"]);
  });

  test.each([
    { what: "no matchers", change: { matchers: [] }, status: 422, says: "should have at least 1 items" },
    { what: "no comment", change: { comment: undefined }, status: 422, says: "comment in body is required" },
    {
      what: "an end before its start",
      change: { endsAt: inMinutes(-5) },
      status: 400,
      says: "end time must not be before start time",
    },
    {
      what: "everything silenced",
      change: { matchers: [{ name: "a", value: ".*", isRegex: true }] },
      status: 400,
      says: "must not match the empty string",
    },
    {
      what: "no time",
      change: { endsAt: "0001-01-01T00:00:00.000Z" },
      status: 400,
      says: "invalid zero end timestamp",
    },
    {
      what: "a bad expression",
      change: { matchers: [{ name: "a", value: "(", isRegex: true }] },
      status: 400,
      says: "invalid label matcher",
    },
    {
      what: "an unknown one changed",
      change: { id: "00000000-0000-4000-8000-00000000ffff" },
      status: 404,
      says: "there is none of this id",
    },
  ])("$what is $status", async ({ change, status, says }) => {
    const answer = await post("/api/v2/silences", silence(change));
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain(says);
  });

  test("one that is not there is 404, what is no id 422", async () => {
    const none = "/api/v2/silence/00000000-0000-4000-8000-00000000ffff";
    expect(await ask(none)).toEqual({ status: 404, body: "" });
    expect((await ask(none, { method: "DELETE" })).status).toBe(404);
    expect(await ask("/api/v2/silence/x")).toMatchObject({ status: 422, body: { code: 601 } });
  });
});

describe("the rest", () => {
  test("status tells the configuration, as amtool reads it before anything else", async () => {
    expect((await ask("/api/v2/status")).body).toEqual({
      cluster: { name: "replica-1", peers: [], status: "ready" },
      config: { original: CONFIG },
      uptime: expect.stringMatching(/Z$/),
      versionInfo: expect.objectContaining({
        version: expect.stringMatching(/^0\.\d+\.\d+$/),
        revision: "mainstay-0.1.0",
      }),
    });
    expect((await ask("/api/v2/receivers")).body).toEqual([{ name: "people" }, { name: "database" }]);
  });

  test("errors are a sentence", async () => {
    expect(await ask("/api/v2/alerts?filter=x")).toEqual({
      status: 400,
      body: expect.stringContaining("bad matcher format: x"),
    });
    expect(await ask("/api/v2/nothing")).toEqual({ status: 404, body: "404 page not found" });
    expect(await ask("/api/v2/status", { method: "DELETE" })).toMatchObject({
      status: 405,
      body: { code: 405 },
    });
    const broken = { method: "POST", headers: { "content-type": "application/json" }, body: "[{" };
    expect(await ask("/api/v2/alerts", broken)).toEqual({ status: 400, body: expect.stringMatching(/JSON/) });
  });

  test("a viewer reads, and changes nothing; nobody does nothing", async () => {
    expect((await ask("/api/v2/silences", {}, "viewer")).status).toBe(200);
    expect(await post("/api/v2/silences", silence(), "viewer")).toEqual({
      status: 403,
      body: expect.stringContaining("needs role operator or admin"),
    });
    expect((await post("/api/v2/alerts", [], "viewer")).status).toBe(403);
    expect((await ask("/api/v2/silences", {}, "stranger")).status).toBe(401);
    expect((await ask("/-/reload", { method: "POST" }, "viewer")).status).toBe(403);
    const foreign = {
      method: "POST",
      headers: { "content-type": "application/json", "sec-fetch-site": "cross-site" },
      body: "[]",
    };
    expect((await ask("/api/v2/alerts", foreign)).status).toBe(403);
  });

  test("healthy, ready, and read again", async () => {
    const told = async (path: string, method = "GET") => {
      const answer = await fetch(`${doors.rest}${path}`, {
        method,
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      return [answer.status, await answer.text()];
    };
    expect(await told("/alertmanager/-/healthy")).toEqual([200, "OK"]);
    expect(await told("/alertmanager/-/ready", "HEAD")).toEqual([200, ""]);
    expect(await told("/-/healthy", "HEAD")).toEqual([200, ""]);
    expect(await told("/-/reload", "POST")).toEqual([200, ""]);
    faults.push("rules.yml:3: no");
    expect(await told("/alertmanager/-/reload", "POST")).toEqual([
      500,
      "failed to reload config: rules.yml:3: no\n",
    ]);
    faults.length = 0;
    expect(reloads).toBe(2);
  });
});

describe.runIf(existsSync(AMTOOL))("amtool", () => {
  const amtool = async (...args: string[]): Promise<string> => {
    const url = `${doors.rest.replace("://", `://amtool:${TOKEN}@`)}/alertmanager`;
    const done = await run(AMTOOL, [`--alertmanager.url=${url}`, "--no-version-check", ...args]);
    return done.stdout.trim();
  };

  test("adds and queries alerts", async () => {
    await amtool("alert", "add", "DiskFull", "team=database", "--annotation=summary=full");
    expect(await amtool("alert", "query", "-o", "simple")).toMatch(/DiskFull\s+\S+ \S+ UTC\s+full\s+active/);
    expect(await amtool("alert", "query", "team=~data.*", "-o", "extended")).toContain('team="database"');
    const json: unknown = JSON.parse(await amtool("-o", "json", "alert", "query", "alertname=DiskFull"));
    expect(json).toMatchObject([{ labels: DISK, receivers: [{ name: "database" }] }]);
    expect(await amtool("alert", "query", "alertname=Other")).not.toContain("DiskFull");
  });

  test("adds, queries, updates, imports and expires silences", async () => {
    const id = await amtool(
      "silence",
      "add",
      "alertname=DiskFull",
      "--comment=work",
      "--author=me",
      "--duration=1h",
    );
    expect(await amtool("silence", "query")).toContain(id);
    expect(await amtool("silence", "update", id, "--duration=2h", "--comment=longer")).toContain("longer");
    const before = await amtool("-o", "json", "silence", "query");
    expect(JSON.parse(before)).toMatchObject([{ id, comment: "longer", status: { state: "active" } }]);
    const directory = await mkdtemp(join(tmpdir(), "mainstay-amtool-"));
    try {
      const file = join(directory, "silences.json");
      await writeFile(file, before.replaceAll(id, "").replace("longer", "imported"));
      await amtool("silence", "import", file);
    } finally {
      await rm(directory, { recursive: true });
    }
    expect(await amtool("silence", "query")).toContain("imported");
    expect(await amtool("silence", "expire", id)).toBe("");
    expect(await amtool("silence", "query", "--expired")).toContain(id);
    expect(await amtool("silence", "query")).not.toContain(id);
  });

  test("shows configuration, routes and cluster", async () => {
    expect(await amtool("config", "show")).toContain("receiver: people");
    expect(await amtool("config", "routes", "show")).toContain('{team="database"}  receiver: database');
    expect(await amtool("config", "routes", "test", "team=database")).toBe("database");
    expect(await amtool("config", "routes", "test", "--verify.receivers=people", "team=x")).toBe("people");
    expect(await amtool("cluster", "show")).toMatch(/Cluster Status:\s+ready\s+Node Name:\s+replica-1/);
  });
});
