/** A wall clock of a program's own that a test sets, as a host's clock is set: forward, back, while it runs. */
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian's package `faketime`, for each machine in a folder of its own. */
const MACHINES: Readonly<Record<string, string>> = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };
const LIBRARY = `/usr/lib/${MACHINES[process.arch] ?? process.arch}/faketime/libfaketime.so.1`;

export class FakedClock {
  readonly #directory = mkdtempSync(join(tmpdir(), "mainstay-clock-"));

  /** @param offsetSeconds how far it is from the machine's own */
  constructor(offsetSeconds = 0) {
    if (!existsSync(LIBRARY)) throw new Error(`${LIBRARY} is not there: install Debian's package faketime`);
    this.set(offsetSeconds);
  }

  /** What a program that goes by this clock is started with. The clock that only rises stays the machine's. */
  get env(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** Jumps; whoever looks sees the one time or the other. */
  set(offsetSeconds: number): void {
    const next = `${this.#file}.new`;
    writeFileSync(next, `${offsetSeconds < 0 ? "" : "+"}${offsetSeconds}\n`);
    renameSync(next, this.#file);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  get #file(): string {
    return join(this.#directory, "offset");
  }
}
