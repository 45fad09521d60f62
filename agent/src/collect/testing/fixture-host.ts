import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A made-up /proc in a directory of its own: paths and texts, which a test may write anew. */
export class FixtureHost {
  readonly root = mkdtempSync(join(tmpdir(), "mainstay-host-"));

  constructor(files: Readonly<Record<string, string | Buffer>> = {}) {
    for (const [path, text] of Object.entries(files)) this.write(path, text);
  }

  get roots(): { readonly proc: string; readonly sys: string } {
    return { proc: this.root, sys: this.root };
  }

  write(path: string, text: string | Buffer): string {
    const whole = join(this.root, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
    return whole;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
