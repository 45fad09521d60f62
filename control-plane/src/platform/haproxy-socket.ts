/** HAProxy's runtime API: one line asked over its admin socket, one text answered, and the connection ends. */
import { connect } from "node:net";
import { OpsError } from "../kernel/errors.js";
import type { Duration } from "../kernel/time.js";

export type HaproxySocket = { readonly path: string } | { readonly host: string; readonly port: number };

const ANSWER_WITHIN: Duration = 3_000;
const ANSWER_CHARACTERS_MAX = 4 * 1024 * 1024;

/** Throws OpsError UNAVAILABLE when the socket cannot be reached or does not answer in time. */
export function askHaproxy(socket: HaproxySocket, line: string): Promise<string> {
  const where = "path" in socket ? socket.path : `${socket.host}:${socket.port}`;
  return new Promise((resolve, reject) => {
    let text = "";
    const fail = (because: string): void => {
      client.destroy();
      reject(new OpsError("UNAVAILABLE", `HAProxy at ${where} ${because}`));
    };
    const client = connect(socket);
    client.setEncoding("utf8");
    client.setTimeout(ANSWER_WITHIN, () => fail(`does not answer within ${ANSWER_WITHIN} ms`));
    client.on("error", (error) => fail(`cannot be reached: ${error.message}`));
    client.on("data", (piece: string) => {
      text += piece;
      if (text.length > ANSWER_CHARACTERS_MAX) fail("answers without an end");
    });
    client.on("end", () => resolve(text.trim()));
    client.write(`${line}\n`);
  });
}
