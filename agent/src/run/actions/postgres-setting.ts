/** One setting of PostgreSQL: what it is, whether a value can be taken, and when a change has been taken. */
import type { Client } from "pg";
import type { ActionContext } from "../action.js";
import { exactTime } from "./database-session.js";

/** A setting as pg_settings and the server's files have it. */
export interface Setting {
  /** The value with its unit, as SHOW gives it. */
  readonly shown: string;
  /** What ALTER SYSTEM wrote; null when it wrote nothing. */
  readonly fileValue: string | null;
  readonly unit: string | null;
  /** When a change counts: `postmaster` after a restart, `sighup` and below after a reload, `internal` never. */
  readonly context: string;
  readonly type: string;
  readonly least: string | null;
  readonly most: string | null;
  readonly choices: readonly string[] | null;
  readonly pendingRestart: boolean;
  readonly source: string;
  /** What the server found wrong with the file's value; null for nothing. */
  readonly fileError: string | null;
  readonly inRecovery: boolean;
  readonly standbys: number;
}

/** Reads a setting; undefined when there is none of that name. Needs a login that may read the server's files' view. */
export async function readSetting(client: Client, name: string): Promise<Setting | undefined> {
  const { rows } = await client.query<Setting>(
    `SELECT current_setting(s.name) AS shown, f.setting AS "fileValue", s.unit, s.context, s.vartype AS type,
            s.min_val AS least, s.max_val AS most, s.enumvals AS choices, s.pending_restart AS "pendingRestart",
            s.source, e.error AS "fileError", pg_is_in_recovery() AS "inRecovery",
            (SELECT count(*)::int FROM pg_stat_replication) AS standbys
       FROM pg_settings s
       LEFT JOIN LATERAL (SELECT setting FROM pg_file_settings
                           WHERE name = s.name AND sourcefile LIKE '%/postgresql.auto.conf'
                           ORDER BY seqno DESC LIMIT 1) f ON true
       LEFT JOIN LATERAL (SELECT error FROM pg_file_settings
                           WHERE name = s.name AND error IS NOT NULL
                             AND error <> 'setting could not be applied' LIMIT 1) e ON true
      WHERE s.name = $1`,
    [name],
  );
  return rows[0];
}

/** Why a value cannot be taken, as far as that can be known without trying; undefined when nothing speaks against it. */
export function whyNotThisValue(setting: Setting, value: string | undefined): string | undefined {
  if (setting.context === "internal")
    return "this setting is fixed when the server is built or its data made";
  if (value === undefined) {
    return setting.fileValue === null ? "there is nothing to reset: ALTER SYSTEM has not set it" : undefined;
  }
  switch (setting.type) {
    case "bool":
      return /^(on|off|true|false|yes|no|1|0)$/i.test(value) ? undefined : `${value}: expected on or off`;
    case "enum":
      return setting.choices?.includes(value.toLowerCase()) === true
        ? undefined
        : `${value}: expected one of ${setting.choices?.join(", ") ?? ""}`;
    case "integer":
    case "real":
      return whyNotThisNumber(setting, value);
    default:
      return undefined;
  }
}

function whyNotThisNumber({ least, most, unit }: Setting, value: string): string | undefined {
  const match = /^(-?\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(value);
  const range = `${least} to ${most}${unit === null ? "" : ` (in ${unit})`}`;
  if (match === null) return `${value}: expected a number from ${range}`;
  // A value with a unit of its own is in another scale than the bounds; the server judges it when it is set.
  if (match[2] !== "") return unit === null ? `${value}: this setting has no unit` : undefined;
  const number = Number(match[1]);
  const within = number >= Number(least ?? -Infinity) && number <= Number(most ?? Infinity);
  return within ? undefined : `${value}: expected a number from ${range}`;
}

/** Whether a change has been taken, and how. */
export type Settled =
  | { readonly kind: "settled"; readonly setting: Setting; readonly needsRestart: boolean }
  | { readonly kind: "not"; readonly because: string };

const settleMs = 5_000;

/** When this session's server last read its files. */
export async function loadTime(client: Client): Promise<string> {
  const { rows } = await client.query<{ at: string }>(`SELECT ${exactTime("pg_conf_load_time()")} AS at`);
  return rows[0]?.at ?? "";
}

/** Waits until the server has read its files since `loadedBefore`: the reload is asked for, not done. */
export async function settled(
  client: Client,
  name: string,
  value: string | undefined,
  loadedBefore: string,
  { system }: ActionContext,
): Promise<Settled> {
  const until = system.clock.monotonic() + settleMs;
  for (;;) {
    const isLoaded = (await loadTime(client)) > loadedBefore;
    const setting = await readSetting(client, name);
    if (setting === undefined) return { kind: "not", because: "the setting is gone" };
    if (setting.fileError !== null) return { kind: "not", because: setting.fileError };
    const isWritten = setting.fileValue === (value ?? null);
    if (isLoaded && isWritten) {
      const counts = value === undefined || setting.pendingRestart || setting.source === "configuration file";
      if (counts) return { kind: "settled", setting, needsRestart: setting.pendingRestart };
      return { kind: "not", because: `it is ${setting.shown} all the same, for ${setting.source} sets it` };
    }
    if (system.clock.monotonic() >= until) {
      const because = isLoaded
        ? `the server's file has ${setting.fileValue ?? "nothing"}`
        : "the server has not read its files again";
      return { kind: "not", because };
    }
    await system.timers.sleep(50);
  }
}
