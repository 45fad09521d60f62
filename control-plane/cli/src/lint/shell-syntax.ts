/** Whether bash would read a script, without running any of it: `bash -n`. */
import { spawn } from "node:child_process";

export type ShellSyntax =
  | { readonly kind: "reads" }
  | { readonly kind: "refuses"; readonly line: number; readonly because: string }
  | { readonly kind: "not-checked"; readonly because: string };

const TEXT_MAX = 1_000_000;
const TIMEOUT_MS = 10_000;

/** `line` is counted from 1 within the script. Never rejects. */
export function checkShellSyntax(script: string): Promise<ShellSyntax> {
  if (script.length > TEXT_MAX)
    return Promise.resolve({ kind: "not-checked", because: "the block is too long" });
  return new Promise((resolve) => {
    const child = spawn("bash", ["--norc", "--noprofile", "-n"], {
      stdio: ["pipe", "ignore", "pipe"],
      timeout: TIMEOUT_MS,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" },
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(0, 10_000);
    });
    child.on("error", (error) =>
      resolve({ kind: "not-checked", because: `bash is not there: ${error.message}` }),
    );
    child.on("close", (code) => {
      const [, line = "1", because = said.trim()] = /line (\d+): (.*)/.exec(said) ?? [];
      if (code === 0) resolve({ kind: "reads" });
      else if (code === null) resolve({ kind: "not-checked", because: "bash did not end in time" });
      else resolve({ kind: "refuses", line: Number(line), because });
    });
    child.stdin.on("error", () => {});
    child.stdin.end(script);
  });
}
