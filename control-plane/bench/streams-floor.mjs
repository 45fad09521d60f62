/**
 * The least that so many streams could cost: bare grpc-js bidi streams over mutual TLS, whose messages are taken as they
 * are and dropped; the first is answered with as many bytes as a welcome has.
 */
import { readFileSync } from "node:fs";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { asIs } from "./echo.mjs";

const { identityFile, path, welcomeBytes } = JSON.parse(process.argv[2]);
const { ca, key, certificate } = JSON.parse(readFileSync(identityFile, "utf8"));
const welcome = Buffer.alloc(welcomeBytes, 0x61);
let taken = 0;

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
      call.once("data", () => call.write(welcome));
      call.on("data", () => {
        taken++;
      });
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
process.stdin.on("data", () => process.stdout.write(`${JSON.stringify({ said: "taken", taken })}\n`));
