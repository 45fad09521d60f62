import { type AddressInfo, createServer, type Server } from "node:net";
import { decode, encode, type Packet } from "dns-packet";
import { afterEach, expect, test } from "vitest";
import { systemClock, systemDraws } from "../system.js";
import { DnsClient } from "./dns-client.js";

let server: Server | undefined;
afterEach(() => void server?.close());

const AUTHORITATIVE = 1 << 10;

/** A server that gives these bytes to whoever asks, in pieces. */
async function answering(answer: (request: Buffer) => Buffer | undefined): Promise<DnsClient> {
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (request) => {
      const bytes = answer(request.subarray(2));
      if (bytes === undefined) return;
      socket.write(bytes.subarray(0, 3));
      setImmediate(() => socket.end(bytes.subarray(3)));
    });
  });
  const opened = server;
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  const { port } = opened.address() as AddressInfo;
  return new DnsClient({ host: "127.0.0.1", port }, { clock: systemClock, draws: systemDraws }, 300);
}

const framed = (message: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
};
const packet = (request: Buffer, rest: Packet): Buffer =>
  framed(encode({ type: "response", id: decode(request).id ?? 0, flags: AUTHORITATIVE, ...rest }));
const a = (name: string, data: string, ttl: number) => ({ type: "A" as const, name, data, ttl });

test("values of the name and type that was asked, sorted, with the longest time", async () => {
  const client = await answering((request) =>
    packet(request, {
      answers: [
        a("API.example.test", "192.0.2.2", 5),
        a("api.example.test", "192.0.2.1", 9),
        a("b.test", "192.0.2.9", 99),
      ],
    }),
  );
  expect(await client.look("api.example.test", "A")).toEqual({
    values: ["192.0.2.1", "192.0.2.2"],
    ttlSeconds: 9,
  });
});

test("nothing, and how long that may be kept", async () => {
  const data = { mname: "ns", rname: "root", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 60 };
  const client = await answering((request) =>
    packet(request, {
      flags: AUTHORITATIVE | 3,
      authorities: [{ type: "SOA", name: "example.test", ttl: 300, data }],
    }),
  );
  expect(await client.look("api.example.test", "A")).toEqual({ values: [], ttlSeconds: 60 });
});

test.each<{ who: string; answer: (request: Buffer) => Buffer | undefined; says: string }>([
  { who: "is no authority", answer: (request) => packet(request, { flags: 0 }), says: "is no authority" },
  { who: "fails", answer: (request) => packet(request, { flags: AUTHORITATIVE | 2 }), says: "SERVFAIL" },
  {
    who: "answers another question",
    answer: () => framed(encode({ type: "response", id: 0 })),
    says: "another question",
  },
  { who: "says nothing", answer: () => undefined, says: "within 300 ms" },
  { who: "hangs up", answer: () => Buffer.alloc(1), says: "before it has answered" },
  { who: "speaks something else", answer: () => framed(Buffer.from("HTTP/1.1 400")), says: "DNS" },
])("a server that $who is an error", async ({ answer, says }) => {
  const client = await answering(answer);
  await expect(client.look("api.example.test", "A")).rejects.toThrow(says);
});

test("a server that is not there is an error", async () => {
  const client = await answering(() => undefined);
  await new Promise((resolve) => server?.close(resolve));
  await expect(client.look("api.example.test", "A")).rejects.toThrow("cannot be reached");
});
