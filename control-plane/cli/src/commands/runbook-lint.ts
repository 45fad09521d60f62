/** Runbooks on this machine, as code or in prose: checked by what would run them. Needs no control plane. */
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { messageOf } from "#src/kernel/errors";
import type { Runbook } from "#src/runbooks/domain/runbook";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import type { LintFinding, Remark } from "../lint/finding.js";
import { fault } from "../lint/finding.js";
import { lintProse } from "../lint/lint-prose.js";
import { lintRunbook, type ReadRunbook, readRunbook } from "../lint/lint-runbook.js";
import { openSqlServer, type SqlServer } from "../lint/sql-server.js";
import { matchFiles } from "../match-files.js";
import { printable, render } from "../output.js";

const CODE = new Set([".yaml", ".yml"]);

/** The runbooks beside a file are those that it may contain. */
async function runbooksBeside(path: string): Promise<ReadonlyMap<string, Runbook>> {
  const found = new Map<string, Runbook>();
  for (const pattern of ["*.yaml", "*.yml"])
    for (const other of await matchFiles(pattern, path)) {
      const read = readRunbook(await readFile(other, "utf8").catch(() => ""));
      if ("book" in read) found.set(read.book.name, read.book);
    }
  return found;
}

async function lint(invocation: Invocation): Promise<ExitCode> {
  const findings: LintFinding[] = [];
  let server: Promise<SqlServer | string> | undefined;
  const ask = (): Promise<SqlServer | string> => {
    server ??=
      invocation.flags["no-database"] === true
        ? Promise.resolve("--no-database was given")
        : openSqlServer(textFlag(invocation, "database"));
    return server;
  };
  try {
    for (const file of invocation.positionals)
      for (const remark of await remarksOf(file, ask, invocation)) findings.push({ file, ...remark });
  } finally {
    const opened = await server;
    if (opened !== undefined && typeof opened !== "string") await opened.close();
  }
  const count = (severity: string): number =>
    findings.filter((finding) => finding.severity === severity).length;
  const summary = { faults: count("fault"), warnings: count("warning"), notes: count("note") };
  invocation.write(
    render(invocation.form, { findings, ...summary }, () =>
      [
        ...findings.map(inWords),
        `${summary.faults} faults, ${summary.warnings} warnings, ${summary.notes} notes in ${invocation.positionals.length} files`,
      ].join("\n"),
    ),
  );
  return summary.faults > 0 ? EXIT.failed : summary.warnings > 0 ? EXIT.degraded : EXIT.ok;
}

async function remarksOf(
  file: string,
  server: () => Promise<SqlServer | string>,
  invocation: Invocation,
): Promise<readonly Remark[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    return [fault(1, "the file cannot be read", messageOf(error), "")];
  }
  if (!CODE.has(extname(file))) return lintProse(text, server);
  const read: ReadRunbook | { readonly remarks: readonly Remark[] } = readRunbook(text);
  return "remarks" in read ? read.remarks : lintRunbook(read, await runbooksBeside(file), invocation.now());
}

function inWords({ file, line, severity, what, why, instead }: LintFinding): string {
  const lines = [`${file}:${line}: ${severity}: ${printable(what)}`];
  if (why !== "") lines.push(`    because ${printable(why)}`);
  if (instead !== "") lines.push(`    instead ${printable(instead)}`);
  return lines.join("\n");
}

export const runbookLint: Command = {
  name: "runbook lint",
  usage: "FILE... [--database URL | --no-database]",
  summary:
    "Whether runbooks would work: YAML as code, anything else as prose; exit code 2 for warnings alone.",
  help: `  --database URL        check SQL against this PostgreSQL; nothing is run in it (default: an empty one of our own)
  --no-database         do not check SQL against a server`,
  options: { database: { type: "string" }, "no-database": { type: "boolean" } },
  positionals: { least: 1, most: 1_000 },
  run: lint,
};
