import { describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { allow } from "../allow.js";
import type { RunProgram } from "../process.js";
import { collectDiagnostics } from "./collect-diagnostics.js";

const args = { action: "collect-diagnostics" } as const;

describe("collecting diagnostics", () => {
  test("reads this machine, bounded, and says what it could not read", async () => {
    const { context, said } = actionContext({ collectDiagnostics: { enabled: true } });
    const previewed = await collectDiagnostics.preview(args, context);
    if (previewed.kind === "impossible") throw new Error(previewed.because);
    const done = await collectDiagnostics.run(args, previewed.plan, context);
    expect(done.succeeded).toBe(true);
    const { sections } = done.result;
    expect(sections).toMatchObject({
      memory: expect.stringContaining("MemAvailable"),
      "top processes": expect.stringMatching(/\d+ processes; the largest:\n\d+ /),
      "file systems": expect.stringMatching(/% used/),
    });
    expect(JSON.stringify(done.result).length).toBeLessThan(100_000);
    expect(said.join("\n")).toContain("== mounts ==");
  });

  test("the plan says what is read and reads nothing", async () => {
    const runProgram: RunProgram = async () => {
      throw new Error("a preview runs nothing");
    };
    const { context, said } = actionContext({ collectDiagnostics: { enabled: true } }, { runProgram });
    expect(await collectDiagnostics.preview(args, context)).toMatchObject({
      plan: { sections: expect.arrayContaining(["memory", "mounts"]), inverse: "nothing-to-undo" },
    });
    expect(said).toEqual([]);
  });

  test("is refused where it is not enabled", () => {
    expect(allow(actionContext({}).context.policy, "collect-diagnostics", "{}")).toMatchObject({
      kind: "deny",
      because: "not-allowed-here",
    });
  });

  test("a program that fails costs its own part only", async () => {
    const runProgram: RunProgram = async () => ({ kind: "not-started", because: "no such program" });
    const { context } = actionContext({}, { runProgram });
    const done = await collectDiagnostics.run(
      args,
      { action: "collect-diagnostics", arguments: {} },
      context,
    );
    expect(done.succeeded).toBe(true);
    expect(done.result["failed"]).toContain("kernel messages");
  });
});
