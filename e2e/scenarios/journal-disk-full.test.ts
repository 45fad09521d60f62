/**
 * The disk of an agent fills, on which its journal lies: what cannot be written down is not begun, and is refused in a
 * clear word; what runs already is told when there is room again; and nothing is done twice.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reaches, request } from "../harness/commands.js";
import type { Operator } from "../harness/operator.js";
import { SlowService } from "../harness/slow-service.js";
import { Stack } from "../harness/stack.js";
import { pause, until } from "../harness/until.js";

const isRoot = process.getuid?.() === 0;
const NODE = "web-1";
const PIECE_BYTES = 4_096;
/** How many orders a node may have in an hour is not what this is about. */
const POLICY = `
limits: { openPerNode: 100, perNodePerHour: 10000 }
rules: [{ name: everything, verdict: allow }]
`;
let stack: Stack;
let operator: Operator;
let service: SlowService;
let disk = "";

// A filesystem of one's own needs root; as another user this story is not told, and the run says so by its name.
describe.runIf(isRoot)("an agent whose disk is full", () => {
  beforeAll(async () => {
    disk = mkdtempSync(join(tmpdir(), "mainstay-agent-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m,mode=0711", "tmpfs", disk]);
    stack = await Stack.start({ policy: POLICY });
    operator = stack.operator();
    service = new SlowService(join(stack.directory, "service"), 3_000);
    stack.atEnd(() => service.stop());
    await service.start();
    const stateDir = join(disk, "state");
    execFileSync("mkdir", ["--mode=0700", stateDir]);
    // Readings come seldom, so that none of them frees or takes room at the wrong moment.
    await stack.startAgent(NODE, {
      stateDir,
      intervalMs: 60_000,
      actions: { ...service.declaration, collectDiagnostics: { enabled: true } },
    });
    await until("the node", async () => (await operator.fleet().getNode({ nodeId: NODE })).node?.actions[0]);
  });
  afterAll(async () => {
    await stack?.stop();
    execFileSync("umount", ["--lazy", disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  const filler = (): string => join(disk, "filler");
  /** All the room that is left, to the last page. */
  const fillUp = (): void => {
    for (const bytes of [1 << 20, 1 << 16, PIECE_BYTES])
      for (;;) {
        try {
          writeFileSync(filler(), Buffer.alloc(bytes), { flag: "a" });
        } catch {
          break;
        }
      }
  };
  const restart = () => request(operator, NODE, "restart-service", { process: "worker" });

  /** The last page of the journal still takes a little: asks until something is refused, and answers why. */
  const untilRefused = (): Promise<string> =>
    until(
      "a refusal",
      async () => {
        const { commandId } = await request(operator, NODE, "collect-diagnostics", {});
        const ended = await reaches(operator, commandId, [
          CommandState.SUCCEEDED,
          CommandState.FAILED,
          CommandState.REFUSED,
        ]);
        return ended.state === CommandState.REFUSED ? ended.because : undefined;
      },
      60_000,
    );

  test("begins nothing that it cannot write down, and says so", async () => {
    const before = service.count("started");
    const { command } = await operator.commands().requestCommand({
      requestId: "held",
      nodeId: NODE,
      action: "restart-service",
      argumentsJson: '{"process":"worker"}',
      hold: true,
      waitMs: 10_000,
    });
    const held = await reaches(operator, command?.commandId ?? "", [CommandState.PLANNED]);
    fillUp();
    expect(await untilRefused()).toMatch(/could not be journalled, so it was not begun/);
    await operator.commands().applyCommand({ commandId: held.commandId, planHash: held.plan?.hash ?? "" });
    const ended = await reaches(operator, held.commandId, [CommandState.REFUSED]);
    expect(ended.because).toMatch(/could not be journalled, so it was not begun/);
    await pause(2_000);
    expect(service.count("stopping") + service.count("started")).toBe(before);
  }, 120_000);

  test("takes orders again when there is room", async () => {
    const before = service.count("started");
    rmSync(filler());
    const ended = await reaches(operator, (await restart()).commandId, [CommandState.SUCCEEDED]);
    expect(ended.summary).toContain("restarted worker");
    expect(service.count("started")).toBe(before + 1);
  }, 60_000);

  test("keeps the result of what ran while it filled, and tells it when there is room", async () => {
    const before = service.count("started");
    const { commandId } = await restart();
    await reaches(operator, commandId, [CommandState.RUNNING]);
    fillUp();
    await until("the service to be started", () => (service.count("started") > before ? true : undefined));
    await pause(2_000);
    fillUp();
    rmSync(filler());
    const ended = await reaches(operator, commandId, [CommandState.SUCCEEDED], 60_000);
    expect(ended.summary).toContain("restarted worker");
    expect(service.count("started")).toBe(before + 1);
    expect((await operator.journal().verifyJournal({})).intact).toBe(true);
  }, 120_000);
});
