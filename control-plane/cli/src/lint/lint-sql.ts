/** What PostgreSQL would refuse, or accept without the effect that was meant. */
import { fault, note, type Remark, warning } from "./finding.js";
import type { SqlServer } from "./sql-server.js";
import { readSql, type SqlPiece } from "./sql-text.js";

export interface SqlSource {
  readonly line: number;
  readonly lines: readonly string[];
}

/** `server` is a sentence when there is none. */
export async function lintSql(source: SqlSource, server: SqlServer | string): Promise<readonly Remark[]> {
  const { statements, settings } = readSql(source.lines, source.line);
  const remarks: Remark[] = [...lintRecoveryFile(source)];
  for (const statement of statements) {
    remarks.push(...(await lintMeaning(statement, source, server)));
    if (typeof server === "string") continue;
    const refused = await server.understand(statement.text);
    if (refused === undefined) continue;
    const line = lineAt(statement, refused.position);
    if (refused.state === UNDEFINED_TABLE && !server.own)
      remarks.push(
        note(
          line,
          `${refused.message}: the statement was checked no further`,
          "give --database URL to check it against your schema",
        ),
      );
    else
      remarks.push(
        fault(
          line,
          "PostgreSQL refuses this",
          refused.message,
          HINTS[refused.message] ?? "ask the catalogue: \\d NAME in psql",
        ),
      );
  }
  if (typeof server === "string" && statements.length > 0)
    remarks.push(note(source.line, "whether PostgreSQL takes these statements was not checked", server));
  if (typeof server !== "string")
    for (const { name, line } of settings)
      if (!name.includes(".") && (await server.setting(name)) === undefined)
        remarks.push(
          fault(
            line,
            `PostgreSQL has no setting ${name}`,
            "the server does not start with it in its configuration",
            "see pg_settings",
          ),
        );
  return remarks;
}

const UNDEFINED_TABLE = "42P01";

const HINTS: Readonly<Record<string, string>> = {
  'column "tablename" does not exist': "relname: pg_stat_user_tables and pg_stat_user_indexes call it so",
  'column "indexname" does not exist': "indexrelname: pg_stat_user_indexes calls it so",
};

function lineAt({ line, text }: SqlPiece, position: number | undefined): number {
  return position === undefined ? line : line + text.slice(0, position - 1).split("\n").length - 1;
}

/** Names that a file for PostgreSQL 11 and older has. */
function lintRecoveryFile({ lines, line }: SqlSource): readonly Remark[] {
  const at = lines.findIndex((text) => /\brecovery\.conf\b/.test(text));
  return at < 0
    ? []
    : [
        fault(
          line + at,
          "recovery.conf",
          "since version 12 PostgreSQL does not start while that file is there",
          "the same settings in postgresql.conf, and an empty recovery.signal",
        ),
      ];
}

/** Settings that are read at the start only, for when no server can be asked. */
const AT_START = new Set(
  "max_connections shared_buffers wal_level max_wal_senders max_replication_slots max_worker_processes shared_preload_libraries huge_pages listen_addresses port archive_mode wal_buffers max_prepared_transactions".split(
    " ",
  ),
);

async function lintMeaning(
  { text, line }: SqlPiece,
  { lines }: SqlSource,
  server: SqlServer | string,
): Promise<readonly Remark[]> {
  const remarks: Remark[] = [];
  const [, parameter = ""] = /^alter\s+system\s+(?:re)?set\s+(\w+)/i.exec(text) ?? [];
  if (parameter !== "") {
    const known = typeof server === "string" ? undefined : await server.setting(parameter.toLowerCase());
    if (known?.restart ?? AT_START.has(parameter.toLowerCase()))
      remarks.push(
        fault(
          line,
          `${parameter} is read only when the server starts`,
          "a reload leaves the old value in force; pg_settings says pending_restart",
          "plan a restart, standbys first; mainstay's set-postgres-parameter says so",
        ),
      );
  }
  if (
    /^alter\s+database\s+\S+\s+rename\b/i.test(text) &&
    !/terminate_backend|allow_connections/i.test(lines.join("\n"))
  )
    remarks.push(
      warning(
        line,
        "a database is renamed while others may be connected to it",
        "with a single session in it PostgreSQL refuses: it is being accessed by other users",
        "ALTER DATABASE … ALLOW_CONNECTIONS false, end its sessions, then rename",
      ),
    );
  return remarks;
}
