/** The least that a command's round trip could be: a bare grpc-js bidi stream that answers each message with another. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { asIs, ECHO_PATH } from "./echo.mjs";

/** @param {number} answerBytes */
function serveEcho(answerBytes) {
  const answer = Buffer.alloc(answerBytes, 0x61);
  const server = new Server();
  const method = {
    path: ECHO_PATH,
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  server.addService(
    { say: method },
    {
      say: (call) => {
        call.on("data", () => call.write(answer));
        call.on("end", () => call.end());
        call.on("error", () => {});
      },
    },
  );
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error;
    process.stdout.write(`${JSON.stringify({ said: "listening", port })}\n`);
  });
}

serveEcho(Number(process.argv[2]));
