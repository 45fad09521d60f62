/** A receiver over HTTP for tests: it keeps what it hears and answers as it is told. */
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface HeardRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the receiver answers; undefined: nothing at all, the line is cut. */
export type Answer =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  | undefined;

export interface Listener {
  readonly url: string;
  readonly heard: HeardRequest[];
  answer: (request: HeardRequest) => Answer | Promise<Answer>;
  close(): Promise<void>;
}

/** A receiver over HTTP that keeps what it hears. */
export async function openListener(): Promise<Listener> {
  const heard: HeardRequest[] = [];
  const listener: { answer: Listener["answer"] } = { answer: () => ({ status: 200 }) };
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const one = {
        path: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(parts).toString("utf8"),
      };
      void (async () => {
        const answer = await listener.answer(one);
        // What was cut off was heard all the same: that is the harder case.
        heard.push(one);
        if (answer === undefined) {
          request.socket.destroy();
          return;
        }
        response.writeHead(answer.status, answer.headers).end(answer.body ?? "");
      })();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(listener, {
    url: `http://127.0.0.1:${port}`,
    heard,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
