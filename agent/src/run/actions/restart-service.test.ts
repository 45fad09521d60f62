import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseStat } from "../../process-identity.js";
import { actionContext } from "../../testing/action-context.js";
import type { ActionContext } from "../action.js";
import type { ArgumentsOf } from "../command.js";
import type { Plan } from "../plans.js";
import type { ProgramEnd, RunProgram } from "../process.js";
import { restartService } from "./restart-service.js";
import { parseUnitState } from "./restart-unit.js";

type Arguments = ArgumentsOf<"restart-service">;

async function planned(args: Arguments, context: ActionContext): Promise<Plan> {
  const answer = await restartService.preview(args, context);
  if (answer.kind === "impossible") throw new Error(answer.because);
  return answer.plan;
}

describe("restarting a declared process", () => {
  const args: Arguments = { action: "restart-service", unit: undefined, process: "worker" };
  let home = "";
  let pidFile = "";
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "mainstay-restart-"));
    pidFile = join(home, "pid");
  });
  afterEach(() => {
    if (existsSync(pidFile)) {
      try {
        process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
    rmSync(home, { recursive: true });
  });

  const declared = (script: string, more: object = {}) => {
    writeFileSync(join(home, "start.sh"), script);
    return actionContext({
      restartService: {
        processes: [{ name: "worker", pidFile, start: ["/bin/sh", join(home, "start.sh")], ...more }],
      },
    });
  };
  const pid = (): number => Number(readFileSync(pidFile, "utf8"));
  const writesPid = () => `echo $$ > ${pidFile}\nexec sleep 600\n`;

  test("starts one that does not run, and restarts it as another process", async () => {
    const { context } = declared(writesPid());
    const first = await restartService.run(args, await planned(args, context), context);
    expect(first, first.summary).toMatchObject({ succeeded: true, result: { before: null } });
    const before = pid();
    const second = await restartService.run(args, await planned(args, context), context);
    expect(second, second.summary).toMatchObject({ succeeded: true, result: { before: { pid: before } } });
    expect(pid()).not.toBe(before);
    expect(existsSync(`/proc/${pid()}`)).toBe(true);
  });

  test("writes the pid file of a program that writes none", async () => {
    const { context } = declared("exec sleep 600\n");
    const done = await restartService.run(args, await planned(args, context), context);
    expect(done.succeeded, done.summary).toBe(true);
    expect(readFileSync(`/proc/${pid()}/cmdline`, "utf8")).toContain("sleep");
  });

  test("kills one that does not end when asked", { timeout: 40_000 }, async () => {
    const { context, said } = declared(`trap '' TERM\necho $$ > ${pidFile}\nwhile :; do sleep 0.2; done\n`);
    await restartService.run(args, await planned(args, context), context);
    const before = pid();
    const done = await restartService.run(args, await planned(args, context), context);
    expect(done.succeeded, done.summary).toBe(true);
    expect(said.join("\n")).toContain("killing it");
    expect(pid()).not.toBe(before);
  });

  test("says so when it ends at once or cannot be started", async () => {
    const dying = declared("exit 1\n");
    expect(await restartService.run(args, await planned(args, dying.context), dying.context)).toMatchObject({
      succeeded: false,
      summary: expect.stringContaining("ended at once"),
    });
    const missing = declared("", { start: [join(home, "nothing")] });
    expect(
      await restartService.run(args, await planned(args, missing.context), missing.context),
    ).toMatchObject({ succeeded: false, summary: expect.stringContaining("was not started") });
  });

  test("does nothing to a process that is another one than was planned", async () => {
    const { context } = declared(writesPid());
    await restartService.run(args, await planned(args, context), context);
    const plan = await planned(args, context);
    const old = pid();
    process.kill(old, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 100));
    await restartService.run(args, await planned(args, context), context);
    const now = pid();
    const done = await restartService.run(args, plan, context);
    expect(done).toMatchObject({ succeeded: false, summary: expect.stringContaining("nothing was done") });
    expect(existsSync(`/proc/${now}`)).toBe(true);
    expect(await restartService.afterInterruption(args, plan, context)).toContain("started anew");
  });

  test.each(["0", "1", "-5", "", "abc", `${process.pid}abc`])(
    "a pid file that says %j names nobody",
    async (text) => {
      const { context } = declared(writesPid());
      writeFileSync(pidFile, text);
      expect((await planned(args, context))["before"]).toBeNull();
      rmSync(pidFile);
    },
  );
});

