/**
 * What a command prints, told to those who watch before it is durable: what is lost here is read from PostgreSQL. Only
 * what the node says of which this replica has ordered it.
 */
import type { NodeId } from "../kernel/ids.js";
import type { Live } from "../platform/redis/live.js";
import type { StoredOutput } from "./commands.store.js";
import type { Command, CommandEvent } from "./domain/command.js";

/** The live channel on which a command's news is told: an empty message, or a piece of its output as JSON. */
export const commandChannel = (id: string): string => `command:${id}`;

/** Commands whose output may be told; of older ones it is read when it is durable. */
const EXPECTED_MAX = 10_000;

export class LiveOutput {
  readonly #live: Live;
  readonly #expected = new Map<string, { readonly node: NodeId; readonly attempt: number }>();

  constructor(live: Live) {
    this.#live = live;
  }

  /** The order to run has gone to this node. */
  expect({ id, nodeId, attempt }: Command): void {
    const oldest = this.#expected.keys().next();
    if (this.#expected.size >= EXPECTED_MAX && oldest.done !== true) this.#expected.delete(oldest.value);
    this.#expected.set(id, { node: nodeId, attempt });
  }

  /** There is something new to read. */
  tellNews(id: string): void {
    this.#live.publish(commandChannel(id), "");
  }

  tell(from: NodeId, { commandId, attempt, mode, sequence, at, what }: CommandEvent): void {
    if (what.kind !== "output" || mode !== "run") return;
    const expected = this.#expected.get(commandId);
    if (expected?.node !== from || expected.attempt !== attempt) return;
    const data = Buffer.from(what.data).toString("base64");
    this.#live.publish(commandChannel(commandId), JSON.stringify({ ...what, sequence, at, data }));
  }
}

/** A message of the channel as a piece of output; undefined when it only says that there is news. */
export function readLiveOutput(message: string): StoredOutput | undefined {
  if (message === "") return undefined;
  const piece = JSON.parse(message) as Omit<StoredOutput, "data"> & { readonly data: string };
  return { ...piece, data: new Uint8Array(Buffer.from(piece.data, "base64")) };
}
