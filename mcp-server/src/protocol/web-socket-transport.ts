/** MCP over a WebSocket: one JSON-RPC message a text frame, both eras. */
import {
  type JSONRPCMessage,
  type MessageExtraInfo,
  parseJSONRPCMessage,
  type Transport,
} from "@modelcontextprotocol/server";
import type { RawData, WebSocket } from "ws";

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
      this.#socket.close(CLOSE_CODES.tooSlow, "reads too slowly");
      throw new Error(`the client has left more than ${UNREAD_BYTES_MAX} bytes unread`);
    }
    this.#socket.send(JSON.stringify(message));
  }

  async close(): Promise<void> {
    this.#socket.close(CLOSE_CODES.goingAway, "the server ends");
  }

  #take(data: RawData): void {
    let json: unknown;
    try {
      json = JSON.parse(textOf(data));
    } catch {
      this.#refuse(-32_700, "Parse error: the message is not JSON");
      return;
    }
    let message: JSONRPCMessage;
    try {
      message = parseJSONRPCMessage(json);
    } catch {
      this.#refuse(-32_600, "Invalid Request: not one message of JSON-RPC 2.0");
      return;
    }
    this.onmessage?.(message);
  }

  #refuse(code: number, message: string): void {
    if (this.#socket.bufferedAmount > UNREAD_BYTES_MAX) {
      this.#socket.close(CLOSE_CODES.tooSlow, "reads too slowly");
    } else {
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id: null, error: { code, message } }));
    }
  }
}

function textOf(data: RawData): string {
  if (Buffer.isBuffer(data)) return data.toString("utf8");
  return Array.isArray(data) ? Buffer.concat(data).toString("utf8") : Buffer.from(data).toString("utf8");
}
