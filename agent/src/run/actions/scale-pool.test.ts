import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { planned } from "../../testing/planned.js";
import { doneAndUndone } from "../../testing/undo.js";
import { allow } from "../allow.js";
import type { RunProgram } from "../process.js";
import { instancesIn } from "./pool-instances.js";
import { scalePool } from "./scale-pool.js";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mainstay-pool-"));
  writeFileSync(
    join(home, "work.sh"),
    `[ -e ${home}/fail-$1 ] && exit 1\necho $$ > ${home}/$1.pid\nexec sleep 600\n`,
  );
});
afterEach(() => {
  for (const name of readdirSync(home).filter((one) => one.endsWith(".pid"))) {
    try {
      process.kill(Number(readFileSync(join(home, name), "utf8")), "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  rmSync(home, { recursive: true });
});

const here = () =>
  actionContext({
    scalePool: {
      pools: [
        {
          name: "workers",
          min: 0,
          max: 4,
          perReplica: 100,
          start: ["/bin/sh", join(home, "work.sh"), "%i"],
          pidFile: join(home, "%i.pid"),
        },
      ],
    },
  });
const to = (replicas: number) =>
  ({ action: "scale-pool", pool: "workers", replicas, load: undefined }) as const;
const running = (): number[] =>
  [1, 2, 3, 4, 5].filter((instance) => {
    const file = join(home, `${instance}.pid`);
    return existsSync(file) && existsSync(`/proc/${readFileSync(file, "utf8").trim()}`);
  });

describe("a pool of declared processes", () => {
  test("grows to what is asked for, keeps who runs, and shrinks from the top", async () => {
    const { context } = here();
    const first = await scalePool.run(to(1), await planned(scalePool, to(1), context), context);
    expect(first.succeeded, first.summary).toBe(true);
    const pid = readFileSync(join(home, "1.pid"), "utf8");
    const plan = await planned(scalePool, to(3), context);
    expect(plan).toMatchObject({ start: [2, 3], stop: [], inverse: { arguments: { replicas: 1 } } });
    expect(running()).toEqual([1]);
    const done = await scalePool.run(to(3), plan, context);
    expect(done, done.summary).toMatchObject({ succeeded: true, result: { before: [1], after: [1, 2, 3] } });
    expect(running()).toEqual([1, 2, 3]);
    expect(await scalePool.afterInterruption(to(3), plan, context)).toContain("runs 3 (1, 2, 3)");
    const down = await scalePool.run(to(2), await planned(scalePool, to(2), context), context);
    expect(down.succeeded, down.summary).toBe(true);
    expect(running()).toEqual([1, 2]);
    expect(readFileSync(join(home, "1.pid"), "utf8")).toBe(pid);
  });

  test("there and back is the same state", async () => {
    const states = await doneAndUndone("scale-pool", { pool: "workers", replicas: 2 }, here().context);
    expect(states.after).toBe(states.before);
    expect(states.between).not.toBe(states.before);
    expect(running()).toEqual([]);
  });

  test("one that does not start takes back what had been started", async () => {
    const { context } = here();
    writeFileSync(join(home, "fail-2"), "");
    const done = await scalePool.run(to(2), await planned(scalePool, to(2), context), context);
    expect(done).toMatchObject({
      succeeded: false,
      summary: expect.stringMatching(/workers 2 .*ended at once; what had been started was stopped again/),
    });
    expect(running()).toEqual([]);
  });

  test("the load says how many, and a pool that changed since is left alone", async () => {
    const { context } = here();
    const order = { ...to(0), replicas: undefined, load: 150 };
    const plan = await planned(scalePool, order, context);
    expect(plan).toMatchObject({ replicas: 2, because: "150 needs 2 at 100 each, 0 run", start: [1, 2] });
    await scalePool.run(to(1), await planned(scalePool, to(1), context), context);
    const stale = await scalePool.run(order, plan, context);
    expect(stale.summary).toContain("not what it ran when it was planned");
    expect(running()).toEqual([1]);
  });

  test.each([
    [{ pool: "workers", replicas: 4 }, "allow"],
    [{ pool: "workers", load: 1000 }, "allow"],
    [{ pool: "workers", replicas: 5 }, "deny"],
    [{ pool: "workers" }, "deny"],
    [{ pool: "workers", replicas: 1, load: 1 }, "deny"],
    [{ pool: "other", replicas: 1 }, "deny"],
    [{ pool: "workers", replicas: "2; reboot" }, "deny"],
  ])("the policy's word on %j is %s", (asked, verdict) => {
    expect(allow(here().context.policy, "scale-pool", JSON.stringify(asked)).kind).toBe(verdict);
    expect(allow(actionContext({}).context.policy, "scale-pool", JSON.stringify(asked)).kind).toBe("deny");
  });
});

describe("a pool of systemd units (systemctl is simulated)", () => {
  function systemd(active: Set<number>, breaks?: number) {
    const calls: string[] = [];
    const runProgram: RunProgram = async ({ argv, output }) => {
      calls.push(argv.join(" "));
      const instance = Number(/@(\d+)\.service/.exec(argv.at(-1) ?? "")?.[1]);
      if (argv[1] === "list-units") {
        const lines = [...active].map((one) => `worker@${one}.service loaded active running Worker ${one}`);
        output("stdout", `${lines.join("\n")}\nworker@main.service loaded active running other\n`);
      } else if (argv[1] === "show") {
        const state = active.has(instance) ? "active" : instance === breaks ? "failed" : "inactive";
        output("stdout", `LoadState=loaded\nActiveState=${state}\nSubState=x\n`);
      } else if (argv[1] === "start" && instance !== breaks) active.add(instance);
      else if (argv[1] === "stop") active.delete(instance);
      return { kind: "exited", exitCode: 0 };
    };
    const policy = { scalePool: { pools: [{ name: "workers", max: 5, unit: "worker@.service" }] } };
    return { ...actionContext(policy, { runProgram }), calls };
  }

  test("numbers that are free are started, and what is stopped is the highest", async () => {
    const active = new Set([1, 3]);
    const { context, calls } = systemd(active);
    const up = await scalePool.run(to(4), await planned(scalePool, to(4), context), context);
    expect(up.succeeded, up.summary).toBe(true);
    expect([...active].sort()).toEqual([1, 2, 3, 4]);
    expect(calls).toContain("systemctl start --no-ask-password -- worker@2.service");
    const down = await scalePool.run(to(1), await planned(scalePool, to(1), context), context);
    expect(down.succeeded, down.summary).toBe(true);
    expect([...active]).toEqual([1]);
  });

  test("a unit that fails at its start is a failure, and nothing new stays", async () => {
    const active = new Set([1]);
    const { context } = systemd(active, 3);
    const done = await scalePool.run(to(3), await planned(scalePool, to(3), context), context);
    expect(done).toMatchObject({ succeeded: false, summary: expect.stringContaining("is failed") });
    expect([...active]).toEqual([1]);
  });

  test("only numbered instances of the very unit are counted", () => {
    expect(
      instancesIn("w@2.service x\nw@10.service\nw@0.service\nw@a.service\nww@3.service\n w@1.service\n", "w"),
    ).toEqual([1, 2, 10]);
  });
});
