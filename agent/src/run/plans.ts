/** Plans that previews made, by hash. A run carries out one of these and nothing else. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { makePrivateDirectory, readIfThere, writePrivateFile } from "../identity/state-files.js";
import { canonicalJson, type Json, sha256Hex } from "./canonical.js";

/**
 * What undoes a plan once it ran: an action of this host with its arguments; `irreversible` when nothing does;
 * `nothing-to-undo` when a run leaves no state that an undo could bring back (a look, a copy, a rebuilt index).
 */
export type Inverse =
  | { readonly action: string; readonly arguments: { readonly [key: string]: Json } }
  | "irreversible"
  | "nothing-to-undo";

/** A plan as every action makes it: what it is for, and what exactly would be done. */
export interface Plan {
  readonly action: string;
  /** The effective arguments. */
  readonly arguments: { readonly [key: string]: Json };
  /** What undoes it; absent in plans of the agent's first version. */
  readonly inverse?: Inverse;
  /** The state that it rests on, as the action names it, and the SHA-256 (hex) of its canonical JSON. Absent in older plans. */
  readonly observed?: { readonly [key: string]: Json };
  readonly stateHash?: string;
  readonly [part: string]: Json;
}

const plansMax = 200;

/** What runs and previews need of the plans. */
export type Plans = Pick<PlanStore, "save" | "find">;

/** Plans on disk, one file each, the newest kept. */
export class PlanStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    makePrivateDirectory(directory);
  }

  /** Stores a plan durably; answers with its hash. The same plan has the same hash. */
  save(plan: Plan): string {
    const text = canonicalJson(plan);
    const hash = sha256Hex(text);
    writePrivateFile(join(this.#directory, `${hash}.json`), text);
    this.#tidy();
    return hash;
  }

  /** A plan's canonical text; undefined when this agent made none of that hash, or the file is not what it was. */
  text(hash: string): string | undefined {
    if (!/^[0-9a-f]{64}$/.test(hash)) return undefined;
    const text = readIfThere(join(this.#directory, `${hash}.json`));
    return text !== undefined && sha256Hex(text) === hash ? text : undefined;
  }

  /** A plan. */
  find(hash: string): Plan | undefined {
    const text = this.text(hash);
    if (text === undefined) return undefined;
    const value: unknown = JSON.parse(text);
    return isPlan(value) ? value : undefined;
  }

  #tidy(): void {
    const names = readdirSync(this.#directory).filter((name) => name.endsWith(".json"));
    if (names.length <= plansMax) return;
    const byAge = names
      .map((name) => ({ name, at: statSync(join(this.#directory, name)).mtimeMs }))
      .sort((a, b) => a.at - b.at);
    for (const { name } of byAge.slice(0, names.length - plansMax))
      rmSync(join(this.#directory, name), { force: true });
  }
}

function isPlan(value: unknown): value is Plan {
  const { action, arguments: args } = Object(value) as Readonly<Record<string, unknown>>;
  return typeof action === "string" && typeof args === "object" && args !== null;
}
