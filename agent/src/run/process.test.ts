import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type ProgramCall, runProgram } from "./process.js";

const home = mkdtempSync(join(tmpdir(), "mainstay-process-"));
afterAll(() => rmSync(home, { recursive: true }));

async function runShell(script: string, more: Partial<ProgramCall> = {}) {
  let out = "";
  const end = await runProgram({
    argv: ["/bin/sh", "-c", script],
    timeoutMs: 10_000,
    output: (_stream, text) => (out += text),
    ...more,
  });
  return { end, out };
}

describe("running a program", () => {
  test.each([
    {
      what: "its exit code",
      script: "echo out; echo err >&2; exit 3",
      end: { kind: "exited", exitCode: 3 },
      out: /out|err/,
    },
    {
      what: "the signal it died of",
      script: "kill -9 $$",
      end: { kind: "killed", signal: "SIGKILL" },
      out: /^$/,
    },
  ])("tells $what", async ({ script, end, out }) => {
    const ran = await runShell(script);
    expect(ran.end).toEqual(end);
    expect(ran.out).toMatch(out);
  });

  test("one that does not exist was not started", async () => {
    const end = await runProgram({
      argv: ["/nonexistent/program"],
      timeoutMs: 1000,
      output: () => undefined,
    });
    expect(end.kind).toBe("not-started");
  });

  test("no shell reads the arguments", async () => {
    let out = "";
    const argv = ["/bin/echo", "$HOME", "`id`", ";", "touch", "/nonexistent"];
    await runProgram({ argv, timeoutMs: 5000, output: (_stream, text) => (out += text) });
    expect(out).toBe("$HOME `id` ; touch /nonexistent\n");
  });

  test("nothing of the agent's environment is inherited", async () => {
    process.env["MAINSTAY_TEST_SECRET"] = "s3cret";
    const { out } = await runShell("env");
    delete process.env["MAINSTAY_TEST_SECRET"];
    expect(out).not.toContain("s3cret");
    expect(out).toContain("LANG=C.UTF-8");
  });

  test("a time-out reaches the whole group, also those who ignore TERM", async () => {
    const pids = join(home, "pids");
    const script = `trap '' TERM; (trap '' TERM; echo $$ >> ${pids}; exec sleep 600) & sleep 600 & echo $! >> ${pids}; wait; sleep 600`;
    const began = performance.now();
    const { end } = await runShell(script, { timeoutMs: 300 });
    expect(end).toEqual({ kind: "stopped", because: "timeout" });
    expect(performance.now() - began).toBeLessThan(9000);
    for (const pid of readFileSync(pids, "utf8").trim().split("\n")) {
      const state = existsSync(`/proc/${pid}`)
        ? readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[2]
        : "gone";
      expect(["gone", "Z"]).toContain(state);
    }
  });

  test("a cancel ends it at once", async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    const { end } = await runShell("sleep 600", { signal: stop.signal });
    expect(end).toEqual({ kind: "stopped", because: "cancelled" });
  });

  test("a child that outlives it and holds its output does not hold the agent", async () => {
    const began = performance.now();
    const { end } = await runShell("(setsid sleep 5 &) ; echo done");
    expect(end).toEqual({ kind: "exited", exitCode: 0 });
    expect(performance.now() - began).toBeLessThan(4000);
  });

  test("characters that are cut between two pieces come whole", async () => {
    writeFileSync(join(home, "utf8"), "ä".repeat(100_001));
    const { out } = await runShell(`cat ${join(home, "utf8")}`);
    expect(out).toBe("ä".repeat(100_001));
  });
});
