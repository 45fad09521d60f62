/** What stands in a stopped database's control file. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { programEnvironment } from "../../run/process.js";
import { parseLsn } from "./lsn.js";

export interface ControlData {
  /** PostgreSQL's own words: `in production`, `shut down`, `in archive recovery` and so on. */
  readonly state: string;
  readonly timeline: number;
  /** A position that is surely there; there may be more. */
  readonly lsn: number;
  /** The oldest file that a recovery from here needs. */
  readonly redoFile: string;
}

const run = promisify(execFile);

/** Undefined when there is no readable one. */
export async function readControlData(
  binDirectory: string,
  dataDirectory: string,
): Promise<ControlData | undefined> {
  try {
    const { stdout } = await run(join(binDirectory, "pg_controldata"), ["-D", dataDirectory], {
      env: programEnvironment,
      timeout: 10_000,
      maxBuffer: 1_048_576,
    });
    return parseControlData(stdout);
  } catch {
    return undefined;
  }
}

export function parseControlData(text: string): ControlData | undefined {
  const fields = new Map(
    text.split("\n").map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    }),
  );
  const state = fields.get("Database cluster state");
  const checkpoint = parseLsn(fields.get("Latest checkpoint location"));
  if (state === undefined || checkpoint === undefined) return undefined;
  const recovered = parseLsn(fields.get("Minimum recovery ending location")) ?? 0;
  const timelines = ["Latest checkpoint's TimeLineID", "Min recovery ending loc's timeline"];
  return {
    state,
    timeline: Math.max(...timelines.map((key) => Number(fields.get(key) ?? 0))),
    lsn: Math.max(checkpoint, recovered),
    redoFile: fields.get("Latest checkpoint's REDO WAL file") ?? "",
  };
}
