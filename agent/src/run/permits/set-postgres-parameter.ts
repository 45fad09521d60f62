/** Whether this host lets settings of PostgreSQL be changed, and which. Pure. */
import type { Fields } from "../../fields.js";
import { declared, deny, required, requiredName, type Verdict } from "../verdict.js";
import { type DeclaredDatabase, readDatabases } from "./databases.js";

/** Settings that may be changed, by name. */
export interface SetPostgresParameterPolicy {
  readonly databases: readonly DeclaredDatabase[];
  /** Lower-case names. What makes PostgreSQL load or run a program is never taken, whatever stands here. */
  readonly parameters: readonly string[];
}

const parameterName = /^[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62})?$/;
/** Setting one of these gives whoever sets it the server's own hands. */
const never =
  /(_command|_libraries|_directory|_file|_function|_path)$|^(data_directory|listen_addresses|ssl)/;

export function readSetPostgresParameter(fields: Fields): SetPostgresParameterPolicy {
  const parameters = fields.texts("parameters", "a setting's name in lower case", parameterName);
  for (const [index, name] of parameters.entries()) {
    if (never.test(name)) {
      fields.fault(
        `parameters[${index}]`,
        name,
        "a setting that neither runs a program nor says where the server's files are",
      );
    }
  }
  const read = { databases: readDatabases(fields), parameters };
  fields.done();
  return read;
}

export function allowSetPostgresParameter(
  own: SetPostgresParameterPolicy | undefined,
  fields: Fields,
): Verdict {
  const database = requiredName(fields, "database", "database");
  const parameter = required(fields, "parameter", "a setting's name in lower case", parameterName);
  const reset = fields.flag("reset", false);
  const value = fields.text("value", undefined, "a value of at most 200 characters", /^[^\0\r\n]{1,200}$/);
  if ((value === undefined) !== reset && !fields.has("value"))
    fields.fault("value", undefined, "a value, or reset: true");
  else if (value !== undefined && reset) fields.fault("value", value, "either a value or reset: true");
  if (own === undefined) return deny("actions.setPostgresParameter is not set on this host");
  if (declared(own.databases, database) === undefined)
    return deny(`${database} is not in actions.setPostgresParameter.databases`);
  if (!own.parameters.includes(parameter) || never.test(parameter))
    return deny(`${parameter} is not in actions.setPostgresParameter.parameters`);
  return {
    kind: "allow",
    arguments: { action: "set-postgres-parameter", database, parameter, value },
  };
}
