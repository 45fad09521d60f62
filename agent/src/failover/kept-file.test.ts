import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseControlData } from "./executor/control-data.js";
import { lsnText, parseLsn } from "./executor/lsn.js";
import { waitForText } from "./executor/server-files.js";
import { KeptFile } from "./kept-file.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mainstay-kept-"));
});
afterEach(() => rmSync(directory, { recursive: true }));
const opened = () => new KeptFile(directory, "main", "db-1", "db-1");

test("what was kept is there at the next start, which has a higher number", () => {
  const first = opened();
  expect(first.first).toMatchObject({ promised: 1, role: "primary" });
  const kept = { ...first.first, promised: 7, holders: [{ version: 2, members: ["db-2"], required: 1 }] };
  first.write(kept);
  const second = opened();
  expect(second.first).toEqual(kept);
  expect(second.boot).toBe(first.boot + 1);
});

test.each([
  "",
  "{",
  "{}",
  '{"cluster":"other","boot":1,"kept":{}}',
  '{"cluster":"main","boot":1,"kept":{"promised":-1}}',
])("a node that cannot read what it promised does not begin anew: %j", (text) => {
  writeFileSync(join(directory, "kept.json"), text);
  expect(opened).toThrow("must not vote");
});

test("positions of the log are bytes", () => {
  for (const text of ["0/0", "0/16B3748", "16/B374D848"]) expect(lsnText(parseLsn(text) ?? -1)).toBe(text);
  for (const text of ["", "0", "0/", "x/1", "100000000/0", null, undefined])
    expect(parseLsn(text)).toBeUndefined();
});

test("a control file tells what is surely there", () => {
  const read = parseControlData(
    [
      "Database cluster state:               in archive recovery",
      "Latest checkpoint location:           0/2000060",
      "Latest checkpoint's REDO WAL file:    000000010000000000000002",
      "Latest checkpoint's TimeLineID:       1",
      "Minimum recovery ending location:     0/3000148",
      "Min recovery ending loc's timeline:   2",
    ].join("\n"),
  );
  expect(read).toEqual({
    state: "in archive recovery",
    timeline: 2,
    lsn: 0x3000148,
    redoFile: "000000010000000000000002",
  });
  expect(parseControlData("pg_controldata: error")).toBeUndefined();
});

test("commits wait for the replicas, or for the gate", () => {
  const holders = { version: 3, members: ["db-2", "db-3"], required: 1 };
  expect(waitForText("synchronous", holders)).toBe('ANY 1 ("db-2", "db-3")');
  expect(waitForText("asynchronous", holders)).toBe('FIRST 1 ("mainstay_gate")');
  for (const mode of ["synchronous", "asynchronous"] as const) {
    expect(waitForText(mode, { version: 4, members: [], required: 0 })).toBe("");
  }
});
