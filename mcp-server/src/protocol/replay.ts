/** The last messages of a session, so that a client whose stream broke can go on after the last one it has seen. */
import type { EventStore, JSONRPCMessage } from "@modelcontextprotocol/server";

const EVENTS_MAX = 128;
/** JSON characters. With every session full this is a quarter of a gigabyte. */
const CHARS_MAX = 256 * 1024;

interface Event {
  readonly id: string;
  readonly stream: string;
  /** Undefined for the first event of a stream, which only has a number. */
  readonly message: JSONRPCMessage | undefined;
  readonly chars: number;
}

export class Replay implements EventStore {
  readonly #events: Event[] = [];
  #chars = 0;
  #last = 0;

  async storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    this.#last += 1;
    const id = String(this.#last);
    const chars = JSON.stringify(message).length;
    this.#events.push({ id, stream, message: "jsonrpc" in message ? message : undefined, chars });
    this.#chars += chars;
    while (this.#events.length > EVENTS_MAX || this.#chars > CHARS_MAX) {
      this.#chars -= this.#events.shift()?.chars ?? 0;
    }
    return id;
  }

  async getStreamIdForEventId(id: string): Promise<string | undefined> {
    return this.#events.find((event) => event.id === id)?.stream;
  }

  /** What came after on the same stream. Throws for an event that is not kept any more: the client must begin anew. */
  async replayEventsAfter(
    id: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const from = this.#events.findIndex((event) => event.id === id);
    const stream = this.#events[from]?.stream;
    if (stream === undefined) throw new Error(`the event ${JSON.stringify(id)} is not kept any more`);
    for (const event of this.#events.slice(from + 1)) {
      if (event.stream === stream && event.message !== undefined) await send(event.id, event.message);
    }
    return stream;
  }
}
