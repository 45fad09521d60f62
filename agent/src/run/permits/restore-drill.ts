/** Whether this host lets backups be restored beside the live data to see whether they are any good, and which. Pure. */
import { type Repository, readRepository } from "../../backups/repository.js";
import type { Fields } from "../../fields.js";
import { declared, declaredName, deny, required, requiredName, type Verdict } from "../verdict.js";

/** Repositories out of which a scratch server may be restored. */
export interface RestoreDrillPolicy {
  readonly repositories: readonly DrillRepository[];
}

export interface DrillRepository extends Repository {
  /** Below it each drill has a folder of its own, which goes with it. */
  readonly scratch: string;
  /** A superuser of the database that is restored. */
  readonly superuser: string;
  /** Questions of this host's own to what was restored. */
  readonly probes: readonly RestoreProbe[];
  /** Answers with the time of the newest row that there is, or with nothing: by it the loss is measured. */
  readonly marker: { readonly database: string; readonly query: string } | undefined;
}

/** Answers with one number. */
export interface RestoreProbe {
  readonly name: string;
  readonly database: string;
  readonly query: string;
  /** Less than that is a failure. */
  readonly atLeast: number;
}

/** A socket below it has a path of at most 107 bytes. */
const scratchPath = /^\/[^\0]{0,59}$/;
const database = /^[^\0\n'"]{1,63}$/;
const query = /^[^\0]{1,4000}$/;
const role = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
const probesMax = 32;
/** With its offset, so that it is one moment everywhere. */
const moment = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})$/;

export function readRestoreDrill(fields: Fields): RestoreDrillPolicy {
  const repositories = fields.each("repositories").map((one): DrillRepository => {
    const probes = one.each("probes").map((probe): RestoreProbe => {
      const read = {
        name: required(probe, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
        database: required(probe, "database", "a database's name", database),
        query: required(probe, "query", "a query that answers with one number", query),
        atLeast: probe.integer("atLeast", 1, 0, Number.MAX_SAFE_INTEGER),
      };
      probe.done();
      return read;
    });
    if (probes.length > probesMax) one.fault("probes", probes.length, `at most ${probesMax}`);
    const read = {
      ...readRepository(one),
      scratch: required(one, "scratch", "an absolute path of at most 60 characters", scratchPath),
      superuser: one.text("superuser", "postgres", "a role's name", role) ?? "",
      probes,
      marker: one.has("marker") ? readMarker(one.within("marker")) : undefined,
    };
    if (/^\/+$/.test(read.scratch)) one.fault("scratch", read.scratch, "a directory below /");
    one.done();
    return read;
  });
  fields.done();
  return { repositories };
}

function readMarker(fields: Fields): NonNullable<DrillRepository["marker"]> {
  const read = {
    database: required(fields, "database", "a database's name", database),
    query: required(fields, "query", "a query that answers with one time", query),
  };
  fields.done();
  return read;
}

export function allowRestoreDrill(own: RestoreDrillPolicy | undefined, fields: Fields): Verdict {
  const repository = requiredName(fields, "repository", "repository");
  const to = fields.text("to", undefined, "a moment such as 2026-11-22T10:00:00Z", moment);
  if (to !== undefined && !Number.isFinite(Date.parse(to)))
    fields.fault("to", to, "a moment such as 2026-11-22T10:00:00Z");
  if (own === undefined) return deny("actions.restoreDrill is not set on this host");
  if (declared(own.repositories, repository) === undefined)
    return deny(`${repository} is not in actions.restoreDrill.repositories`);
  return { kind: "allow", arguments: { action: "restore-drill", repository, to } };
}
