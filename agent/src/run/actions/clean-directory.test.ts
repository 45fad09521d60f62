import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { oldFile } from "../../testing/old-file.js";
import type { ArgumentsOf } from "../command.js";
import type { Plan } from "../plans.js";
import { bytesText, cleanDirectory } from "./clean-directory.js";
import { matchesPattern } from "./name-pattern.js";
import { filesOf } from "./old-files.js";

let home = "";
let root = "";
beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), "mainstay-clean-")));
  root = join(home, "root");
  mkdirSync(root);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

type Arguments = ArgumentsOf<"clean-directory">;
const asked = (more: Partial<Arguments> = {}): Arguments => ({
  action: "clean-directory",
  path: root,
  minAgeSeconds: 3600,
  maxBytes: undefined,
  pattern: undefined,
  ...more,
});
const here = () => actionContext({ cleanDirectory: { roots: [root] } });

async function planned(args = asked()): Promise<Plan> {
  const answer = await cleanDirectory.preview(args, here().context);
  if (answer.kind === "impossible") throw new Error(answer.because);
  return answer.plan;
}
const names = (plan: Plan): string[] => filesOf(plan).map(({ path }) => path);

describe("what a cleaning would delete", () => {
  test("old files in all directories below, the oldest first, with what identifies them", async () => {
    mkdirSync(join(root, "deep/er"), { recursive: true });
    oldFile(join(root, "b"), 20, 8000);
    oldFile(join(root, "deep/er/a"), 10, 9000);
    oldFile(join(root, "young"), 30, 60);
    const plan = await planned();
    expect(plan).toMatchObject({ bytes: 30, leftOut: 0, unreadable: 0, directory: root });
    expect(filesOf(plan)).toMatchObject([
      { path: "deep/er/a", size: 10 },
      { path: "b", size: 20 },
    ]);
  });

  test("the same tree gives the same plan", async () => {
    for (const name of ["x", "y", "z"]) oldFile(join(root, name), 5);
    expect(JSON.stringify(await planned())).toBe(JSON.stringify(await planned()));
  });

  test.each([
    { what: "no directory", make: (at: string) => mkdirSync(at) },
    { what: "no link to a file", make: (at: string) => symlinkSync(join(home, "outside"), at) },
    { what: "no link to a directory", make: (at: string) => symlinkSync(join(home, "outdir"), at) },
    { what: "no pipe", make: (at: string) => execFileSync("mkfifo", [at]) },
  ])("$what", async ({ make }) => {
    oldFile(join(home, "outside"), 10);
    mkdirSync(join(home, "outdir"));
    oldFile(join(home, "outdir/file"), 10);
    make(join(root, "thing"));
    utimesSync(join(root), 1, 1);
    expect(names(await planned())).toEqual([]);
  });

  test("at most so many bytes, and only names that match", async () => {
    oldFile(join(root, "1.log"), 100, 9000);
    oldFile(join(root, "2.log"), 60, 8900);
    oldFile(join(root, "3.log"), 50, 8800);
    oldFile(join(root, "4.txt"), 1, 8700);
    expect(names(await planned(asked({ pattern: "*.log" })))).toEqual(["1.log", "2.log", "3.log"]);
    const bounded = await planned(asked({ maxBytes: 150, pattern: "*.log" }));
    expect(names(bounded)).toEqual(["1.log", "3.log"]);
    expect(bounded).toMatchObject({ bytes: 150, leftOut: 1 });
  });

  test("of more than ten thousand the oldest ten thousand, and it says so", async () => {
    for (let index = 0; index < 10_050; index++) {
      const at = join(root, `f${index}`);
      writeFileSync(at, "");
      utimesSync(at, 1_000_000 + index, 1_000_000 + index);
    }
    const plan = await planned();
    expect(names(plan)).toHaveLength(10_000);
    expect(names(plan)[0]).toBe("f0");
    expect(plan["leftOut"]).toBe(50);
    expect(JSON.stringify(plan).length).toBeLessThan(1_048_576);
  });

  test("a plan with long paths still fits", async () => {
    const long = join(root, "d".repeat(200), "e".repeat(200));
    mkdirSync(long, { recursive: true });
    for (let index = 0; index < 3000; index++) oldFile(join(long, `${"n".repeat(200)}${index}`), 1);
    const plan = await planned();
    expect(JSON.stringify(plan).length).toBeLessThan(1_048_576);
    expect(names(plan).length).toBeLessThan(3000);
    expect(names(plan).length + Number(plan["leftOut"])).toBe(3000);
  });

  test("not below a link that leads out of the root, and not through a root that is gone", async () => {
    mkdirSync(join(home, "outdir"));
    symlinkSync(join(home, "outdir"), join(root, "way"));
    const answer = await cleanDirectory.preview(asked({ path: join(root, "way") }), here().context);
    expect(answer).toMatchObject({ kind: "impossible" });
    expect(await cleanDirectory.preview(asked({ path: join(root, "none") }), here().context)).toMatchObject({
      kind: "impossible",
    });
  });
});

