/** As much of Redis' protocol (RESP2) as a few questions need; a whole client would cost more memory than the agent. */
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import type { DeclaredRedis } from "../permits/redis.js";

const answerMs = 10_000;
/** An answer longer than this is none of ours. */
const answerBytesMax = 256 * 1024;

/** A connection that asks one question at a time. */
export class RedisClient {
  readonly #socket: Socket;
  #text = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    // Without a listener the loss of the connection would end the process; whoever waits hears of it by `close`.
    socket.on("error", () => undefined);
  }

  /** Connects and logs in. Throws when either fails; the password is in no error. */
  static async to(server: DeclaredRedis): Promise<RedisClient> {
    const client = new RedisClient(connect({ host: server.host, port: server.port, timeout: answerMs }));
    client.#socket.on("timeout", () => client.close());
    if (server.passwordFile !== undefined) {
      const password = (await readFile(server.passwordFile, "utf8")).trim();
      await client.ask("AUTH", ...(server.user === undefined ? [] : [server.user]), password);
    }
    return client;
  }

  /** Asks; answers with the text of a string or number. Throws what Redis calls an error, and when it says nothing. */
  async ask(...words: readonly string[]): Promise<string> {
    const name = words[0] ?? "";
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    if (this.#socket.destroyed) throw new Error(`Redis: ${name}: the connection is gone`);
    this.#socket.write(`*${words.length}\r\n${parts.join("")}`);
    return this.#reply(name);
  }

  /** Asks; answers with the items of a flat list. */
  async list(...words: readonly string[]): Promise<string[]> {
    const count = Number(/^\*(\d{1,4})$/.exec(await this.ask(...words))?.[1] ?? 0);
    const items: string[] = [];
    while (items.length < count) items.push(await this.#reply(words[0] ?? ""));
    return items;
  }

  async #reply(name: string): Promise<string> {
    for (;;) {
      const read = readReply(this.#text);
      if (read !== undefined) {
        this.#text = this.#text.slice(read.length);
        if (read.isError) throw new Error(`Redis: ${name}: ${read.text.slice(0, 300)}`);
        return read.text;
      }
      this.#text += await this.#more(name);
      if (this.#text.length > answerBytesMax) throw new Error(`Redis: ${name}: an answer without an end`);
    }
  }

  /** Fields of INFO's section. */
  async info(section: string): Promise<ReadonlyMap<string, string>> {
    const lines = (await this.ask("INFO", section)).split("\r\n");
    return new Map(lines.map((line): [string, string] => cut(line)));
  }

  close(): void {
    this.#socket.destroy();
  }

  #more(name: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#socket.off("data", take);
        this.#socket.off("close", gone);
        this.#socket.off("error", failed);
      };
      const take = (text: string): void => {
        settle();
        resolve(text);
      };
      const failed = (error: Error): void => {
        settle();
        reject(new Error(`Redis: ${name}: ${error.message}`));
      };
      const gone = (): void => failed(new Error("the connection ended before the answer"));
      if (this.#socket.destroyed) return reject(new Error(`Redis: ${name}: the connection is gone`));
      this.#socket.on("data", take).on("close", gone).on("error", failed);
    });
  }
}

interface Reply {
  readonly text: string;
  readonly isError: boolean;
  /** Characters read. */
  readonly length: number;
}

/** A whole reply at the start of the text; undefined while there is more to come. */
export function readReply(text: string): Reply | undefined {
  const end = text.indexOf("\r\n");
  if (end < 0) return undefined;
  const line = text.slice(1, end);
  const head = end + 2;
  switch (text[0]) {
    case "+":
    case ":":
      return { text: line, isError: false, length: head };
    case "*":
      // A list's head; its items follow as replies of their own.
      return { text: `*${line}`, isError: false, length: head };
    case "-":
      return { text: line, isError: true, length: head };
    case "$": {
      const bytes = Number(line);
      if (bytes < 0) return { text: "", isError: false, length: head };
      if (text.length < head + bytes + 2) return undefined;
      return { text: text.slice(head, head + bytes), isError: false, length: head + bytes + 2 };
    }
    default:
      return {
        text: `not a reply of Redis: ${JSON.stringify(text.slice(0, 40))}`,
        isError: true,
        length: text.length,
      };
  }
}

function cut(line: string): [string, string] {
  const at = line.indexOf(":");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}
