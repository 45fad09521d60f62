/** Whether this host lets tables be vacuumed, analysed, or have their indexes rebuilt. Pure. */
import type { Fields } from "../../fields.js";
import { type Maintenance, maintenances } from "../command.js";
import { declared, deny, oneOf, required, requiredName, type Verdict } from "../verdict.js";
import { type DeclaredDatabase, readDatabases } from "./databases.js";

/** Databases whose tables may be maintained. */
export interface MaintainTablePolicy {
  readonly databases: readonly DeclaredDatabase[];
  /** Default: all three. */
  readonly operations: readonly Maintenance[];
  /** The longest that it may wait for a lock, and so make others wait behind it, in ms. Default 2000. */
  readonly lockTimeoutMs: number;
}

/** An SQL name as people write it; the server quotes it. */
const sqlName = /^[^\0]{1,63}$/;

export function readMaintainTable(fields: Fields): MaintainTablePolicy {
  const named = fields.has("operations")
    ? fields.texts(
        "operations",
        `one of ${maintenances.join(", ")}`,
        /^(vacuum|analyze|reindex-concurrently)$/,
      )
    : maintenances;
  const read = {
    databases: readDatabases(fields),
    operations: maintenances.filter((operation) => named.includes(operation)),
    lockTimeoutMs: fields.integer("lockTimeoutMs", 2000, 10, 60_000),
  };
  fields.done();
  return read;
}

export function allowMaintainTable(own: MaintainTablePolicy | undefined, fields: Fields): Verdict {
  const database = requiredName(fields, "database", "database");
  const operation = oneOf(fields, "operation", maintenances);
  const schema = fields.text("schema", "public", "a schema's name", sqlName) ?? "public";
  const table = required(fields, "table", "a table's name", sqlName);
  const lockTimeoutMs = fields.integer("lockTimeoutMs", own?.lockTimeoutMs ?? 2000, 10, 60_000);
  if (own === undefined) return deny("actions.maintainTable is not set on this host");
  if (declared(own.databases, database) === undefined)
    return deny(`${database} is not in actions.maintainTable.databases`);
  if (!own.operations.includes(operation))
    return deny(`${operation} is not in actions.maintainTable.operations`);
  if (lockTimeoutMs > own.lockTimeoutMs)
    return deny(`lockTimeoutMs ${lockTimeoutMs}: this host allows ${own.lockTimeoutMs} and less`);
  return {
    kind: "allow",
    arguments: { action: "maintain-table", database, operation, schema, table, lockTimeoutMs },
  };
}
