/** Brings a backup into a scratch folder with its tool's own means, and says how the server rolls it forward from there. */
import { chownSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ActionContext } from "../run/action.js";
import type { DrillRepository } from "../run/permits/restore-drill.js";
import { asUser, hostUser } from "./as-user.js";
import { stanzaCall } from "./look.js";
import { readVerification, type Verification } from "./pgbackrest-words.js";
import type { ScratchFolders } from "./scratch-server.js";

const textMax = 200_000;

/** Reads every file of the backup against what was written down when it was made. Slow on large ones. */
export async function verifyBackup(
  repository: DrillRepository,
  label: string,
  context: ActionContext,
): Promise<Verification> {
  const { tool, binDirectory } = repository;
  if (tool.kind === "pgbackrest") {
    // Its exit code is 0 whatever it finds.
    const { text } = await runAs(repository, context, [
      ...stanzaCall(tool),
      "--log-level-console=info",
      "--output=text",
      "--verbose",
      "verify",
    ]);
    return readVerification(text);
  }
  const { ok, text } = await runAs(repository, context, [
    join(binDirectory, "pg_verifybackup"),
    // The log is elsewhere, and is read when it is replayed.
    "--no-parse-wal",
    "--exit-on-error",
    join(tool.baseDirectory, label),
  ]);
  const says = text.trim().split("\n").slice(-2).join("; ").slice(0, 500);
  return { good: ok, says: ok ? "every file of the base backup is as its manifest says" : says };
}

/** Throws with what the tool said when it fails. */
export async function restoreInto(
  repository: DrillRepository,
  label: string,
  folders: ScratchFolders,
  context: ActionContext,
): Promise<void> {
  const { tool } = repository;
  if (tool.kind === "pgbackrest") {
    await mustRun(repository, context, [
      ...stanzaCall(tool),
      "--log-level-console=warn",
      // What is damaged is no better fifteen seconds later.
      "--job-retry=0",
      `--lock-path=${join(folders.root, "lock")}`,
      `--pg1-path=${folders.data}`,
      `--set=${label}`,
      `--tablespace-map-all=${folders.tablespaces}`,
      "--archive-mode=off",
      "--type=default",
      "restore",
    ]);
    return;
  }
  const from = join(tool.baseDirectory, label);
  await mustRun(repository, context, ["cp", "--archive", "--reflink=auto", "--", `${from}/.`, folders.data]);
  // What the old server left of its log and of itself is none of the copy's.
  for (const name of ["postmaster.pid", "standby.signal"]) rmSync(join(folders.data, name), { force: true });
  const signal = join(folders.data, "recovery.signal");
  writeFileSync(signal, "", { mode: 0o600 });
  const user = hostUser(repository.user);
  if (user !== undefined) {
    chownSync(signal, user.uid, user.gid);
  }
}

/** The settings by which the restored server recovers: to `to`, or as far as the archive goes. */
export function recoverySettings(
  { tool }: DrillRepository,
  folders: ScratchFolders,
  to: string | undefined,
): Record<string, string> {
  return {
    restore_command:
      tool.kind === "pgbackrest"
        ? [
            ...stanzaCall(tool),
            // Its spool may be a live standby's.
            "--no-archive-async",
            `--lock-path=${join(folders.root, "lock")}`,
            `--pg1-path=${folders.data}`,
            'archive-get %f "%p"',
          ].join(" ")
        : `cp ${tool.walDirectory}/%f "%p" 2>/dev/null || cp ${tool.walDirectory}/%f.partial "%p"`,
    recovery_target: "",
    recovery_target_lsn: "",
    recovery_target_name: "",
    recovery_target_xid: "",
    // At start it knows no zone by name, not even Z.
    recovery_target_time: to?.replace("T", " ").replace(/Z$/, "+00") ?? "",
    recovery_target_timeline: "latest",
    recovery_target_inclusive: "on",
    recovery_target_action: "promote",
  };
}

/** Whether every btree and every table of the cluster holds together. */
export async function checkTables(
  repository: DrillRepository,
  folders: ScratchFolders,
  port: string,
  context: ActionContext,
): Promise<Verification> {
  const { ok, text } = await runAs(repository, context, [
    join(repository.binDirectory, "pg_amcheck"),
    `--host=${folders.socket}`,
    `--port=${port}`,
    `--username=${repository.superuser}`,
    "--all",
    "--install-missing",
    "--no-strict-names",
  ]);
  if (ok) return { good: true, says: "amcheck finds nothing wrong in any table or btree" };
  return { good: false, says: `amcheck: ${text.trim().split("\n").slice(0, 4).join("; ").slice(0, 800)}` };
}

/** Folders that earlier drills left when their agent was killed: nobody runs there, for all of it went with the agent. */
export function sweepScratch(scratch: string, prefix: string): readonly string[] {
  const left = readdirSync(scratch).filter((name) => name.startsWith(prefix));
  for (const name of left) rmSync(join(scratch, name), { recursive: true, force: true });
  return left;
}

async function mustRun(
  repository: DrillRepository,
  context: ActionContext,
  argv: readonly string[],
): Promise<void> {
  const { ok, text } = await runAs(repository, context, argv);
  if (!ok) throw new Error(text.trim().slice(-1_000));
}

async function runAs(
  { user }: DrillRepository,
  context: ActionContext,
  argv: readonly string[],
): Promise<{ readonly ok: boolean; readonly text: string }> {
  let text = "";
  const end = await context.runProgram({
    argv: asUser(user, argv),
    timeoutMs: Math.max(1, context.deadline - context.system.clock.monotonic()),
    signal: context.signal,
    output: (_stream, said) => {
      text = `${text}${said}`.slice(-textMax);
    },
  });
  const ok = end.kind === "exited" && end.exitCode === 0;
  return { ok, text: ok ? text : `${argv[0]}: ${JSON.stringify(end)} ${text}` };
}