describe("what a cleaning deletes", () => {
  const run = async (plan: Plan, test = here()) => ({
    done: await cleanDirectory.run(asked(), plan, test.context),
    said: test.said,
  });

  test("exactly the plan", async () => {
    mkdirSync(join(root, "d"));
    oldFile(join(root, "d/a"), 10);
    oldFile(join(root, "b"), 20);
    const plan = await planned();
    oldFile(join(root, "new"), 40);
    const { done, said } = await run(plan);
    expect(done).toMatchObject({
      succeeded: true,
      exitCode: 0,
      result: { deleted: 2, bytesFreed: 30, skippedCount: 0 },
    });
    expect(said).toEqual(['deleted "b" 20', 'deleted "d/a" 10']);
    expect(readdirSync(root).sort()).toEqual(["d", "new"]);
  });

  test.each([
    {
      what: "grew",
      change: (at: string) => oldFile(at, 11),
      because: "it was changed since the plan was made",
    },
    {
      what: "was touched",
      change: (at: string) => utimesSync(at, 1, 1),
      because: "it was changed since the plan was made",
    },
    {
      what: "is another file now",
      change: (at: string) => {
        oldFile(`${at}2`, 10);
        renameSync(`${at}2`, at);
      },
      because: "another file has its name now",
    },
    {
      what: "became a link",
      change: (at: string) => {
        unlinkSync(at);
        symlinkSync("/etc/passwd", at);
      },
      because: "it is not a regular file any more",
    },
    { what: "is gone", change: (at: string) => unlinkSync(at), because: "it is gone already" },
  ])("but not a file that $what", async ({ change, because }) => {
    oldFile(join(root, "a"), 10);
    oldFile(join(root, "keep"), 10);
    const plan = await planned();
    change(join(root, "a"));
    const { done } = await run(plan);
    expect(done.result).toMatchObject({ deleted: 1, skippedCount: 1, skipped: [{ path: "a", because }] });
    expect(existsSync(join(root, "keep"))).toBe(false);
  });

  test("and nothing through a directory that was replaced by a link", async () => {
    mkdirSync(join(root, "d"));
    oldFile(join(root, "d/a"), 10);
    const plan = await planned();
    renameSync(join(root, "d"), join(home, "moved"));
    symlinkSync(join(home, "moved"), join(root, "d"));
    const { done } = await run(plan);
    expect(done).toMatchObject({ succeeded: false, result: { deleted: 0, skippedCount: 1 } });
    expect(existsSync(join(home, "moved/a"))).toBe(true);
  });

  test("and nothing by a path that climbs out, should a plan hold one", async () => {
    oldFile(join(home, "outside"), 10);
    oldFile(join(root, "a"), 10);
    const plan = await planned();
    for (const path of ["../outside", "/etc/passwd", "d/../../outside", "", "."]) {
      const forged: Plan = { ...plan, files: [{ ...filesOf(plan)[0], path }] };
      const { done } = await run(forged);
      expect(done.result).toMatchObject({ deleted: 0, skippedCount: 1 });
    }
    expect(existsSync(join(home, "outside"))).toBe(true);
  });

  test("nothing when the directory is another one than was planned", async () => {
    oldFile(join(root, "a"), 10);
    const plan = await planned();
    const { done } = await run({ ...plan, device: Number(plan["device"]) + 1 });
    expect(done).toMatchObject({ succeeded: false });
    expect(existsSync(join(root, "a"))).toBe(true);
  });

  test("a file with a second name frees nothing", async () => {
    oldFile(join(root, "a"), 10);
    linkSync(join(root, "a"), join(home, "second"));
    const { done } = await run(await planned());
    expect(done.result).toMatchObject({ deleted: 1, bytesFreed: 0 });
  });

  test("it stops between two files when it is told to, and says how far it came", async () => {
    for (const name of ["a", "b", "c"]) oldFile(join(root, name), 10);
    const plan = await planned();
    const stopping = here();
    const context = { ...stopping.context, say: () => stopping.stop.abort() };
    const done = await cleanDirectory.run(asked(), plan, context);
    expect(done).toMatchObject({ succeeded: false, result: { deleted: 1, notReached: 2 } });
    expect(await cleanDirectory.afterInterruption(asked(), plan, here().context)).toContain(
      "1 of 3 files of the plan are gone (10 B), 2 remain",
    );
  });

  test("it never leaves the file system it began on", async () => {
    if (process.getuid?.() !== 0) return expect(process.getuid?.()).not.toBe(0);
    const inner = join(root, "mounted");
    mkdirSync(inner);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", inner]);
    try {
      oldFile(join(inner, "other-fs"), 10);
      oldFile(join(root, "a"), 10);
      expect(names(await planned())).toEqual(["a"]);
    } finally {
      execFileSync("umount", [inner]);
    }
  });
});

describe("name patterns", () => {
  test("mean what a slow but plain matcher says", () => {
    const letter = fc.constantFrom("a", "b", ".");
    const pattern = fc
      .array(fc.oneof(letter, fc.constantFrom("*", "?")), { maxLength: 8 })
      .map((parts) => parts.join(""));
    const name = fc.array(letter, { maxLength: 10 }).map((parts) => parts.join(""));
    const plain = (p: string, n: string): boolean => {
      if (p === "") return n === "";
      if (p[0] === "*") return plain(p.slice(1), n) || (n !== "" && plain(p, n.slice(1)));
      return n !== "" && (p[0] === "?" || p[0] === n[0]) && plain(p.slice(1), n.slice(1));
    };
    fc.assert(
      fc.property(pattern, name, (p, n) => matchesPattern(p, n) === plain(p, n)),
      { numRuns: 2000 },
    );
  });

  test("a hostile one is answered at once", () => {
    const began = performance.now();
    expect(matchesPattern(`${"*a".repeat(120)}b`, "a".repeat(255))).toBe(false);
    expect(performance.now() - began).toBeLessThan(100);
  });
});

test.each([
  { bytes: 0, text: "0 B" },
  { bytes: 1023, text: "1023 B" },
  { bytes: 1536, text: "1.5 KiB" },
  { bytes: 5 * 1024 ** 4 * 1024, text: "5120.0 TiB" },
])("$bytes bytes read as $text", ({ bytes, text }) => {
  expect(bytesText(bytes)).toBe(text);
});
