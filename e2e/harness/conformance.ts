/**
 * The official conformance suite of the protocol and the official Inspector, each run as its own process. The suite
 * names a function of Node 22; on an older one it is told that there is none (older-node.mjs).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

const require = createRequire(import.meta.url);
const NODE_NEEDED = 22;
/** A whole set takes about half a minute on two busy cores. */
const RUN_MS = 170_000;

const Check = z.object({
  id: z.string(),
  status: z.enum(["SUCCESS", "FAILURE", "WARNING", "SKIPPED", "INFO"]),
  errorMessage: z.string().optional(),
});
const Requirements = z.object({
  server: z.array(z.string()),
  not_scored: z.array(z.object({ scenario: z.string(), leg: z.string() })),
});

export type Revision = "2025-11-25" | "2026-07-28";

/** How one scenario went. */
export interface ScenarioRun {
  readonly scenario: string;
  readonly passed: number;
  /** Checks that failed or warned, in the suite's own words. */
  readonly failures: readonly string[];
  readonly skipped: number;
}

/** The directory of an installed package, found by its package.json (the suite exports nothing). */
function packageDirectory(name: string): string | undefined {
  for (const directory of require.resolve.paths(name) ?? []) {
    try {
      readFileSync(join(directory, name, "package.json"));
      return join(directory, name);
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}

/** What lets the suite start on a Node older than the one it names. */
function onThisNode(): string[] {
  return Number(process.versions.node.split(".")[0]) >= NODE_NEEDED
    ? []
    : ["--import", new URL("older-node.mjs", import.meta.url).href];
}

const suite = packageDirectory("@modelcontextprotocol/conformance") ?? "";

/** What a revision requires of servers, and what the suite runs besides. */
export function requirementsOf(revision: Revision): { required: string[]; besides: string[] } {
  const text = readFileSync(join(suite, "requirements", `${revision}.yaml`), "utf8");
  const { server, not_scored: others } = Requirements.parse(parse(text));
  return {
    required: server,
    besides: others.filter(({ leg }) => leg === "server").map(({ scenario }) => scenario),
  };
}

/** Runs a revision's whole set, or one scenario. Answers by scenario, in the order of the suite's own files. */
export async function runSuite(
  url: string,
  what: { readonly requirements: Revision } | { readonly scenario: string; readonly version?: Revision },
): Promise<ReadonlyMap<string, ScenarioRun>> {
  const out = mkdtempSync(join(tmpdir(), "mainstay-conformance-"));
  try {
    const args =
      "requirements" in what
        ? ["--requirements", what.requirements]
        : [
            "--scenario",
            what.scenario,
            ...(what.version === undefined ? [] : ["--spec-version", what.version]),
          ];
    const said = await finished(
      spawn(
        process.execPath,
        [...onThisNode(), join(suite, "dist", "index.js"), "server", "--url", url, ...args, "-o", out],
        {
          env: { PATH: process.env["PATH"] ?? "" },
          stdio: ["ignore", "pipe", "pipe"],
        },
      ),
    );
    const runs = new Map(readdirSync(out).map((directory) => resultIn(out, directory)));
    if (runs.size === 0) throw new Error(`the conformance suite ran nothing: ${said.slice(-2_000)}`);
    return runs;
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

function finished(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        said = (said + text).slice(-200_000);
      });
    }
    const late = setTimeout(() => child.kill("SIGKILL"), RUN_MS);
    child.once("error", reject);
    child.once("close", () => {
      clearTimeout(late);
      resolve(said);
    });
  });
}

/** A directory is called `server-<scenario>-<time>`. */
function resultIn(out: string, directory: string): [string, ScenarioRun] {
  const scenario = directory.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, "");
  const checks = z.array(Check).parse(JSON.parse(readFileSync(join(out, directory, "checks.json"), "utf8")));
  const count = (status: string): number => checks.filter((check) => check.status === status).length;
  const failures = checks
    .filter(({ status }) => status === "FAILURE" || status === "WARNING")
    .map(({ id, status, errorMessage }) => `${status} ${id}: ${errorMessage ?? "no reason given"}`);
  return [scenario, { scenario, passed: count("SUCCESS"), failures, skipped: count("SKIPPED") }];
}

export interface Inspected {
  /** 0 when all is well; 6 when `--strict` found a schema that some clients cannot read. */
  readonly code: number | null;
  readonly said: string;
}

/** Runs the official Inspector's command line against a server. */
export async function inspect(
  url: string,
  era: "legacy" | "modern",
  args: readonly string[],
): Promise<Inspected> {
  const home = mkdtempSync(join(tmpdir(), "mainstay-inspector-"));
  const program = join(
    packageDirectory("@modelcontextprotocol/inspector") ?? "",
    "clients/launcher/build/index.js",
  );
  const fixed = ["--cli", url, "--transport", "http", "--protocol-era", era, "--format", "json", "-q"];
  try {
    const child = spawn(process.execPath, [program, ...fixed, ...args], {
      cwd: home,
      env: { PATH: process.env["PATH"] ?? "", HOME: home },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = await finished(child);
    return { code: child.exitCode, said };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** The suite can send no token: this passes its requests on to a server with one, headers and all. */
export async function startTokenProxy(
  target: URL,
  token: string,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, authorization: `Bearer ${token}` };
    const { method } = incoming;
    const onward = request(target, { headers, ...(method === undefined ? {} : { method }) }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}${target.pathname}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