describe("restarting a systemd unit", () => {
  const args: Arguments = { action: "restart-service", unit: "nginx.service", process: undefined };
  interface Unit {
    pid: number;
    active: string;
    load: string;
    restart: ProgramEnd;
  }
  function systemd(unit: Unit): { readonly context: ActionContext; readonly calls: string[] } {
    const calls: string[] = [];
    const runProgram: RunProgram = async ({ argv, output }) => {
      calls.push(argv.join(" "));
      if (argv[1] === "show") {
        output(
          "stdout",
          `LoadState=${unit.load}\nActiveState=${unit.active}\nSubState=running\nMainPID=${unit.pid}\nExecMainStartTimestampMonotonic=${unit.pid}00\n`,
        );
        return { kind: "exited", exitCode: 0 };
      }
      if (unit.restart.kind === "exited" && unit.restart.exitCode === 0) unit.pid++;
      return unit.restart;
    };
    return { ...actionContext({ restartService: { units: ["nginx.service"] } }, { runProgram }), calls };
  }
  const healthy = (): Unit => ({
    pid: 10,
    active: "active",
    load: "loaded",
    restart: { kind: "exited", exitCode: 0 },
  });

  test("shows what it was and what it is", async () => {
    const { context, calls } = systemd(healthy());
    const done = await restartService.run(args, await planned(args, context), context);
    expect(done).toMatchObject({
      succeeded: true,
      result: { before: { mainPid: 10 }, after: { mainPid: 11, activeState: "active" } },
    });
    expect(calls.filter((call) => call.includes("restart"))).toEqual([
      "systemctl restart --no-ask-password -- nginx.service",
    ]);
  });

  test("one that systemd does not know cannot be planned", async () => {
    const { context } = systemd({ ...healthy(), load: "not-found" });
    expect(await restartService.preview(args, context)).toMatchObject({
      kind: "impossible",
      because: expect.stringContaining("not-found"),
    });
  });

  test.each<{ what: string; change: (unit: Unit) => void; says: string }>([
    {
      what: "systemctl fails",
      change: (unit) => {
        unit.restart = { kind: "exited", exitCode: 5 };
      },
      says: "exit code 5",
    },
    {
      what: "it takes too long",
      change: (unit) => {
        unit.restart = { kind: "stopped", because: "timeout" };
      },
      says: "stopped (timeout)",
    },
    {
      what: "it is failed afterwards",
      change: (unit) => {
        unit.active = "failed";
      },
      says: "is failed",
    },
    {
      what: "it was started anew since the plan",
      change: (unit) => {
        unit.pid = 99;
      },
      says: "nothing was done",
    },
  ])("a failure when $what", async ({ change, says }) => {
    const unit = healthy();
    const { context } = systemd(unit);
    const plan = await planned(args, context);
    change(unit);
    expect(await restartService.run(args, plan, context)).toMatchObject({
      succeeded: false,
      summary: expect.stringContaining(says),
    });
  });

  test("what systemctl shows is read by name", () => {
    expect(
      parseUnitState("SubState=dead\nMainPID=0\nLoadState=loaded\nActiveState=inactive\nDescription=a=b\n"),
    ).toEqual({
      loadState: "loaded",
      activeState: "inactive",
      subState: "dead",
      canReload: false,
      mainPid: 0,
      startedUs: "",
    });
  });
});

test("a process name with brackets and spaces does not shift what comes after it", () => {
  const fields = ["S", ...Array.from({ length: 18 }, () => "0"), "777", "1"];
  expect(parseStat(5, `5 (a) b (c)) ${fields.join(" ")}`)).toEqual({
    pid: 5,
    startTicks: 777,
    name: "a) b (c)",
  });
  expect(parseStat(5, `5 (z) ${["Z", ...fields.slice(1)].join(" ")}`)).toBeUndefined();
});
