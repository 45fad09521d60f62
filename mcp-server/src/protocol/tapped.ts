/** A transport whose incoming messages somebody sees before the protocol does. */
import type {
  JSONRPCMessage,
  MessageExtraInfo,
  Transport,
  TransportSendOptions,
} from "@modelcontextprotocol/server";

export class TappedTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: <T extends JSONRPCMessage>(message: T, extra?: MessageExtraInfo) => void;
  readonly #wire: Transport;
  readonly #before: (message: JSONRPCMessage) => Promise<void> | undefined;

  /** @param before a message that it answers with a promise is handed on once that has resolved */
  constructor(wire: Transport, before: (message: JSONRPCMessage) => Promise<void> | undefined) {
    this.#wire = wire;
    this.#before = before;
  }

  async start(): Promise<void> {
    this.#wire.onclose = () => this.onclose?.();
    this.#wire.onerror = (error) => this.onerror?.(error);
    this.#wire.onmessage = (message, extra) => {
      const waiting = this.#before(message);
      if (waiting === undefined) return this.onmessage?.(message, extra);
      waiting.then(
        () => this.onmessage?.(message, extra),
        (error: unknown) => this.onerror?.(error instanceof Error ? error : new Error(String(error))),
      );
    };
    await this.#wire.start();
  }

  send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    return this.#wire.send(message, options);
  }

  close(): Promise<void> {
    return this.#wire.close();
  }
}
