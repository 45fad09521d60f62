/** Files of the state directory: for this user only, and either the old content or the new one, never half of it. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Makes a directory with mode 0700. Throws what the file system throws. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** Replaces a file whole, with mode 0600: a new file, synced, renamed over the old one, the directory synced. */
export function writePrivateFile(path: string, content: string | Uint8Array): void {
  const draft = `${path}.new`;
  const file = openSync(draft, "w", 0o600);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  syncDirectory(dirname(path));
}

/** Makes a rename or a new name in a directory durable. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** A file's text; undefined when there is no such file. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Where each thing lies in the state directory. */
export function statePaths(stateDir: string): {
  readonly identity: string;
  /** The key of an enrolment that is under way. */
  readonly enrollKey: string;
  /** The certificate and its authority once more, for those who look at certificates. */
  readonly certificate: string;
  readonly authority: string;
  readonly outbox: string;
  readonly journal: string;
  readonly plans: string;
  /** Output of programs in units of their own. */
  readonly units: string;
  readonly probeToken: string;
  readonly lock: string;
} {
  return {
    identity: join(stateDir, "identity.json"),
    enrollKey: join(stateDir, "enroll-key.pem"),
    certificate: join(stateDir, "certificate.pem"),
    authority: join(stateDir, "authority.pem"),
    outbox: join(stateDir, "outbox"),
    journal: join(stateDir, "journal.log"),
    plans: join(stateDir, "plans"),
    units: join(stateDir, "units"),
    probeToken: join(stateDir, "probe-token"),
    lock: join(stateDir, "lock"),
  };
}
