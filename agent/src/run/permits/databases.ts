/** Databases that the policy declares. Each action has its own list, so that each login may be as weak as its work. */
import type { Fields } from "../../fields.js";
import { absolutePath, declaredName, required } from "../verdict.js";

/** A database by name; where it is stays on this host. */
export interface DeclaredDatabase {
  readonly name: string;
  readonly url: string | undefined;
  readonly urlFile: string | undefined;
}

/** Reads the list under `key`. */
export function readDatabases(fields: Fields, key = "databases"): DeclaredDatabase[] {
  return fields.each(key).map((database): DeclaredDatabase => {
    const read = {
      name: required(database, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      url: database.text("url", undefined, "a postgres:// URL", /^postgres(ql)?:\/\//),
      urlFile: database.text("urlFile", undefined, "an absolute path", absolutePath),
    };
    if ((read.url === undefined) === (read.urlFile === undefined)) {
      database.fault("url", undefined, "either url or urlFile");
    }
    database.done();
    return read;
  });
}
