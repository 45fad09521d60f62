/** Programs that outlive the agent; systemd is simulated, the processes are real. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { realSystem } from "../system.js";
import { actionContext } from "../testing/action-context.js";
import { until } from "../testing/agent-process.js";
import { SimulatedSystemd } from "../testing/simulated-systemd.js";
import { type Actions, allActions } from "./actions.js";
import type { VerifiedOrder } from "./command.js";
import { Journal } from "./journal.js";
import { PlanStore } from "./plans.js";
import type { RunProgram } from "./process.js";
import { Runner } from "./runner.js";
import { inOwnScope, readState, TransientUnits } from "./transient-unit.js";

let home = "";
let systemd: SimulatedSystemd;
const units = () => new TransientUnits(systemd.run, join(home, "units"), realSystem);
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mainstay-units-"));
  systemd = new SimulatedSystemd();
});
afterEach(async () => {
  await systemd.end();
  rmSync(home, { recursive: true });
});

/** A life of the agent that hears nothing more once it is over, as one that was killed. */
function mortal(): { readonly units: TransientUnits; readonly die: () => void } {
  let dead = false;
  const silence = new Promise<never>(() => undefined);
  const run: RunProgram = async (call) => {
    const end = dead ? await silence : await systemd.run(call);
    return dead ? silence : end;
  };
  return {
    units: new TransientUnits(run, join(home, "units"), realSystem),
    die: () => {
      dead = true;
    },
  };
}

const shell = (script: string, more: object = {}) => {
  const said: string[] = [];
  const call = {
    argv: ["/bin/sh", "-c", script],
    timeoutMs: 20_000,
    output: (stream: string, text: string) => said.push(`${stream} ${text}`),
    ...more,
  };
  return { call, said };
};

