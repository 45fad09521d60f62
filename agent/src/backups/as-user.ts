/** Programs as another user, when the agent is root. None of them outlives the agent. */
import { readFileSync } from "node:fs";

export interface HostUser {
  readonly uid: number;
  readonly gid: number;
}

/** A user of this host's own list; undefined when the agent is not root and stays who it is. Throws when there is none. */
export function hostUser(name: string): HostUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [user, , uid, gid] = line.split(":");
    if (user === name) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(`user "${name}" is not in /etc/passwd`);
}

export function asUser(name: string, argv: readonly string[]): readonly string[] {
  const user = hostUser(name);
  const as = user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"];
  return ["setpriv", ...as, "--pdeathsig", "KILL", "--", ...argv];
}
