/** What pgBackRest says, read: it is text from outside, bounded and believed in nothing but its form. Pure. */
import { isRecord } from "../fields.js";
import type { Backup } from "./backup.js";

/** So many backups are looked at, the newest. */
const backupsMax = 1_000;

export interface PgbackrestInfo {
  readonly backups: readonly Backup[];
  /** The archive of the newest database that the stanza knows: its id, and the newest segment in it. */
  readonly archive: { readonly id: string; readonly newest: string } | undefined;
  /** What pgBackRest itself says is wrong; empty when nothing is. */
  readonly wrong: string;
}

const segment = /^[0-9A-F]{24}$/;

/** `info --output=json` of one stanza. Throws when it is none. */
export function readInfo(text: string, stanza: string): PgbackrestInfo {
  const parsed: unknown = JSON.parse(text);
  const found = (Array.isArray(parsed) ? parsed : []).find(
    (one): one is Readonly<Record<string, unknown>> => isRecord(one) && one["name"] === stanza,
  );
  if (found === undefined) throw new Error(`pgBackRest knows no stanza "${stanza}"`);
  const status = isRecord(found["status"]) ? found["status"] : {};
  const archives = list(found["archive"]).filter(({ max }) => typeof max === "string" && segment.test(max));
  const archive = archives.at(-1);
  return {
    backups: list(found["backup"]).slice(-backupsMax).flatMap(readBackup),
    archive:
      archive === undefined ? undefined : { id: text100(archive["id"]), newest: text100(archive["max"]) },
    wrong: status["code"] === 0 ? "" : text100(status["message"]),
  };
}

/** A backup that pgBackRest saw page faults in (`error`) is one all the same, and is told as such. */
function readBackup(one: Readonly<Record<string, unknown>>): readonly Backup[] {
  const { label, type, error } = one;
  const times = isRecord(one["timestamp"]) ? one["timestamp"] : {};
  const archive = isRecord(one["archive"]) ? one["archive"] : {};
  const info = isRecord(one["info"]) ? one["info"] : {};
  const { start, stop } = times;
  if (typeof label !== "string" || !/^[0-9]{8}-[0-9]{6}F(_[0-9]{8}-[0-9]{6}[DI])?$/.test(label)) return [];
  if (typeof start !== "number" || typeof stop !== "number") return [];
  return [
    {
      label,
      type: typeof type === "string" ? type.slice(0, 10) : "full",
      startedAt: start * 1_000,
      endedAt: stop * 1_000,
      bytes: typeof info["size"] === "number" ? info["size"] : 0,
      firstSegment: text100(archive["start"]),
      faulty: error === true,
    },
  ];
}

/** When the newest segment came into the repository, in ms since the epoch, by `repo-ls --output=json` of its folder. */
export function readSegmentTime(text: string, name: string): number | undefined {
  const parsed: unknown = JSON.parse(text);
  if (!isRecord(parsed)) return undefined;
  for (const [file, about] of Object.entries(parsed)) {
    if (file.slice(0, 24) !== name || !/^.{24}-[0-9a-f]{40}/.test(file)) continue;
    const time = isRecord(about) ? about["time"] : undefined;
    if (typeof time === "number") return time * 1_000;
  }
  return undefined;
}

/** What `verify --output=text --verbose` found; it ends with 0 whatever it found. */
export interface Verification {
  readonly good: boolean;
  /** One line. */
  readonly says: string;
}

const INVALID = /invalid checksum '([^'\n]{1,300})'/g;

/** Good only when it says so and counts nothing that is wrong: silence is no answer. */
export function readVerification(text: string): Verification {
  const status = /^\s*status: (\w+)/m.exec(text)?.[1];
  const counts = [...text.matchAll(/(missing|checksum invalid|size invalid|other): (\d+)/g)];
  // Told twice: by the report and by the log.
  const wrong = [...new Set(counts.filter(([, , count]) => count !== "0").map(([counted]) => counted))];
  const files = [...text.matchAll(INVALID)].map(([, file]) => file).slice(0, 5);
  if (status === "ok" && counts.length > 0 && wrong.length === 0 && files.length === 0)
    return { good: true, says: "every file of the repository is as it was written" };
  const named = files.length === 0 ? "" : ` (${files.join(", ")})`;
  return {
    good: false,
    says: `the repository's status is ${status ?? "not told"}: ${wrong.join(", ") || "nothing was counted"}${named}`,
  };
}

const text100 = (value: unknown): string => (typeof value === "string" ? value.slice(0, 100) : "");

const list = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.filter(isRecord) : [];
