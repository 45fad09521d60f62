import { expect, test } from "vitest";
import { readInfo, readSegmentTime, readVerification } from "./pgbackrest-words.js";

const INFO = JSON.stringify([
  {
    name: "main",
    archive: [
      { database: { id: 1 }, id: "15-1", max: "000000010000000000000003", min: "000000010000000000000001" },
    ],
    backup: [
      {
        archive: { start: "000000010000000000000002", stop: "000000010000000000000002" },
        error: false,
        info: { size: 22_992_591 },
        label: "20261122-185947F",
        timestamp: { start: 1_795_373_987, stop: 1_795_373_989 },
        type: "full",
      },
      { label: "../../etc", timestamp: { start: 1, stop: 2 } },
    ],
    status: { code: 0, message: "ok" },
  },
]);

test("what pgBackRest tells of a stanza", () => {
  expect(readInfo(INFO, "main")).toEqual({
    backups: [
      {
        label: "20261122-185947F",
        type: "full",
        startedAt: 1_795_373_987_000,
        endedAt: 1_795_373_989_000,
        bytes: 22_992_591,
        firstSegment: "000000010000000000000002",
        faulty: false,
      },
    ],
    archive: { id: "15-1", newest: "000000010000000000000003" },
    wrong: "",
  });
});

test("a stanza that it does not know, and an answer that is none", () => {
  expect(() => readInfo("[]", "main")).toThrow('no stanza "main"');
  expect(() => readInfo("ERROR", "main")).toThrow();
});

test("when a segment came into the archive", () => {
  const listed = JSON.stringify({
    "000000010000000000000003.00000028.backup": { type: "file", time: 9 },
    "000000010000000000000003-173ce9d6f82853e3b6e069640768eaba87d685f6.zst": { type: "file", time: 7 },
  });
  expect(readSegmentTime(listed, "000000010000000000000003")).toBe(7_000);
  expect(readSegmentTime(listed, "000000010000000000000004")).toBeUndefined();
});

const WHOLE = `stanza: main
status: ok
  archiveId: 15-1, total WAL checked: 3, total valid WAL: 3
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261122-185947F, status: valid, total files checked: 964, total valid files: 964
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
`;

test.each([
  { when: "all is whole", text: WHOLE, good: true },
  { when: "it said nothing", text: "", good: false },
  { when: "it counted nothing", text: "status: ok", good: false },
  {
    when: "a file's checksum is wrong",
    text: WHOLE.replace("checksum invalid: 0", "checksum invalid: 1"),
    good: false,
  },
  { when: "its status is error", text: WHOLE.replace("status: ok", "status: error"), good: false },
  {
    when: "a file is named, and nothing counted",
    text: `P01 INFO: invalid checksum 'a/b.zst'\n${WHOLE}`,
    good: false,
  },
])("a verification when $when: good is $good", ({ text, good }) => {
  expect(readVerification(text).good).toBe(good);
});

test("what is damaged is named", () => {
  const text = `INFO: invalid checksum '20261122-185947F/pg_data/base/5/1255.zst'\nstatus: error\n checksum invalid: 1`;
  expect(readVerification(text).says).toContain("base/5/1255.zst");
});
