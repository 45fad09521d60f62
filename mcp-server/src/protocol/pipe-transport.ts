/**
 * MCP over a pair of pipes: one JSON-RPC message a line, both eras. Answers that are ready together are written together:
 * a system call for each costs as much as the call. A client that does not read its answers is not read from either.
 */
import type { Readable, Writable } from "node:stream";
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/server";
import { invalid, type Refused, readMessage } from "./read-message.js";

export interface PipeOptions {
  /** Bytes of a line; a longer one is answered with an error and passed over. */
  readonly messageBytesMax: number;
}

/** UTF-16 units that may wait for the client before it is no longer listened to. */
const UNREAD_MAX = 1_024 * 1_024;
/** What may wait in all: the answers to what was asked before, and changes. More, and the client is given up. */
const UNREAD_END = 16 * UNREAD_MAX;
const LINE_FEED = 10;

export class PipeTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #bytesMax: number;
  /** The beginning of a line whose end has not come. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #passingOver = false;
  #waiting = "";
  /** Something was written in this turn of the loop, or the pipe is full: what comes now waits. */
  #gathering = false;
  #closed = false;

  constructor(input: Readable, output: Writable, { messageBytesMax }: PipeOptions) {
    this.#input = input;
    this.#output = output;
    this.#bytesMax = messageBytesMax;
  }

  async start(): Promise<void> {
    this.#input.on("data", this.#take);
    this.#input.on("end", this.#end);
    this.#input.on("close", this.#end);
    this.#input.on("error", (error) => this.onerror?.(error));
    // Also afterwards: a broken pipe that nobody listens to would end the process.
    this.#output.on("error", (error) => {
      if (!this.#closed) this.onerror?.(error);
      this.#end();
    });
    if (this.#input.readableEnded || this.#input.destroyed) setImmediate(this.#end);
  }

  async send(message: JSONRPCMessage | Refused): Promise<void> {
    if (this.#closed) throw new Error("the pipe is closed");
    const line = `${JSON.stringify(message)}\n`;
    if (!this.#gathering) return this.#write(line);
    this.#waiting += line;
    if (this.#waiting.length > UNREAD_END) {
      this.onerror?.(new Error(`the client has left more than ${UNREAD_END} characters unread`));
      this.#end();
    } else if (this.#waiting.length > UNREAD_MAX) {
      this.#input.pause();
    }
  }

  async close(): Promise<void> {
    this.#end();
  }

  readonly #end = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    this.#input.off("data", this.#take);
    this.#input.pause();
    this.#begun = [];
    if (!this.#output.writableNeedDrain && this.#waiting !== "") this.#output.write(this.#waiting);
    this.#waiting = "";
    this.onclose?.();
  };

  #write(text: string): void {
    this.#gathering = true;
    if (this.#output.write(text)) setImmediate(this.#writeWaiting);
    else this.#output.once("drain", this.#writeWaiting);
  }

  readonly #writeWaiting = (): void => {
    const text = this.#waiting;
    this.#waiting = "";
    if (this.#closed) return;
    if (text === "") this.#gathering = false;
    else this.#write(text);
    if (this.#input.isPaused()) this.#input.resume();
  };

  readonly #take = (chunk: Buffer): void => {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, from);
      if (end === -1) break;
      const piece = chunk.subarray(from, end);
      from = end + 1;
      if (this.#passingOver || this.#begunBytes + piece.length > this.#bytesMax) this.#passOver();
      else this.#read(this.#begunBytes === 0 ? piece : Buffer.concat([...this.#begun, piece]));
      this.#begin(undefined);
      this.#passingOver = false;
      if (this.#closed) return;
    }
    if (from === chunk.length || this.#passingOver) return;
    this.#begin(from === 0 ? chunk : chunk.subarray(from));
    if (this.#begunBytes > this.#bytesMax) {
      this.#passOver();
      this.#begin(undefined);
    }
  };

  #begin(piece: Buffer | undefined): void {
    if (piece === undefined) {
      if (this.#begunBytes > 0) this.#begun = [];
      this.#begunBytes = 0;
    } else {
      this.#begun.push(piece);
      this.#begunBytes += piece.length;
    }
  }

  /** Says once that a line is too long. */
  #passOver(): void {
    if (this.#passingOver) return;
    this.#passingOver = true;
    this.#refuse(invalid(`the message is larger than ${this.#bytesMax} bytes`).answer);
  }

  #read(line: Buffer): void {
    const text = line.toString("utf8");
    // A blank line is no message.
    if (text === "" || text === "\r") return;
    const read = readMessage(text);
    if (read.kind === "refused") this.#refuse(read.answer);
    else this.onmessage?.(read.message);
  }

  #refuse(answer: Refused): void {
    this.onerror?.(new Error(answer.error.message));
    this.send(answer).catch((error: unknown) =>
      this.onerror?.(error instanceof Error ? error : new Error(String(error))),
    );
  }
}
