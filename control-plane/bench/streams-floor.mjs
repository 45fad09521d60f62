/**
 * The least that so many streams could cost: bare grpc-js bidi streams over mutual TLS, whose messages are taken as they
 * are and dropped; the first is answered with as many bytes as a welcome has. Asked to, it sends all streams a message
 * and says how long after the first of them each was answered.
 */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { asIs } from "./echo.mjs";

const { identityFile, path, welcomeBytes } = JSON.parse(process.argv[2]);
const { ca, key, certificate } = JSON.parse(readFileSync(identityFile, "utf8"));
const welcome = Buffer.alloc(welcomeBytes, 0x61);
let taken = 0;
const calls = new Set();
let fan;

const server = new Server();
const connect = {
  path,
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
};
server.addService(
  { connect },
  {
    connect: (call) => {
      call.once("data", () => {
        call.write(welcome);
        calls.add(call);
      });
      call.on("data", () => {
        taken++;
        fan?.(call);
      });
      call.on("close", () => calls.delete(call));
      call.on("end", () => call.end());
      call.on("error", () => {});
    },
  },
);
const tls = ServerCredentials.createSsl(
  Buffer.from(ca),
  [{ private_key: Buffer.from(key), cert_chain: Buffer.from(certificate) }],
  true,
);
server.bindAsync("127.0.0.1:0", tls, (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${JSON.stringify({ said: "listening", port })}\n`);
});

/** Sends each stream a message of `bytes`; resolves with the ms after which each was answered, first of all to last. */
function fanOut(bytes) {
  const message = Buffer.alloc(bytes, 0x62);
  const waiting = new Set(calls);
  const tookMs = [];
  return new Promise((resolve) => {
    const began = performance.now();
    fan = (call) => {
      if (!waiting.delete(call)) return;
      tookMs.push(performance.now() - began);
      if (waiting.size === 0) resolve(tookMs);
    };
    for (const call of calls) call.write(message);
  });
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { ask, bytes } = JSON.parse(line);
  const answer = ask === "fan" ? { tookMs: await fanOut(bytes) } : { taken };
  process.stdout.write(`${JSON.stringify({ said: ask, ...answer })}\n`);
});
