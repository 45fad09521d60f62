import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { until } from "../../testing/agent-process.js";
import { planned } from "../../testing/planned.js";
import { allow } from "../allow.js";
import { reloadService } from "./reload-service.js";
import { rotateLogs } from "./rotate-logs.js";

let home = "";
const children: ChildProcess[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mainstay-reload-"));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(home, { recursive: true });
});

/** A daemon that writes its log all the time; `deaf` has a handler and does not open its log anew. */
const daemon = `
  const fs = require("node:fs");
  const [log, kind] = process.argv.slice(1);
  let file = fs.openSync(log, "a");
  let line = 0;
  process.on("SIGUSR1", () => { if (kind !== "deaf") { fs.closeSync(file); file = fs.openSync(log, "a"); } });
  process.on("SIGHUP", () => { if (kind === "fragile") process.exit(1); fs.appendFileSync(log + ".reloads", "x"); });
  setInterval(() => fs.writeSync(file, "line " + line++ + "\\n"), 5);
`;

async function start(kind: "good" | "deaf" | "fragile" | "mute"): Promise<number> {
  const script = kind === "mute" ? "setInterval(() => undefined, 1000)" : daemon;
  // A new file, so that the first line in it says that the daemon has come to its work.
  if (kind !== "mute") rmSync(join(home, "app.log"), { force: true });
  const child = spawn(process.execPath, ["-e", script, join(home, "app.log"), kind], { stdio: "ignore" });
  children.push(child);
  writeFileSync(join(home, "pid"), `${child.pid}\n`);
  if (kind === "mute") {
    writeFileSync(join(home, "app.log"), "old\n");
    await new Promise((resolve) => setTimeout(resolve, 300));
  } else {
    const log = join(home, "app.log");
    await until("the daemon writes", () => existsSync(log) && statSync(log).size > 0);
  }
  return child.pid ?? 0;
}

const here = (more: object = {}) =>
  actionContext({
    rotateLogs: {
      logs: [{ name: "app", path: join(home, "app.log"), pidFile: join(home, "pid"), keep: 2, ...more }],
    },
  });
const log = { action: "rotate-logs", log: "app" } as const;
const lines = (text: string): number[] =>
  text.split("\n").flatMap((line) => (/^line \d+$/.test(line) ? [Number(line.slice(5))] : []));

