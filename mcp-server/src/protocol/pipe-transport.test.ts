import { PassThrough, Writable } from "node:stream";
import type { JSONRPCMessage } from "@modelcontextprotocol/server";
import { expect, test } from "vitest";
import { PipeTransport } from "./pipe-transport.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const request = (id: number, text = ""): string =>
  `${JSON.stringify({ jsonrpc: "2.0", id, method: "ping", params: { text } })}\n`;

/** Keeps what is written; while `stuck` it takes nothing more. */
class Client extends Writable {
  readonly writes: string[] = [];
  stuck = false;
  #go: (() => void) | undefined;

  constructor() {
    super({ decodeStrings: false, highWaterMark: 1_000 });
  }

  override _write(text: unknown, _encoding: BufferEncoding, done: () => void): void {
    this.writes.push(String(text));
    if (this.stuck) this.#go = done;
    else done();
  }

  read(): void {
    this.stuck = false;
    this.#go?.();
  }

  get heard(): unknown[] {
    return this.writes
      .join("")
      .split("\n")
      .filter((line) => line !== "")
      .map((line): unknown => JSON.parse(line));
  }
}

async function open(messageBytesMax = 1_000) {
  const input = new PassThrough({ highWaterMark: 64 });
  const client = new Client();
  const transport = new PipeTransport(input, client, { messageBytesMax });
  const messages: JSONRPCMessage[] = [];
  const said: string[] = [];
  let ended = 0;
  transport.onmessage = (message) => messages.push(message);
  transport.onerror = (error) => said.push(error.message);
  transport.onclose = () => {
    ended += 1;
  };
  await transport.start();
  return { input, client, transport, messages, said, ended: () => ended };
}

async function ids(messages: readonly JSONRPCMessage[]): Promise<unknown[]> {
  await turn();
  return messages.map((message) => ("id" in message ? message.id : undefined));
}

test("lines are messages, however they are cut into pieces", async () => {
  const { input, messages } = await open();
  for (const byte of Buffer.from(`${request(1, "ä€")}\r\n\n${request(2)}`)) input.write(Buffer.of(byte));
  input.write(request(3) + request(4));
  expect(await ids(messages)).toEqual([1, 2, 3, 4]);
  expect(messages[0]).toMatchObject({ params: { text: "ä€" } });
});

test.each([
  ["in one piece", 5_000],
  ["in many", 10],
])("a line that is too long, %s, is answered once and passed over", async (_, size) => {
  const { input, client, messages } = await open();
  const long = Buffer.from(request(1, "x".repeat(4_000)) + request(2));
  for (let at = 0; at < long.length; at += size) input.write(long.subarray(at, at + size));
  expect(await ids(messages)).toEqual([2]);
  await turn();
  expect(client.heard).toEqual([
    {
      jsonrpc: "2.0",
      id: null,
      error: { code: -32_600, message: "Invalid Request: the message is larger than 1000 bytes" },
    },
  ]);
});

test("what is no message is answered with an error, and the next one is heard", async () => {
  const { input, client, messages } = await open();
  input.write(`{\n[]\n${request(1)}`);
  expect(await ids(messages)).toEqual([1]);
  await turn();
  expect(client.heard).toMatchObject([{ error: { code: -32_700 } }, { error: { code: -32_600 } }]);
});

test("answers that are ready together are written together, in their order", async () => {
  const { client, transport } = await open();
  for (let id = 1; id <= 5; id++) await transport.send({ jsonrpc: "2.0", id, result: {} });
  await turn();
  await turn();
  expect(client.heard).toMatchObject([1, 2, 3, 4, 5].map((id) => ({ id })));
  expect(client.writes.length).toBe(2);
});

test("a client that does not read is not read from, and is once it does again", async () => {
  const { input, client, transport, messages } = await open();
  client.stuck = true;
  const big = { text: "x".repeat(500_000) };
  for (let id = 1; id <= 4; id++) await transport.send({ jsonrpc: "2.0", id, result: big });
  expect(input.isPaused()).toBe(true);
  input.write(request(9));
  expect(await ids(messages)).toEqual([]);
  client.read();
  await turn();
  expect(await ids(messages)).toEqual([9]);
  expect(client.heard.length).toBe(4);
});

test("a client that never reads is given up before memory is full", async () => {
  const { client, transport, said, ended } = await open();
  client.stuck = true;
  const change = {
    jsonrpc: "2.0",
    method: "notifications/x",
    params: { text: "x".repeat(1_000_000) },
  } as const;
  for (let i = 0; i < 17 && ended() === 0; i++) await transport.send(change);
  expect(ended()).toBe(0);
  await transport.send(change);
  expect(ended()).toBe(1);
  expect(said).toEqual(["the client has left more than 16777216 characters unread"]);
  await expect(transport.send(change)).rejects.toThrow("closed");
});

test("it ends when the client closes its end, or the pipe breaks, and once", async () => {
  const first = await open();
  first.input.end();
  await turn();
  await first.transport.close();
  expect(first.ended()).toBe(1);
  const second = await open();
  second.client.destroy(new Error("EPIPE"));
  await turn();
  expect(second.ended()).toBe(1);
  expect(second.said).toEqual(["EPIPE"]);
});
