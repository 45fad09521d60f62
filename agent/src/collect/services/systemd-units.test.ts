import { expect, test } from "vitest";
import type { RunProgram } from "../ports.js";
import type { FoundService } from "../reading.js";
import { linesOf } from "../testing/read-out.js";
import { parseShow, SystemdUnits } from "./systemd-units.js";

const shown = `Type=notify
Id=nginx.service
ActiveState=active
SubState=running

Id=backup.timer
ActiveState=inactive
SubState=dead
`;

test("units of systemctl show: order of lines is free, a unit without a name is none", () => {
  expect(parseShow(shown)).toEqual([
    { name: "nginx.service", activeState: "active", subState: "running", type: "notify" },
    { name: "backup.timer", activeState: "inactive", subState: "dead", type: "" },
  ]);
  expect(parseShow("")).toEqual([]);
  expect(parseShow("ActiveState=active\n")).toEqual([]);
});

function units(run: RunProgram) {
  const found: (readonly FoundService[])[] = [];
  const said: string[] = [];
  const group = new SystemdUnits(
    { units: ["nginx.service", "backup.timer"], intervalMs: 60_000 },
    { job: "node" },
    run,
    (_, sentence, facts) => said.push(`${sentence}: ${facts["because"]}`),
    (services) => found.push(services),
  );
  return { group, found, said };
}

test("one program for all units, without a shell; one of five states is 1", async () => {
  const asked: (readonly string[])[] = [];
  const { group, found } = units(async (argv) => {
    asked.push(argv);
    return { exitCode: 0, stdout: shown };
  });
  const lines = (await group.read(1)).flatMap(linesOf);
  expect(asked).toEqual([
    [
      "systemctl",
      "show",
      "--no-pager",
      "--property=Id,ActiveState,SubState,Type",
      "--",
      "nginx.service",
      "backup.timer",
    ],
  ]);
  expect(lines).toHaveLength(10);
  expect(lines.filter((line) => line.endsWith(" 1"))).toEqual([
    'node_systemd_unit_state{job="node",name="nginx.service",state="active",type="notify"} 1',
    'node_systemd_unit_state{job="node",name="backup.timer",state="inactive"} 1',
  ]);
  expect(found).toEqual([
    [
      { name: "nginx.service", activeState: "active", subState: "running" },
      { name: "backup.timer", activeState: "inactive", subState: "dead" },
    ],
  ]);
});

test("when systemctl fails the series end and it is said once", async () => {
  let fails = false;
  const { group, said } = units(async () => ({ exitCode: fails ? 1 : 0, stdout: fails ? "" : shown }));
  await group.read(1);
  fails = true;
  expect((await group.read(2)).flatMap(linesOf).every((line) => line.endsWith("stale"))).toBe(true);
  expect(await group.read(3)).toEqual([]);
  expect(said).toEqual(["Services cannot be read: systemctl show ended with 1"]);
});
