/** Where backups of PostgreSQL lie, as this host declares it. Whoever reads or restores them goes by nothing else. */
import type { Fields } from "../fields.js";
import { type DeclaredDatabase, readDatabases } from "../run/permits/databases.js";
import { declaredName, required } from "../run/verdict.js";

/** A repository of backups of one database cluster. */
export interface Repository {
  readonly name: string;
  /** The component whose data it keeps, as the components file names it; series carry it. */
  readonly component: string;
  readonly tool: RepositoryTool;
  /** Whom the tools and a scratch server run as, when the agent is root: root may do neither. */
  readonly user: string;
  /** Where `postgres`, `pg_controldata` and so on are. */
  readonly binDirectory: string;
  /** The database that is backed up: asked how far its log was archived. Not asked when undefined. */
  readonly database: DeclaredDatabase | undefined;
}

export type RepositoryTool =
  /** pgBackRest does it all; what lies there is asked of it. */
  | {
      readonly kind: "pgbackrest";
      readonly program: string;
      readonly stanza: string;
      readonly configFile: string;
    }
  /** A folder for each base backup (plain format), and one that the log is archived or received into. */
  | {
      readonly kind: "pg_basebackup";
      readonly baseDirectory: string;
      readonly walDirectory: string;
      readonly walSegmentBytes: number;
    };

/** Of paths that are written into commands of PostgreSQL: nothing that a shell would make something of. */
const plainPath = /^\/[A-Za-z0-9_./-]{0,400}$/;
const component = /^[a-z0-9][a-z0-9-]{0,62}$/;
const mebibyte = 1_048_576;

/** Reads one repository. What is wrong is noted in `fields`; whoever calls says that it is done. */
export function readRepository(fields: Fields): Repository {
  const path = "an absolute path of letters, digits and ./_-";
  const kind = fields.raw("tool");
  if (kind !== "pgbackrest" && kind !== "pg_basebackup")
    fields.fault("tool", kind, "pgbackrest or pg_basebackup");
  const tool: RepositoryTool =
    kind === "pg_basebackup"
      ? {
          kind,
          baseDirectory: required(fields, "baseDirectory", path, plainPath),
          walDirectory: required(fields, "walDirectory", path, plainPath),
          walSegmentBytes: fields.integer("walSegmentBytes", 16 * mebibyte, mebibyte, 1_024 * mebibyte),
        }
      : {
          kind: "pgbackrest",
          program: fields.text("program", "/usr/bin/pgbackrest", path, plainPath) ?? "",
          stanza: required(fields, "stanza", "the stanza's name", declaredName),
          configFile: fields.text("configFile", "/etc/pgbackrest.conf", path, plainPath) ?? "",
        };
  const name = required(fields, "name", "a name of letters, digits, '.', '_' and '-'", declaredName);
  return {
    name,
    component: required(fields, "component", "a component's id: a-z, 0-9 and '-'", component),
    tool,
    user: fields.text("user", "postgres", "a user's name", /^[a-z_][a-z0-9_-]{0,31}$/) ?? "",
    binDirectory: required(fields, "binDirectory", path, plainPath),
    database: fields.has("database") ? readDatabases(fields, "database")[0] : undefined,
  };
}
