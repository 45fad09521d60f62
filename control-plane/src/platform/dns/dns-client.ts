/** Asks and changes one DNS server, over TCP: whole answers, and nobody else's. */
import { connect } from "node:net";
import { type Answer, type DecodedPacket, decode, encode } from "dns-packet";
import { messageOf, OpsError } from "../../kernel/errors.js";
import type { Duration } from "../../kernel/time.js";
import type { System } from "../system.js";
import { checkAnswer, signMessage, type TsigKey } from "./tsig.js";
import { encodeUpdate, type RecordSet, type Update } from "./update-message.js";

export interface DnsServer {
  readonly host: string;
  readonly port: number;
}

/** A name and type as a server has it. */
export type Looked = Pick<RecordSet, "values" | "ttlSeconds">;

const ANSWER_BYTES_MAX = 65_535;

export class DnsClient {
  readonly #server: DnsServer;
  readonly #system: System;
  readonly #timeoutMs: Duration;

  constructor(server: DnsServer, system: System, timeoutMs: Duration = 3_000) {
    this.#server = server;
    this.#system = system;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * What the server, which must be an authority for it, answers, and for how long; no values when there are none, and then
   * how long that may be kept (RFC 2308). Throws OpsError UNAVAILABLE
   * when it cannot be reached, FAILED_PRECONDITION when it is no authority for the name or refuses.
   */
  async look(name: string, type: RecordSet["type"]): Promise<Looked> {
    const id = this.#id();
    const request = encode({ type: "query", id, questions: [{ name, type, class: "IN" }] });
    const answer = this.#read(await this.#exchange(request), id);
    if (answer.rcode !== "NOERROR" && answer.rcode !== "NXDOMAIN")
      throw this.#fault("FAILED_PRECONDITION", `does not tell ${name} ${type}: ${answer.rcode}`);
    if (!answer.flag_aa) throw this.#fault("FAILED_PRECONDITION", `is no authority for ${name}`);
    const records = (answer.answers ?? []).filter((one) => one.type === type && sameName(one.name, name));
    const ttls = records.length === 0 ? (answer.authorities ?? []).map(negativeTtl) : records.map(ttlOf);
    return { values: records.map(textOf).sort(), ttlSeconds: Math.max(0, ...ttls) };
  }

  /** True: it is done. False: what was expected does not stand there. Throws as `look`, and UNAUTHENTICATED. */
  async update(update: Update, key: TsigKey): Promise<boolean> {
    const { clock } = this.#system;
    const id = this.#id();
    const { message, mac } = signMessage(encodeUpdate(id, update), key, clock.now());
    const bytes = await this.#exchange(message);
    const answer = this.#read(bytes, id);
    // A refusal before the key was looked at is not signed, and says enough.
    if (answer.rcode === "REFUSED" || answer.rcode === "FORMERR")
      throw this.#fault("FAILED_PRECONDITION", `refuses the update of ${update.zone}: ${answer.rcode}`);
    checkAnswer(bytes, key, mac, clock.now());
    if (answer.rcode === "NOERROR") return true;
    if (UNEXPECTED.has(answer.rcode)) return false;
    throw this.#fault("FAILED_PRECONDITION", `refuses the update of ${update.zone}: ${answer.rcode}`);
  }

  #id(): number {
    return Number.parseInt(this.#system.draws.hex(4), 16);
  }

  #read(bytes: Buffer, id: number): DecodedPacket & { readonly rcode: string } {
    let answer: DecodedPacket;
    try {
      answer = decode(bytes);
    } catch (error) {
      throw this.#fault("UNAVAILABLE", `answers what is no DNS message: ${messageOf(error)}`);
    }
    if (answer.id !== id || answer.type !== "response")
      throw this.#fault("UNAVAILABLE", "answers another question");
    return { ...answer, rcode: RCODES[bytes.readUInt16BE(2) & 0xf] ?? "an unknown code" };
  }

  #exchange(message: Buffer): Promise<Buffer> {
    const { host, port } = this.#server;
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port });
      const chunks: Buffer[] = [];
      let received = 0;
      const fail = (because: string): void => {
        socket.destroy();
        reject(this.#fault("UNAVAILABLE", because));
      };
      socket.setTimeout(this.#timeoutMs, () => fail(`does not answer within ${this.#timeoutMs} ms`));
      socket.on("error", (error) => fail(`cannot be reached: ${error.message}`));
      socket.on("close", () => fail("ends the connection before it has answered"));
      socket.on("data", (chunk) => {
        chunks.push(chunk);
        received += chunk.length;
        if (received > ANSWER_BYTES_MAX + 2) return fail("answers more than a message");
        if (received < 2) return;
        const all = Buffer.concat(chunks);
        if (received < all.readUInt16BE(0) + 2) return;
        resolve(all.subarray(2, all.readUInt16BE(0) + 2));
        socket.destroy();
      });
      const framed = Buffer.alloc(message.length + 2);
      framed.writeUInt16BE(message.length, 0);
      message.copy(framed, 2);
      socket.write(framed);
    });
  }

  #fault(code: "UNAVAILABLE" | "FAILED_PRECONDITION", what: string): OpsError {
    return new OpsError(code, `the DNS server ${this.#server.host}:${this.#server.port} ${what}`);
  }
}

/** By number; the library does not name all of those that updates have. */
const RCODES = [
  ...[
    "NOERROR",
    "FORMERR",
    "SERVFAIL",
    "NXDOMAIN",
    "NOTIMP",
    "REFUSED",
    "YXDOMAIN",
    "YXRRSET",
    "NXRRSET",
    "NOTAUTH",
  ],
  "NOTZONE",
];
const UNEXPECTED: ReadonlySet<string> = new Set(["YXRRSET", "NXRRSET", "YXDOMAIN", "NXDOMAIN"]);

const bare = (name: string): string => name.toLowerCase().replace(/\.$/, "");
const sameName = (a: string, b: string): boolean => bare(a) === bare(b);

const ttlOf = (answer: Answer): number => ("ttl" in answer ? (answer.ttl ?? 0) : 0);
const negativeTtl = (answer: Answer): number =>
  answer.type === "SOA" ? Math.min(ttlOf(answer), answer.data.minimum ?? 0) : 0;

function textOf(answer: Answer): string {
  if (answer.type === "TXT") {
    const parts = Array.isArray(answer.data) ? answer.data : [answer.data];
    return parts.map((part) => part.toString()).join("");
  }
  if (answer.type === "CNAME") return bare(answer.data);
  return answer.type === "A" || answer.type === "AAAA" ? answer.data : "";
}