describe("a program in a unit of its own", () => {
  test("is told to its end, with its output, and nothing is left of it", async () => {
    const { call, said } = shell("echo one; echo two >&2; exit 3");
    expect(await units().programsOf("c1")(call)).toEqual({ kind: "exited", exitCode: 3 });
    // Two files are followed, so which of them is heard first is nobody's promise.
    expect(said.toSorted()).toEqual(["stderr two\n", "stdout one\n"]);
    expect(systemd.units.size).toBe(0);
    expect(readdirSync(join(home, "units"))).toEqual([]);
  });

  test("is bounded and asked for with its whole control group; no word of it is a variable to systemd", async () => {
    const running = units().programsOf("c1")(shell("echo $HOME $X; sleep 60", { timeoutMs: 4_200 }).call);
    await until("it runs", () => systemd.units.size > 0);
    const unit = systemd.units.get("mainstay-act-c1-1.service");
    expect(Object.fromEntries(unit?.properties ?? [])).toMatchObject({
      KillMode: "control-group",
      RuntimeMaxSec: "5",
      RemainAfterExit: "yes",
      UMask: "0077",
    });
    expect(systemd.started).toEqual([["/bin/sh", "-c", "echo $HOME $X; sleep 60"]]);
    expect(await running).toEqual({ kind: "stopped", because: "timeout" });
  });

  test("a cancellation stops it", async () => {
    const stop = new AbortController();
    const running = units().programsOf("c1")(shell("sleep 60", { signal: stop.signal }).call);
    await until("it runs", () => systemd.units.size > 0);
    const pid = systemd.units.get("mainstay-act-c1-1.service")?.child.pid;
    stop.abort();
    expect(await running).toEqual({ kind: "stopped", because: "cancelled" });
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  test("another life finds it by the command, and gets all of its output and its end", async () => {
    const gate = join(home, "gate");
    const first = shell(`echo before; while [ ! -e ${gate} ]; do sleep 0.05; done; echo after; exit 4`);
    const earlier = mortal();
    void earlier.units.programsOf("c1")(first.call);
    await until("it speaks", () => first.said.length > 0);
    earlier.die();
    const later = units();
    expect(await later.find("c2")).toBeUndefined();
    expect(await later.find("c")).toBeUndefined();
    const unit = await later.find("c1");
    expect(unit).toBe("mainstay-act-c1-1.service");
    writeFileSync(gate, "");
    const { call, said } = shell("");
    expect(await later.follow(unit ?? "", call)).toMatchObject({ kind: "exited", exitCode: 4 });
    expect(said.join("")).toContain("before");
    expect(said.join("")).toContain("after");
  });

  test("what systemd does not start is said", async () => {
    const refusing = new TransientUnits(
      async () => ({ kind: "exited", exitCode: 1 }),
      join(home, "units"),
      realSystem,
    );
    expect(await refusing.programsOf("c1")(shell("true").call)).toMatchObject({
      kind: "not-started",
      because: expect.stringContaining("systemd-run: exit code 1"),
    });
  });
});

describe("a command whose agent died", () => {
  const order: VerifiedOrder = {
    commandId: "c1",
    nodeId: "n",
    action: "renew-certificate",
    argumentsJson: '{"certificate":"web"}',
    mode: "run",
    generation: 1n,
    planHash: "",
    issuedAt: 0,
    expiresAt: Date.now() + 60_000,
    timeoutMs: 30_000,
    outputBytesMax: 65_536,
    traceparent: "",
  };
  const { policy } = actionContext({
    renewCertificate: {
      certificates: [{ name: "web", certFile: "/c", keyFile: "/k", renew: ["/bin/true"], keepIn: "/k" }],
    },
  }).context;
  const actions: Actions = {
    ...allActions,
    "renew-certificate": {
      ...allActions["renew-certificate"],
      adopt: async (_args, _plan, context, end) => {
        context.say("the rest is done");
        return { succeeded: true, exitCode: 0, summary: JSON.stringify(end), result: {} };
      },
      afterInterruption: async () => "nothing is known",
    },
  };

  async function recovered(withUnits: boolean): Promise<Journal> {
    const plans = new PlanStore(join(home, "plans"));
    const planHash = plans.save({ action: "renew-certificate", arguments: { certificate: "web" } });
    const log = (): void => undefined;
    const journal = await Journal.open(join(home, "journal"), realSystem, log, () => undefined);
    await journal.begin({ ...order, planHash }, { kind: "accepted" });
    await journal.append("c1", "run", { kind: "started" });
    const runner = new Runner({
      system: realSystem,
      log,
      journal,
      plans,
      policy,
      actions,
      units: withUnits ? units() : undefined,
      orderKeys: () => [],
      nodeId: () => "n",
      clockOffsetMs: () => 0,
    });
    await runner.recover();
    await until("it has ended", () => journal.unfinished().length === 0);
    return journal;
  }
  const lastOf = (journal: Journal) => journal.find("c1", "run")?.events.at(-1)?.body;

  test("its program lives on: it is followed, the rest is done once, and the command succeeds", async () => {
    const earlier = mortal();
    void earlier.units.programsOf("c1")(shell("sleep 0.3; echo renewed").call);
    await until("it runs", () => systemd.units.size > 0);
    earlier.die();
    const journal = await recovered(true);
    expect(lastOf(journal)).toMatchObject({ kind: "finished", outcome: "succeeded" });
    const output = journal
      .find("c1", "run")
      ?.events.flatMap(({ body }) =>
        body.kind === "output" ? [Buffer.from(body.data, "base64").toString()] : [],
      )
      .join("");
    expect(output).toContain("renewed");
    expect(output).toContain("the rest is done");
    expect(systemd.started).toHaveLength(1);
    await journal.close();
  });

  test.each([true, false])("nothing lives on (systemd: %s): it is interrupted", async (withUnits) => {
    const journal = await recovered(withUnits);
    expect(lastOf(journal)).toMatchObject({
      kind: "interrupted",
      detail: expect.stringContaining("nothing is known"),
    });
    expect(systemd.started).toEqual([]);
    await journal.close();
  });
});

test.each([
  ["LoadState=not-found\nActiveState=inactive", { kind: "absent" }],
  ["LoadState=loaded\nActiveState=activating\nSubState=start", { kind: "running" }],
  [
    "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=timeout\nExecMainCode=2\nExecMainStatus=15",
    { kind: "ended", end: { kind: "stopped", because: "timeout" } },
  ],
  [
    "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=signal\nExecMainCode=2\nExecMainStatus=9",
    { kind: "ended", end: { kind: "killed", signal: "signal 9" } },
  ],
])("what systemctl shows is read: %#", (text, state) => {
  expect(readState(text)).toEqual(state);
});

test("what outlives the agent is started in a scope of its own, word by word", () => {
  expect(inOwnScope(["/usr/bin/worker", "$HOME;"]).slice(-3)).toEqual(["--", "/usr/bin/worker", "$HOME;"]);
});
