/** MCP over a WebSocket: one JSON-RPC message a text frame, both eras. */
import type { JSONRPCMessage, MessageExtraInfo, Transport } from "@modelcontextprotocol/server";
import type { RawData, WebSocket } from "ws";
import { readMessage } from "./read-message.js";

/** What may wait for a client that does not read; more, and it is given up. */
const UNREAD_BYTES_MAX = 4 * 1024 * 1024;

export const CLOSE_CODES = {
  goingAway: 1001,
  unsupportedData: 1003,
  policy: 1008,
  tooSlow: 1013,
} as const;

export class WebSocketTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: <T extends JSONRPCMessage>(message: T, extra?: MessageExtraInfo) => void;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  async start(): Promise<void> {
    this.#socket.on("message", (data, isBinary) => {
      if (isBinary) this.#socket.close(CLOSE_CODES.unsupportedData, "text only");
      else this.#take(data);
    });
    this.#socket.on("error", (error) => this.onerror?.(error));
    this.#socket.once("close", () => this.onclose?.());
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) throw new Error("the WebSocket is closed");
    if (this.#socket.bufferedAmount > UNREAD_BYTES_MAX) {
      this.#giveUp();
      throw new Error(`the client has left more than ${UNREAD_BYTES_MAX} bytes unread`);
    }
    this.#socket.send(JSON.stringify(message));
  }

  async close(): Promise<void> {
    this.#socket.close(CLOSE_CODES.goingAway, "the server ends");
  }

  #take(data: RawData): void {
    const read = readMessage(textOf(data));
    if (read.kind === "message") this.onmessage?.(read.message);
    else if (this.#socket.bufferedAmount > UNREAD_BYTES_MAX) this.#giveUp();
    else this.#socket.send(JSON.stringify(read.answer));
  }

  #giveUp(): void {
    this.#socket.close(CLOSE_CODES.tooSlow, "reads too slowly");
  }
}

function textOf(data: RawData): string {
  if (Buffer.isBuffer(data)) return data.toString("utf8");
  return Array.isArray(data) ? Buffer.concat(data).toString("utf8") : Buffer.from(data).toString("utf8");
}
