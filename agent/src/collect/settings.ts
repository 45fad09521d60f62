import { readRepository } from "../backups/repository.js";
import { type Fault, Fields } from "../fields.js";
import type {
  CertificateFiles,
  CollectSettings,
  DeclaredProcess,
  HttpProbe,
  ScrapeTarget,
  TlsEndpoint,
} from "./collect-settings.js";
import { DISK_EXCLUDE } from "./host/disk.js";
import { FS_TYPES_EXCLUDE, MOUNT_POINTS_EXCLUDE } from "./host/mountinfo.js";

export type { CollectSettings } from "./collect-settings.js";

/** Where servers keep certificates. The system's bundle of authorities is not among them: its roots are not ours to renew. */
const DEFAULT_CERTIFICATE_GLOBS = [
  "/etc/letsencrypt/live/*/fullchain.pem",
  "/etc/nginx/**/*.pem",
  "/etc/nginx/**/*.crt",
  "/etc/apache2/**/*.pem",
  "/etc/apache2/**/*.crt",
  "/etc/haproxy/**/*.pem",
  "/etc/postgresql/**/*.crt",
  "/var/lib/postgresql/*/*/server.crt",
  "/etc/redis/**/*.crt",
  "/etc/vault.d/**/*.crt",
  "/etc/vault.d/**/*.pem",
  "/etc/kubernetes/pki/**/*.crt",
];

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
// Beyond five minutes a series is stale in Prometheus' eyes before the next sample comes.
const INTERVAL_MS_MAX = 4 * MINUTE_MS;
const MEBIBYTE = 1_048_576;
const ABSOLUTE = /^\/[^\0]*$/u;
const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]{1,253})):(\d{1,5})$/u;
const LABEL_NAME = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/u;
const PROBE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/u;
const UNIT_NAME = /^[A-Za-z0-9:_.\\][A-Za-z0-9:_.@\\-]*\.(?:service|socket|timer|mount|target|path)$/u;

/**
 * Checks the `collect` part of a configuration (already parsed from YAML) and fills in defaults. Answers with all faults
 * at once; the settings are only good when there are none. `intervalMs` is the agent's own interval, for those that
 * name none. Bounds: 64 scrape targets, 64 probes, 256 endpoints, 64 globs, 128 units, 64 declared processes.
 */
export function parseCollectSettings(
  value: unknown,
  intervalMs = 15 * SECOND_MS,
  path = "collect",
): { readonly settings: CollectSettings; readonly faults: readonly Fault[] } {
  const faults: Fault[] = [];
  const fields = new Fields(value, path, faults);
  const settings: CollectSettings = {
    intervalMs: fields.integer("intervalMs", intervalMs, SECOND_MS, INTERVAL_MS_MAX),
    roots: roots(fields.within("roots")),
    filesystem: filesystem(fields.within("filesystem")),
    network: devices(fields.within("network"), undefined),
    disk: devices(fields.within("disk"), DISK_EXCLUDE),
    backups: backups(fields.within("backups")),
    certificates: certificates(fields.within("certificates")),
    services: services(fields.within("services")),
    processes: processes(fields.within("processes")),
    scrape: eachUpTo(fields, "scrape", 64).map((target) => scrapeTarget(target, intervalMs)),
    probes: eachUpTo(fields, "probes", 64).map(httpProbe),
  };
  fields.done();
  noTwoAlike(settings.scrape, `${path}.scrape`, faults);
  for (const [i, { name }] of settings.probes.entries()) {
    const first = settings.probes.findIndex((probe) => probe.name === name);
    if (first !== i)
      faults.push({
        path: `${path}.probes[${i}].name`,
        value: name,
        expected: `another name than ${path}.probes[${first}] has`,
      });
  }
  return { settings, faults };
}

function roots(fields: Fields): CollectSettings["roots"] {
  const expected = "an absolute path";
  const answer = {
    proc: fields.text("proc", "/proc", expected, ABSOLUTE) ?? "/proc",
    sys: fields.text("sys", "/sys", expected, ABSOLUTE) ?? "/sys",
  };
  fields.done();
  return answer;
}

function filesystem(fields: Fields): CollectSettings["filesystem"] {
  const answer = {
    mountPointsExclude: pattern(fields, "mountPointsExclude") ?? MOUNT_POINTS_EXCLUDE,
    fsTypesExclude: pattern(fields, "fsTypesExclude") ?? FS_TYPES_EXCLUDE,
    mountsMax: fields.integer("mountsMax", 128, 1, 1_000),
    timeoutMs: fields.integer("timeoutMs", 2 * SECOND_MS, 100, MINUTE_MS),
  };
  fields.done();
  return answer;
}

