/** Whether this host lets a PgBouncer be paused, resumed or reloaded, and which. Pure. */
import type { Fields } from "../../fields.js";
import {
  absolutePath,
  declared,
  declaredName,
  deny,
  required,
  requiredName,
  type Verdict,
} from "../verdict.js";

/** Connection poolers with their admin console. */
export interface PgbouncerPolicy {
  readonly bouncers: readonly DeclaredBouncer[];
}

/** A PgBouncer of this host. */
export interface DeclaredBouncer {
  readonly name: string;
  /** The console's URL: the database `pgbouncer`, as an admin user. */
  readonly url: string | undefined;
  readonly urlFile: string | undefined;
  /** Databases, by PgBouncer's own names, that may be paused and resumed. */
  readonly databases: readonly string[];
  /** Its configuration; a reload then finds every database of the file, or has failed. */
  readonly configFile: string | undefined;
  /** The longest that clients may be made to wait by a pause before it is in force, in seconds. Default 30. */
  readonly maxWaitSeconds: number;
}

/** Names that PgBouncer's console takes unquoted: no quote and no end of a statement can be in them. */
const poolName = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;

export function readPgbouncer(fields: Fields): PgbouncerPolicy {
  const bouncers = fields.each("bouncers").map((bouncer): DeclaredBouncer => {
    const read = {
      name: required(bouncer, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      url: bouncer.text("url", undefined, "a postgres:// URL", /^postgres(ql)?:\/\//),
      urlFile: bouncer.text("urlFile", undefined, "an absolute path", absolutePath),
      databases: bouncer.texts("databases", "a database's name of letters, digits and '_'", poolName),
      configFile: bouncer.text("configFile", undefined, "an absolute path", absolutePath),
      maxWaitSeconds: bouncer.integer("maxWaitSeconds", 30, 1, 600),
    };
    if ((read.url === undefined) === (read.urlFile === undefined))
      bouncer.fault("url", undefined, "either url or urlFile");
    bouncer.done();
    return read;
  });
  fields.done();
  return { bouncers };
}

export function allowPgbouncerPause(own: PgbouncerPolicy | undefined, fields: Fields): Verdict {
  const bouncer = requiredName(fields, "bouncer", "PgBouncer");
  const database = required(fields, "database", "a database's name", poolName);
  const known = declared(own?.bouncers, bouncer);
  const most = known?.maxWaitSeconds ?? 30;
  const waitSeconds = fields.integer("waitSeconds", most, 1, 600);
  if (waitSeconds > most) return deny(`waitSeconds ${waitSeconds}: this host allows ${most} and less`);
  return (
    whyNot(own, bouncer, database) ?? {
      kind: "allow",
      arguments: { action: "pgbouncer-pause", bouncer, database, waitSeconds },
    }
  );
}

export function allowPgbouncerResume(own: PgbouncerPolicy | undefined, fields: Fields): Verdict {
  const bouncer = requiredName(fields, "bouncer", "PgBouncer");
  const database = required(fields, "database", "a database's name", poolName);
  return (
    whyNot(own, bouncer, database) ?? {
      kind: "allow",
      arguments: { action: "pgbouncer-resume", bouncer, database },
    }
  );
}

export function allowPgbouncerReload(own: PgbouncerPolicy | undefined, fields: Fields): Verdict {
  const bouncer = requiredName(fields, "bouncer", "PgBouncer");
  return (
    whyNot(own, bouncer, undefined) ?? { kind: "allow", arguments: { action: "pgbouncer-reload", bouncer } }
  );
}

function whyNot(
  own: PgbouncerPolicy | undefined,
  bouncer: string,
  database: string | undefined,
): Verdict | undefined {
  if (own === undefined) return deny("actions.pgbouncer is not set on this host");
  const known = declared(own.bouncers, bouncer);
  if (known === undefined) return deny(`${bouncer} is not in actions.pgbouncer.bouncers`);
  if (database !== undefined && !known.databases.includes(database))
    return deny(`${database} is not in the databases of ${bouncer} in actions.pgbouncer`);
  return undefined;
}
