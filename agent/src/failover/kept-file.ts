/** What a node's failover never forgets, in one file that is replaced whole, and how often it was started. */
import { join } from "node:path";
import { type AgentKept, firstKept } from "@mainstay/proto/failover/agent-state";
import type { Holders, NodeId } from "@mainstay/proto/failover/words";
import { isRecord } from "../fields.js";
import { makePrivateDirectory, readIfThere, writePrivateFile } from "../identity/state-files.js";

export class KeptFile {
  readonly #path: string;
  readonly #cluster: string;
  /** As it was when this process started, or as it begins. */
  readonly first: AgentKept;
  /** Higher than at every earlier start. */
  readonly boot: number;

  /**
   * Opens what is kept of `cluster` in `directory`. Throws when it cannot be read: a node that forgot what it promised
   * must not vote, and only a person may say that it is new.
   */
  constructor(directory: string, cluster: string, node: NodeId, firstPrimary: NodeId) {
    makePrivateDirectory(directory);
    this.#path = join(directory, "kept.json");
    this.#cluster = cluster;
    const text = readIfThere(this.#path);
    if (text === undefined) {
      this.first = firstKept(firstPrimary, node);
      this.boot = 1;
    } else {
      const read = parseKept(text, cluster);
      if (read === undefined) {
        throw new Error(
          `${this.#path}: not what failover of "${cluster}" keeps; a node that forgot what it promised must not vote`,
        );
      }
      this.first = read.kept;
      this.boot = read.boot + 1;
    }
    this.write(this.first);
  }

  /** Durable when it returns. Throws what the file system throws. */
  write(kept: AgentKept): void {
    writePrivateFile(this.#path, `${JSON.stringify({ cluster: this.#cluster, boot: this.boot, kept })}\n`);
  }
}

export function parseKept(
  text: string,
  cluster: string,
): { readonly boot: number; readonly kept: AgentKept } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || value["cluster"] !== cluster || !isRecord(value["kept"])) return undefined;
  const { role, following, joining, holders } = value["kept"];
  const whole = (from: Readonly<Record<string, unknown>>, key: string): number => {
    const number = from[key];
    return typeof number === "number" && Number.isSafeInteger(number) && number >= 0 ? number : Number.NaN;
  };
  const read = value["kept"];
  const numbers = {
    promised: whole(read, "promised"),
    epoch: whole(read, "epoch"),
    began: whole(read, "began"),
    opened: whole(read, "opened"),
    surrendered: whole(read, "surrendered"),
    steppedDown: whole(read, "steppedDown"),
  };
  const boot = whole(value, "boot");
  if ([boot, ...Object.values(numbers)].some(Number.isNaN) || !Array.isArray(holders)) return undefined;
  if ((role !== "primary" && role !== "replica") || typeof joining !== "boolean") return undefined;
  if (following !== null && typeof following !== "string") return undefined;
  const several = holders.flatMap((one: unknown): Holders[] => {
    if (!isRecord(one) || !Array.isArray(one["members"])) return [];
    const members = one["members"].filter((member) => typeof member === "string");
    return [{ version: whole(one, "version"), required: whole(one, "required"), members }];
  });
  if (several.length === 0 || several.length !== holders.length) return undefined;
  if (several.some(({ version, required }) => Number.isNaN(version + required))) return undefined;
  return { boot, kept: { ...numbers, role, following, joining, holders: several } };
}
