import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { realSystem } from "../system.js";
import type { EventBody, VerifiedOrder } from "./command.js";
import { Journal } from "./journal.js";
import { encodeLine, JournalFile } from "./journal-file.js";

const home = mkdtempSync(join(tmpdir(), "mainstay-journal-"));
afterAll(() => rmSync(home, { recursive: true }));
let files = 0;
const newPath = (): string => join(home, `j${++files}`);

const order = (commandId: string, more: Partial<VerifiedOrder> = {}): VerifiedOrder => ({
  commandId,
  nodeId: "n",
  action: "a",
  argumentsJson: "{}",
  mode: "run",
  generation: 1n,
  planHash: "",
  issuedAt: 0,
  expiresAt: Date.now() + 60_000,
  timeoutMs: 1000,
  outputBytesMax: 1000,
  traceparent: "",
  ...more,
});
const output: EventBody = { kind: "output", stream: "stdout", offset: 0, data: "eA==", skippedBytes: 0 };
const finished: EventBody = {
  kind: "finished",
  outcome: "succeeded",
  exitCode: 0,
  summary: "s",
  resultJson: "{}",
  planHash: "",
};

const open = (path: string, lines: string[] = []): Promise<Journal> =>
  Journal.open(
    path,
    realSystem,
    (level, sentence) => lines.push(`${level} ${sentence}`),
    () => undefined,
  );

/** Takes everything that is to be sent now. */
function drain(journal: Journal): string[] {
  const sent: string[] = [];
  for (let event = journal.next(); event !== undefined; event = journal.next()) {
    sent.push(
      `${event.commandId}:${event.sequence}:${event.event.case}${event.repeatedAnswer ? ":again" : ""}`,
    );
  }
  return sent;
}
const acknowledge = (journal: Journal, commandId: string, through: number): void =>
  journal.acknowledge([{ commandId, mode: 2, through }]);

describe("the journal", () => {
  test("events go out once a stream, again on the next until acknowledged, and numbers go on after that", async () => {
    const journal = await open(newPath());
    await journal.begin(order("c"), { kind: "accepted" });
    await journal.append("c", "run", { kind: "started" });
    await journal.append("c", "run", output);
    expect(drain(journal)).toEqual(["c:1:accepted", "c:2:started", "c:3:output"]);
    expect(drain(journal)).toEqual([]);
    acknowledge(journal, "c", 1);
    journal.rewind();
    expect(drain(journal)).toEqual(["c:2:started", "c:3:output"]);
    acknowledge(journal, "c", 3);
    await journal.append("c", "run", output);
    await journal.append("c", "run", finished);
    expect(drain(journal)).toEqual(["c:4:output", "c:5:finished"]);
    expect(journal.openCommandIds()).toEqual(["c"]);
    acknowledge(journal, "c", 5);
    expect(journal.openCommandIds()).toEqual([]);
    await journal.close();
  });

  test("events of one command that come at once keep their order and their numbers", async () => {
    const journal = await open(newPath());
    await journal.begin(order("c"), { kind: "accepted" });
    await Promise.all(Array.from({ length: 20 }, () => journal.append("c", "run", output)));
    expect(drain(journal).slice(1)).toEqual(
      Array.from({ length: 20 }, (_none, index) => `c:${index + 2}:output`),
    );
    await journal.close();
  });

  test("after a death it knows what was begun, what was not finished, and what was not acknowledged", async () => {
    const path = newPath();
    const before = await open(path);
    await before.begin(order("done"), { kind: "accepted" });
    await before.append("done", "run", finished);
    await before.begin(order("half", { generation: 7n }), { kind: "accepted" });
    await before.append("half", "run", { kind: "started" });
    await before.append("half", "run", output);
    acknowledge(before, "half", 3);
    await before.close();
    const after = await open(path);
    expect(after.unfinished().map((entry) => entry.order.commandId)).toEqual(["half"]);
    expect(after.generationSeen("half")).toBe(7n);
    expect(after.find("done", "run")).toBeDefined();
    expect(after.find("done", "preview")).toBeUndefined();
    await after.append("half", "run", { kind: "interrupted", detail: "d" });
    expect(drain(after)).toEqual(["done:1:accepted", "done:2:finished", "half:4:interrupted"]);
    await after.close();
  });

  test("a repeat gets the first answer, without the output that is theirs already", async () => {
    const journal = await open(newPath());
    await journal.begin(order("c"), { kind: "accepted" });
    await journal.append("c", "run", output);
    await journal.append("c", "run", finished);
    drain(journal);
    acknowledge(journal, "c", 3);
    journal.repeat("c", "run");
    expect(drain(journal)).toEqual(["c:1:accepted:again", "c:3:finished:again"]);
    await journal.close();
  });

  test("a damaged line costs itself and no other; a torn end costs the end", async () => {
    const path = newPath();
    const before = await open(path);
    for (const id of ["a", "b", "c"]) await before.begin(order(id), finished);
    await before.close();
    const lines = readFileSync(path, "utf8").split("\n");
    // The order of "b", damaged in one character.
    const damaged = lines.map((line) =>
      line.includes('"commandId":"b"') && line.includes('"k":"order"') ? line.replace('"n"', '"m"') : line,
    );
    writeFileSync(path, damaged.join("\n"));
    appendFileSync(path, encodeLine({ k: "order", order: {} }).slice(0, 20));
    const said: string[] = [];
    const after = await open(path, said);
    expect(["a", "b", "c"].map((id) => after.find(id, "run") !== undefined)).toEqual([true, false, true]);
    expect(said).toEqual(["error the journal has lines that cannot be read; they are left out"]);
    await after.begin(order("d"), finished);
    await after.close();
    const last = await open(path);
    expect(last.find("d", "run")).toBeDefined();
    await last.close();
  });

  test("what is over, acknowledged and long expired is forgotten; all else stays", async () => {
    const path = newPath();
    const long = Date.now() - 3 * 86_400_000;
    const journal = await open(path);
    await journal.begin(order("old", { expiresAt: long }), finished);
    await journal.begin(order("old-unheard", { expiresAt: long }), finished);
    await journal.begin(order("old-unfinished", { expiresAt: long }), { kind: "accepted" });
    await journal.begin(order("new"), finished);
    for (const id of ["old", "old-unfinished", "new"]) acknowledge(journal, id, 1);
    await journal.tidy();
    const kept = ["old", "old-unheard", "old-unfinished", "new"].filter(
      (id) => journal.find(id, "run") !== undefined,
    );
    expect(kept).toEqual(["old-unheard", "old-unfinished", "new"]);
    await journal.close();
    const again = await open(path);
    expect(again.find("old", "run")).toBeUndefined();
    expect(again.find("new", "run")?.acknowledged).toBe(1);
    await again.close();
  });

  test("nothing that is appended while it is rewritten gets lost", async () => {
    const path = newPath();
    const journal = await open(path);
    const work: Promise<unknown>[] = [];
    for (let index = 0; index < 200; index++) {
      work.push(
        journal
          .begin(order(`c${index}`), { kind: "accepted" })
          .then(() => journal.append(`c${index}`, "run", finished)),
      );
      if (index % 20 === 0) work.push(journal.tidy());
      if (index % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(work);
    await journal.close();
    const again = await open(path);
    const lost = Array.from({ length: 200 }, (_none, index) => again.find(`c${index}`, "run")).filter(
      (entry) => entry?.events.length !== 2,
    );
    expect(lost).toEqual([]);
    await again.close();
  });

  test("the file is for this user only", async () => {
    const path = newPath();
    const { file } = await JournalFile.open(path);
    await file.append([{ a: 1 }]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await file.close();
  });
});