function devices(fields: Fields, exclude: RegExp | undefined): CollectSettings["network"] {
  const answer = {
    exclude: pattern(fields, "exclude") ?? exclude,
    devicesMax: fields.integer("devicesMax", 64, 1, 1_000),
  };
  fields.done();
  return answer;
}

function certificates(fields: Fields): CollectSettings["certificates"] {
  const files = listUpTo(fields, "files", 64).map((item, i): CertificateFiles => {
    // A path alone is short for a map with nothing but a glob.
    const file = new Fields(
      typeof item === "string" ? { glob: item } : item,
      fields.at(`files[${i}]`),
      fields.faults,
    );
    const glob = required(file, "glob", "an absolute path, in which *, ? and ** may stand", ABSOLUTE);
    const passwordFile = file.text("passwordFile", undefined, "an absolute path", ABSOLUTE);
    file.done();
    return { glob, passwordFile };
  });
  const answer = {
    intervalMs: fields.integer("intervalMs", MINUTE_MS, 5 * SECOND_MS, INTERVAL_MS_MAX),
    timeoutMs: fields.integer("timeoutMs", 5 * SECOND_MS, 100, MINUTE_MS),
    files: fields.has("files")
      ? files
      : DEFAULT_CERTIFICATE_GLOBS.map((glob) => ({ glob, passwordFile: undefined })),
    endpoints: listUpTo(fields, "endpoints", 256).map((item, i) =>
      endpoint(
        new Fields(
          typeof item === "string" ? { address: item } : item,
          fields.at(`endpoints[${i}]`),
          fields.faults,
        ),
      ),
    ),
  };
  fields.done();
  return answer;
}

function backups(fields: Fields): CollectSettings["backups"] {
  const answer = {
    repositories: eachUpTo(fields, "repositories", 16).map((one) => {
      const repository = readRepository(one);
      one.done();
      return repository;
    }),
    // Each look starts a program or two, and reads a folder's names.
    intervalMs: fields.integer("intervalMs", MINUTE_MS, 5 * SECOND_MS, INTERVAL_MS_MAX),
  };
  fields.done();
  return answer;
}

function endpoint(fields: Fields): TlsEndpoint {
  const address = required(fields, "address", "host:port, an IPv6 address in brackets", ADDRESS);
  const match = ADDRESS.exec(address);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3] ?? 0);
  if (match !== null && (port < 1 || port > 65_535))
    fields.fault("address", address, "a port from 1 to 65535");
  const serverName = fields.text("serverName", host, "a DNS name", /^[^\s/:]{1,253}$/u) ?? host;
  const caFile = fields.text("caFile", undefined, "an absolute path of a PEM file", ABSOLUTE);
  fields.done();
  return { host, port, serverName, caFile };
}

function services(fields: Fields): CollectSettings["services"] {
  const units = fields.texts("units", 'a unit name such as "nginx.service"', UNIT_NAME);
  if (units.length > 128) fields.fault("units", units.length, "at most 128 items");
  // Not more often than a minute: this is the one reading that starts a program.
  const answer = { units, intervalMs: fields.integer("intervalMs", MINUTE_MS, MINUTE_MS, HOUR_MS) };
  fields.done();
  return answer;
}

function processes(fields: Fields): CollectSettings["processes"] {
  const answer = {
    declared: eachUpTo(fields, "declared", 64).map(declaredProcess),
    topCount: fields.integer("topCount", 10, 0, 50),
    intervalMs: fields.integer("intervalMs", MINUTE_MS, 5 * SECOND_MS, HOUR_MS),
  };
  fields.done();
  return answer;
}

function declaredProcess(fields: Fields): DeclaredProcess {
  const name = required(fields, "name", "the process' name, of 1 to 128 characters", /^.{1,128}$/u);
  const path = fields.text("pidFile", undefined, "an absolute path", ABSOLUTE);
  const contains = fields.text("command", undefined, "a text of its command line", /^.{1,512}$/u);
  if (fields.has("pidFile") === fields.has("command")) {
    fields.fault("pidFile", fields.raw("pidFile"), "either pidFile or command, and not both");
  }
  fields.done();
  if (path !== undefined) return { name, find: { kind: "pid-file", path } };
  return { name, find: { kind: "command", contains: contains ?? "" } };
}

