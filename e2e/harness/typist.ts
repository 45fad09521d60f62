/** Someone at the operator's command line: a real process for each command, and a home of their own with their token in it. */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const MAIN = resolve(import.meta.dirname, "../../control-plane/cli/dist/main.js");
const ANSWER_MS = 45_000;

export interface Told {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export class Typist {
  readonly #home: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(home: string, token: string, grpcPort: number) {
    this.#home = home;
    mkdirSync(home, { recursive: true });
    const tokenFile = join(home, "token");
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    this.#env = {
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      MAINSTAY_ADDRESS: `127.0.0.1:${grpcPort}`,
      MAINSTAY_TOKEN_FILE: tokenFile,
    };
  }

  /** Types one command; nobody sits there to be asked. */
  types(...args: readonly string[]): Promise<Told> {
    return new Promise((done) => {
      const options = { cwd: this.#home, env: this.#env, timeout: ANSWER_MS, maxBuffer: 16 * 1024 * 1024 };
      const child = execFile(process.execPath, [MAIN, ...args], options, (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        done({ code, out, err });
      });
      child.stdin?.end();
    });
  }
}
