/** Whether this host lets queries be ended, and which. Pure. */
import type { Fields } from "../../fields.js";
import { declared, deny, oneOf, requiredName, type Verdict } from "../verdict.js";
import { type DeclaredDatabase, readDatabases } from "./databases.js";

/** Databases whose long queries may be ended. */
export interface TerminateQueryPolicy {
  readonly databases: readonly DeclaredDatabase[];
  /** The youngest query that may be ended, in seconds. Default 60. */
  readonly minSeconds: number;
  /** The most that one run may end. Default 20. */
  readonly maxQueries: number;
}

export function readTerminateQuery(fields: Fields): TerminateQueryPolicy {
  const read = {
    databases: readDatabases(fields),
    minSeconds: fields.integer("minSeconds", 60, 1, 86_400),
    maxQueries: fields.integer("maxQueries", 20, 1, 1000),
  };
  fields.done();
  return read;
}

export function allowTerminateQuery(own: TerminateQueryPolicy | undefined, fields: Fields): Verdict {
  const database = requiredName(fields, "database", "database");
  const minSeconds = fields.integer("minSeconds", own?.minSeconds ?? 60, 1, 365 * 86_400);
  const how = oneOf(fields, "how", ["cancel", "terminate"], "cancel");
  const pid = fields.has("pid") ? fields.integer("pid", 2, 2, 4_194_304) : undefined;
  const limit = fields.integer("limit", Math.min(10, own?.maxQueries ?? 10), 1, 1000);
  if (own === undefined) return deny("actions.terminateQuery is not set on this host");
  if (declared(own.databases, database) === undefined)
    return deny(`${database} is not in actions.terminateQuery.databases`);
  if (minSeconds < own.minSeconds)
    return deny(`minSeconds ${minSeconds}: this host allows ${own.minSeconds} and more`);
  if (limit > own.maxQueries)
    return deny(`limit ${limit}: this host allows ${own.maxQueries} and fewer at once`);
  return {
    kind: "allow",
    arguments: { action: "terminate-query", database, minSeconds, how, pid, limit },
  };
}