describe("rotating a log", () => {
  test("loses no line, compresses the old file, keeps as many as declared", async () => {
    const pid = await start("good");
    const { context } = here();
    for (let times = 0; times < 3; times++) {
      const plan = await planned(rotateLogs, log, context);
      expect(plan).toMatchObject({ inverse: "irreversible", writer: { pid } });
      expect((plan["delete"] as unknown[]).length).toBe(Math.max(0, times - 1));
      const done = await rotateLogs.run(log, plan, context);
      expect(done.succeeded, done.summary).toBe(true);
      expect(await rotateLogs.afterInterruption(log, plan, context)).toContain("it was rotated");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const rotated = readdirSync(home).filter((name) => name.endsWith(".gz"));
    expect(rotated.sort()).toHaveLength(2);
    const all = rotated.map((name) => gunzipSync(readFileSync(join(home, name))).toString());
    const seen = lines([...all, readFileSync(join(home, "app.log"), "utf8")].join(""));
    expect(seen.length).toBeGreaterThan(10);
    expect(seen).toEqual(seen.map((_, index) => (seen[0] ?? 0) + index));
  });

  test("one that does not open its log anew gets the old name back", { timeout: 20_000 }, async () => {
    await start("deaf");
    const { context } = here();
    const before = statSync(join(home, "app.log")).ino;
    const done = await rotateLogs.run(log, await planned(rotateLogs, log, context), context);
    expect(done).toMatchObject({
      succeeded: false,
      summary: expect.stringContaining("the old name is back"),
    });
    expect(statSync(join(home, "app.log")).ino).toBe(before);
    expect(readdirSync(home).sort()).toEqual(["app.log", "pid"]);
  });

  test("a process that the signal would end is not asked", async () => {
    await start("mute");
    // Node itself handles SIGUSR1 (it opens its debugger); nobody handles SIGUSR2 here.
    expect(await rotateLogs.preview(log, here({ signal: "SIGUSR2" }).context)).toMatchObject({
      kind: "impossible",
      because: expect.stringContaining("does not handle SIGUSR2"),
    });
  });

  test("does nothing when the file is another one than was planned", async () => {
    await start("good");
    const { context } = here();
    const plan = await planned(rotateLogs, log, context);
    rmSync(join(home, "app.log"));
    writeFileSync(join(home, "other"), "");
    writeFileSync(join(home, "app.log"), "new\n");
    const done = await rotateLogs.run(log, plan, context);
    expect(done.summary).toContain("nothing was done");
    expect(readFileSync(join(home, "app.log"), "utf8")).toBe("new\n");
  });

  test.each([
    [{ log: "app" }, "allow"],
    [{ log: "other" }, "deny"],
    [{ log: "app", path: "/etc/passwd" }, "deny"],
    [{}, "deny"],
  ])("the policy's word on %j is %s", (asked, verdict) => {
    expect(allow(here().context.policy, "rotate-logs", JSON.stringify(asked)).kind).toBe(verdict);
    expect(allow(actionContext({}).context.policy, "rotate-logs", JSON.stringify(asked)).kind).toBe("deny");
  });
});

describe("reloading a declared process", () => {
  const args = { action: "reload-service", unit: undefined, process: "app" } as const;
  const reloadable = (more: object = {}) =>
    actionContext({ reloadService: { processes: [{ name: "app", pidFile: join(home, "pid"), ...more }] } });
  const reloads = (): number =>
    existsSync(join(home, "app.log.reloads")) ? statSync(join(home, "app.log.reloads")).size : 0;

  test("it hears of it once and goes on as the same process", async () => {
    const pid = await start("good");
    const { context } = reloadable({ check: ["/bin/true"] });
    const plan = await planned(reloadService, args, context);
    expect(plan).toMatchObject({ inverse: "nothing-to-undo", before: { pid }, how: ["/bin/true", "SIGHUP"] });
    expect(reloads()).toBe(0);
    const done = await reloadService.run(args, plan, context);
    expect(done, done.summary).toMatchObject({ succeeded: true, result: { after: { pid } } });
    expect(reloads()).toBe(1);
    expect(await reloadService.afterInterruption(args, plan, context)).toContain("the same process");
  });

  test("a bad configuration is not loaded", async () => {
    await start("good");
    const { context } = reloadable({ check: ["/bin/false"] });
    const done = await reloadService.run(args, await planned(reloadService, args, context), context);
    expect(done).toMatchObject({ succeeded: false, summary: expect.stringContaining("was not reloaded") });
    expect(reloads()).toBe(0);
  });

  test("one that ends at its reload is a failure", async () => {
    await start("fragile");
    const { context } = reloadable();
    const done = await reloadService.run(args, await planned(reloadService, args, context), context);
    expect(done).toMatchObject({ succeeded: false, summary: expect.stringContaining("after the reload") });
  });

  test("one that the signal would end is not asked, nor one that is another process now", async () => {
    const pid = await start("mute");
    const { context } = reloadable();
    expect(await reloadService.preview(args, context)).toMatchObject({
      kind: "impossible",
      because: `app, pid ${pid}, does not handle SIGHUP: it would end`,
    });
    await start("good");
    const plan = await planned(reloadService, args, context);
    await start("good");
    expect((await reloadService.run(args, plan, context)).summary).toContain("nothing was done");
    expect(reloads()).toBe(0);
  });
});

describe("reloading a systemd unit", () => {
  const args = { action: "reload-service", unit: "nginx.service", process: undefined } as const;
  function systemd(canReload: string, exitCode = 0) {
    const calls: string[] = [];
    const { context } = actionContext(
      { reloadService: { units: ["nginx.service"] } },
      {
        runProgram: async ({ argv, output }) => {
          calls.push(argv.join(" "));
          if (argv[1] !== "show") return { kind: "exited", exitCode };
          output(
            "stdout",
            `LoadState=loaded\nActiveState=active\nSubState=running\nCanReload=${canReload}\nMainPID=10\nExecMainStartTimestampMonotonic=5\n`,
          );
          return { kind: "exited", exitCode: 0 };
        },
      },
    );
    return { context, calls };
  }

  test("asks systemd once", async () => {
    const { context, calls } = systemd("yes");
    const done = await reloadService.run(args, await planned(reloadService, args, context), context);
    expect(done.succeeded, done.summary).toBe(true);
    expect(calls.filter((call) => !call.includes(" show "))).toEqual([
      "systemctl reload --no-ask-password -- nginx.service",
    ]);
  });

  test("not one that cannot be reloaded, and a refusal of systemd is a failure", async () => {
    expect(await reloadService.preview(args, systemd("no").context)).toMatchObject({
      because: "nginx.service: systemd knows no way to reload it",
    });
    const { context } = systemd("yes", 3);
    const done = await reloadService.run(args, await planned(reloadService, args, context), context);
    expect(done).toMatchObject({ succeeded: false, summary: expect.stringContaining("exit code 3") });
  });

  test.each([
    [{ unit: "nginx.service" }, "allow"],
    [{ unit: "sshd.service" }, "deny"],
    [{ unit: "--force" }, "deny"],
    [{ process: "app" }, "deny"],
    [{}, "deny"],
  ])("the policy's word on %j is %s", (asked, verdict) => {
    expect(allow(systemd("yes").context.policy, "reload-service", JSON.stringify(asked)).kind).toBe(verdict);
    expect(allow(actionContext({}).context.policy, "reload-service", JSON.stringify(asked)).kind).toBe(
      "deny",
    );
  });
});
