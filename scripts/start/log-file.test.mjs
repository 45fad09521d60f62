import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile } from "./log-file.mjs";

test("a log file keeps its newest lines, one file more, and never grows past its bound", () => {
  const folder = mkdtempSync(join(tmpdir(), "mainstay-log-"));
  try {
    const path = join(folder, "logs", "a.log");
    const log = new LogFile(path, 130);
    for (let line = 0; line < 50; line++) log.write(Buffer.from(`line ${String(line).padStart(4, "0")}\n`));
    log.close();
    expect(readdirSync(join(folder, "logs"))).toEqual(["a.log", "a.log.1"]);
    expect(readFileSync(path, "utf8")).toMatch(/line 0049\n$/);
    expect(statSync(path).size).toBeLessThanOrEqual(130);
    expect(statSync(`${path}.1`).size).toBeLessThanOrEqual(130);
    expect(statSync(path).mode & 0o077).toBe(0);

    const again = new LogFile(path, 130);
    again.write(Buffer.from("after a restart\n"));
    again.close();
    expect(readFileSync(path, "utf8")).toMatch(/line 0049\nafter a restart\n$/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