function scrapeTarget(fields: Fields, intervalByDefaultMs: number): ScrapeTarget {
  const job = required(
    fields,
    "job",
    "the job's name, of 1 to 128 characters, which becomes the label job",
    /^.{1,128}$/u,
  );
  const url = scrapeUrl(fields);
  const intervalMs = fields.integer("intervalMs", intervalByDefaultMs, SECOND_MS, INTERVAL_MS_MAX);
  const labels = fields.textMap(
    "labels",
    LABEL_NAME,
    "label names of letters, digits and _, not beginning with __, with texts",
  );
  const answer = {
    job,
    url: url?.href ?? "",
    intervalMs,
    timeoutMs: fields.integer("timeoutMs", Math.min(10 * SECOND_MS, intervalMs), 100, intervalMs),
    bearerTokenFile: fields.text("bearerTokenFile", undefined, "an absolute path", ABSOLUTE),
    caFile: fields.text("caFile", undefined, "an absolute path of a PEM file", ABSOLUTE),
    serverName: fields.text("serverName", undefined, "a DNS name"),
    labels,
    sampleLimit: fields.integer("sampleLimit", 10_000, 1, 100_000),
    bodyBytesMax: fields.integer("bodyBytesMax", 8 * MEBIBYTE, 1_024, 64 * MEBIBYTE),
  };
  fields.done();
  return answer;
}

function httpProbe(fields: Fields): HttpProbe {
  const name = required(fields, "name", "a name of a-z, 0-9 and -, at most 63 characters", PROBE_NAME);
  const url = scrapeUrl(fields);
  const intervalMs = fields.integer("intervalMs", 30 * SECOND_MS, SECOND_MS, INTERVAL_MS_MAX);
  const answer = {
    name,
    url: url?.href ?? "",
    intervalMs,
    timeoutMs: fields.integer("timeoutMs", Math.min(5 * SECOND_MS, intervalMs), 100, intervalMs),
    bearerTokenFile: fields.text("bearerTokenFile", undefined, "an absolute path", ABSOLUTE),
    caFile: fields.text("caFile", undefined, "an absolute path of a PEM file", ABSOLUTE),
    serverName: fields.text("serverName", undefined, "a DNS name"),
  };
  fields.done();
  return answer;
}

function scrapeUrl(fields: Fields): URL | undefined {
  const text = required(fields, "url", "a URL such as http://127.0.0.1:9100/metrics");
  if (text === "") return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    fields.fault("url", text, "a URL that begins with http:// or https://");
    return undefined;
  }
  if (url.username !== "" || url.password !== "") {
    fields.fault("url", text, "a URL without user and password; bearerTokenFile names a file with a token");
    return undefined;
  }
  return url;
}

/** A text that has to be there; "" after saying that it is not. */
function required(fields: Fields, key: string, expected: string, accepts?: RegExp): string {
  if (!fields.has(key)) fields.fault(key, undefined, expected);
  return fields.text(key, undefined, expected, accepts) ?? "";
}

function pattern(fields: Fields, key: string): RegExp | undefined {
  const expected = "a regular expression";
  const text = fields.text(key, undefined, expected);
  if (text === undefined) return undefined;
  try {
    return new RegExp(text, "u");
  } catch {
    fields.fault(key, text, expected);
    return undefined;
  }
}

function listUpTo(fields: Fields, key: string, max: number): readonly unknown[] {
  const list = fields.list(key);
  if (list.length > max) fields.fault(key, list.length, `at most ${max} items`);
  return list.slice(0, max);
}

function eachUpTo(fields: Fields, key: string, max: number): readonly Fields[] {
  const each = fields.each(key);
  if (each.length > max) fields.fault(key, each.length, `at most ${max} items`);
  return each.slice(0, max);
}

/** Two targets with the same labels would write the same series in turn. */
function noTwoAlike(targets: readonly ScrapeTarget[], path: string, faults: Fault[]): void {
  const seen = new Map<string, number>();
  for (const [i, { job, labels, url }] of targets.entries()) {
    // One whose URL is at fault has been told of.
    if (url === "") continue;
    const instance = new URL(url).host;
    const key = JSON.stringify(Object.entries({ instance, ...labels, job }).sort());
    const first = seen.get(key);
    if (first === undefined) seen.set(key, i);
    else
      faults.push({
        path: `${path}[${i}].labels`,
        value: labels,
        expected: `another job, instance or label than ${path}[${first}] has`,
      });
  }
}
