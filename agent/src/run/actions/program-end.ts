/** How a program ended, for people. */
import type { ProgramEnd } from "../process.js";

export function describeEnd(end: ProgramEnd): string {
  switch (end.kind) {
    case "exited":
      return `exit code ${end.exitCode}`;
    case "killed":
      return `killed by ${end.signal}`;
    case "stopped":
      return `stopped (${end.because})`;
    case "not-started":
      return `not started: ${end.because}`;
  }
}
