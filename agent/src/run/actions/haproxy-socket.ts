/** HAProxy's runtime socket: one line asked, one text answered, and the connection ends. */
import { connect } from "node:net";

const answerMs = 5_000;
const answerCharactersMax = 4 * 1024 * 1024;

/** A server behind HAProxy. `status` is HAProxy's own word: UP, DOWN, DRAIN, MAINT, "no check". */
export interface ProxiedServer {
  readonly server: string;
  readonly status: string;
  /** Connections it has now. */
  readonly sessions: number;
}

/** Asks. Throws when the socket cannot be reached or says nothing in time. */
export function askHaproxy(socket: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const client = connect(socket);
    client.setEncoding("utf8");
    client.setTimeout(answerMs, () => client.destroy(new Error(`HAProxy: no answer within ${answerMs} ms`)));
    client.on("error", reject);
    client.on("data", (piece: string) => {
      text += piece;
      if (text.length > answerCharactersMax) client.destroy(new Error("HAProxy: an answer without an end"));
    });
    client.on("end", () => resolve(text));
    client.write(`${line}\n`);
  });
}

/** The servers of a backend. */
export async function serversOf(socket: string, backend: string): Promise<ProxiedServer[]> {
  const [head = "", ...lines] = (await askHaproxy(socket, "show stat -1 4 -1")).split("\n");
  const columns = head.replace(/^# /, "").split(",");
  const [proxy, server, status, sessions] = ["pxname", "svname", "status", "scur"].map((name) =>
    columns.indexOf(name),
  );
  return lines.flatMap((line) => {
    const cells = line.split(",");
    if (cells[proxy ?? -1] !== backend) return [];
    const found = { server: cells[server ?? -1] ?? "", status: cells[status ?? -1] ?? "" };
    return [{ ...found, sessions: Number(cells[sessions ?? -1] ?? 0) }];
  });
}
