/** What an agent is told about the pgbouncers that it looks after for database clusters: `poolers:` in its configuration. */
import type { NodeId } from "@mainstay/proto/failover/words";
import type { Fields } from "../../fields.js";
import type { HostPort } from "../settings.js";

/** A pgbouncer of this host. */
export interface BouncerSettings {
  /** The console's URL: the database `pgbouncer`, as an admin user. One of the two. */
  readonly url: string | undefined;
  readonly urlFile: string | undefined;
  /** Written by the agent, and by nobody else; pgbouncer's own file has `%include` of it. Absolute. */
  readonly file: string;
}

/** A database as clients ask for it. */
export interface PooledDatabase {
  readonly name: string;
  /** Such as `dbname=app pool_size=20`; where it leads is the agent's. */
  readonly options: string;
}

export interface PoolerSettings {
  /** The cluster's name at the control plane. */
  readonly cluster: string;
  readonly bouncers: readonly BouncerSettings[];
  readonly databases: readonly PooledDatabase[];
  /** Where each member's PostgreSQL is reached by pgbouncer. */
  readonly members: readonly { readonly name: NodeId; readonly postgres: HostPort }[];
}

export const poolersHelp = `  poolers:                                  # pgbouncers of this host: held while a cluster's owner is changed, led to whoever owns it
    - cluster: main
      bouncers: [{ urlFile: /etc/mainstay/pgbouncer.url, file: /etc/pgbouncer/mainstay.ini }]   # pgbouncer.ini: %include /etc/pgbouncer/mainstay.ini
      databases: [{ name: app, options: "dbname=app pool_size=20" }]
      members: [{ name: db-1, postgres: "db-1:5432" }, { name: db-2, postgres: "db-2:5432" }]
`;

const name = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const absolute = /^\/[^\0\n]+$/;
/** Names that pgbouncer's console takes unquoted. */
const databaseName = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const option =
  "(?:dbname|user|auth_user|auth_dbname|client_encoding|application_name|pool_mode|pool_size|min_pool_size|reserve_pool|max_db_connections)=[A-Za-z0-9_.:-]{1,63}";
const options = new RegExp(`^${option}( +${option}){0,9}$`);
const host = /^[A-Za-z0-9._:/-]{1,255}$/;
/** More is no list of one host's poolers. */
const LIST_MAX = 32;

/** Reads `poolers:`; empty when it is absent. What is wrong is noted in `fields`. */
export function readPoolers(
  fields: Fields,
  parse: (text: string) => HostPort | undefined,
): readonly PoolerSettings[] {
  const all = fields.each("poolers").map((part): PoolerSettings => {
    const bouncers = part.each("bouncers").map((one): BouncerSettings => {
      const read = {
        url: one.text("url", undefined, "a postgres:// URL", /^postgres(ql)?:\/\//),
        urlFile: one.text("urlFile", undefined, "an absolute path", absolute),
        file: one.text("file", undefined, "an absolute path", absolute) ?? "",
      };
      if ((read.url === undefined) === (read.urlFile === undefined)) {
        one.fault("url", undefined, "either url or urlFile");
      }
      if (read.file === "") one.fault("file", undefined, "a file that pgbouncer.ini includes");
      one.done();
      return read;
    });
    const databases = part.each("databases").map((one): PooledDatabase => {
      const called = one.text(
        "name",
        undefined,
        "a database's name of letters, digits and '_'",
        databaseName,
      );
      if (called === undefined) one.fault("name", undefined, "a database's name of letters, digits and '_'");
      const said = one.text(
        "options",
        undefined,
        "pgbouncer's options without host, port and password",
        options,
      );
      one.done();
      return { name: called ?? "", options: said ?? `dbname=${called ?? ""}` };
    });
    const members = part.each("members").map((one) => {
      const called = one.text("name", undefined, "a node's name", name);
      if (called === undefined) one.fault("name", undefined, "a node's name");
      const text = one.text("postgres", undefined, "host:port") ?? "";
      const read = parse(text);
      if (read === undefined || !host.test(read.host))
        one.fault("postgres", text, "host:port, such as db-2:5432");
      one.done();
      return { name: called ?? "", postgres: read ?? { host: "", port: 0 } };
    });
    const lists = { bouncers, databases, members };
    for (const [key, list] of Object.entries(lists)) {
      if (list.length === 0 || list.length > LIST_MAX)
        part.fault(key, list.length, `1 to ${LIST_MAX} of them`);
    }
    const cluster = part.text("cluster", undefined, "1 to 63 of a-z, 0-9 and '-'", name);
    if (cluster === undefined) part.fault("cluster", undefined, "1 to 63 of a-z, 0-9 and '-'");
    part.done();
    return { cluster: cluster ?? "", ...lists };
  });
  const clusters = all.map(({ cluster }) => cluster);
  if (new Set(clusters).size < clusters.length) fields.fault("poolers", clusters, "each cluster once");
  return all;
}
