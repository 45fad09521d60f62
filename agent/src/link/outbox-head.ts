/** The little that an outbox keeps beside its frames: its name, and whether it was closed in order. */

/** The head as it is stored in outbox.json. */
export interface OutboxHead {
  readonly id: string;
  readonly bootId: string;
  readonly closed: boolean;
  readonly lastSequence: bigint;
}

/** Reads the stored head; undefined when there is none that can be read. */
export function readHead(text: string | undefined): OutboxHead | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    const { id, bootId, closed, lastSequence } = Object(value) as Readonly<Record<string, unknown>>;
    if (typeof id !== "string" || typeof bootId !== "string") return undefined;
    return { id, bootId, closed: closed === true, lastSequence: BigInt(String(lastSequence)) };
  } catch {
    return undefined;
  }
}
