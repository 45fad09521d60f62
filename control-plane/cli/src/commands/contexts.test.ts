import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMMANDS } from "../run.js";
import { FakeHouse, fails, HASH } from "../testing/fake-house.js";

let house: FakeHouse;
beforeAll(async () => {
  house = await FakeHouse.open();
});
afterAll(() => house.close());

describe("a context", () => {
  const home = () => ({
    XDG_CONFIG_HOME: join(house.folder, "config"),
    XDG_STATE_HOME: join(house.folder, "own-state"),
  });
  const here = (...args: readonly string[]) => house.typesIn(home(), ...args);
  const changing = [
    ["apply", "c-1", "--plan", HASH],
    ["approve", "c-1", "--plan", HASH, "--reason", "x"],
    ["commands", "approve", "c-1", "--plan", HASH, "--reason", "x"],
    ["reject", "c-1", "--reason", "x"],
    ["cancel", "c-1", "--reason", "x"],
    ["undo", "c-1", "--reason", "x"],
  ] as const;

  test("is read-only until it is armed, and again when that is over", async () => {
    house.clock = 1_000_000;
    house.answerWith(CommandState.APPROVED);
    for (const words of changing) {
      house.answers["applyCommand"] = fails(status.INTERNAL, "it was asked all the same");
      const told = await here(...words);
      expect([words[0], told.code]).toEqual([words[0], 3]);
      expect(told.err).toContain('context "default" is read-only; "mainstay arm 10m" lets it be changed');
    }
    house.answerWith(CommandState.APPROVED);
    expect((await here("arm", "10m")).out).toContain('context "default" may be changed for 10m');
    house.clock += 60_000;
    for (const words of changing) {
      const told = await here(...words);
      expect([words[0], told.code]).toEqual([words[0], 0]);
      expect(told.err).toContain('[armed: context "default" may be changed for 9m more');
    }
    house.clock += 9 * 60_000;
    expect((await here(...changing[0])).code).toBe(3);
  });

  test("refuses the changing verbs of every noun; what only holds back is always at hand", () => {
    const changes =
      /(?:^| )(?:apply|approve|reject|refuse|continue|cancel|undo|put|delete|reset|close|run|resume|abort|steer)$/;
    const open = COMMANDS.filter(
      ({ name, changes: guarded }) => changes.test(name) && (guarded ?? false) === false,
    );
    expect(open.map(({ name }) => name)).toEqual([]);
    expect(COMMANDS.filter(({ name }) => changes.test(name)).length).toBeGreaterThan(15);
    const stops = COMMANDS.filter(({ name }) => name === "brake trip" || name.endsWith(" pause"));
    expect(stops.map(({ changes: guarded }) => guarded ?? false)).toEqual([false, false, false]);
  });

  test("lets a switchover be planned, and not be asked for", async () => {
    const asked = await here("failover", "switchover", "main", "--plan", HASH, "--reason", "x");
    expect([asked.code, asked.err]).toEqual([3, expect.stringContaining("is read-only")]);
    expect((await here("failover", "switchover", "main")).err).not.toContain("is read-only");
  });

  test("lets look and plan at all times", async () => {
    house.answerWith(CommandState.PLANNED);
    expect((await here("plan", "db-1", "netcheck")).code).toBe(0);
    expect((await here("get", "c-1")).code).toBe(0);
  });

  test("is armed for itself and no other, and disarmed", async () => {
    house.clock = 5_000_000;
    house.answerWith(CommandState.APPROVED);
    await here("context", "set", "lab", "--address", house.address);
    await here("context", "set", "open", "--address", house.address, "--writable");
    expect((await here("arm", "5m", "--context", "lab")).code).toBe(0);
    expect((await here(...changing[0])).code).toBe(3);
    expect((await here(...changing[0], "--context", "lab")).code).toBe(0);
    expect(await here(...changing[0], "--context", "open")).toMatchObject({ code: 0 });
    expect((await here("context", "list")).out).toMatch(/lab +127\.0\.0\.1:\d+ +armed for 5m/);
    await here("disarm", "--context", "lab");
    expect((await here(...changing[0], "--context", "lab")).code).toBe(3);
  });

  test("is chosen by name, and one that is not there is said", async () => {
    await here(
      "context",
      "set",
      "nobody",
      "--address",
      "127.0.0.1:1",
      "--token-file",
      join(house.folder, "operator-token"),
    );
    await here("context", "use", "nobody");
    const env = { ...home(), MAINSTAY_ADDRESS: "" };
    expect((await house.typesIn(env, "health")).err).toContain("127.0.0.1:1 cannot be reached");
    expect((await house.typesIn(env, "health", "--context", "none")).err).toContain(
      'there is no context "none", expected one of default, lab',
    );
    await here("context", "remove", "nobody");
    expect((await here("context", "list")).out).not.toContain("nobody");
  });

  test.each([["soon"], ["2h"], ["0"]])("is not armed for %s", async (duration) => {
    expect((await here("arm", duration)).code).toBe(1);
  });
});
