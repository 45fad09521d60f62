import { describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
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
