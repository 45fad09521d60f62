/** Two members of a made-up Patroni over HTTP: as far as an adopted cluster is looked at, and asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

export const USER = { username: "mainstay", password: "kept-from-everybody" } as const;
const SHOWN = `Basic ${Buffer.from(`${USER.username}:${USER.password}`).toString("base64")}`;

interface Asked {
  readonly leader?: string;
  readonly candidate?: string;
  readonly pause?: boolean | null;
}

export class MadePatroni {
  leader: string | null = "a";
  timeline = 1;
  lsn = 1_000;
  paused = false;
  /** Who answers. */
  readonly up = new Set(["a", "b"]);
  readonly history: (string | number)[][] = [];
  /** What was asked, in order, as it arrived. */
  readonly asked: string[] = [];
  /** Reads that showed a password: none should. */
  shownToReaders = 0;
  /** What it answers to a wish for another owner instead of doing it. */
  refusal: { readonly status: number; readonly text: string } | undefined;
  /** Answers are lost after it did what was asked. */
  mute = false;
  readonly #servers = new Map<string, Server>();

  static async start(): Promise<MadePatroni> {
    const made = new MadePatroni();
    for (const name of ["a", "b"]) {
      const server = createServer((request, response) => made.#answer(name, request, response));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      made.#servers.set(name, server);
    }
    return made;
  }

  endpoint(name: string): string {
    const address = this.#servers.get(name)?.address();
    if (typeof address !== "object" || address === null) throw new Error(`${name} does not listen`);
    return `http://127.0.0.1:${address.port}`;
  }

  get endpoints(): readonly string[] {
    return ["a", "b"].map((name) => this.endpoint(name));
  }

  /** As Patroni does it when nobody asked. */
  promote(name: string): void {
    this.history.push([this.timeline, this.lsn, "no recovery target specified", "then", name]);
    this.leader = name;
    this.timeline += 1;
    this.lsn += 100;
  }

  async stop(): Promise<void> {
    for (const server of this.#servers.values()) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #answer(name: string, request: IncomingMessage, response: ServerResponse): void {
    const say = (status: number, body: unknown): void => {
      response.statusCode = status;
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    };
    if (!this.up.has(name)) {
      request.socket.destroy();
      return;
    }
    if (request.method === "GET") {
      if (request.headers.authorization !== undefined) this.shownToReaders += 1;
      say(200, this.#read(name, request.url ?? ""));
      return;
    }
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    request.on("end", () => {
      this.asked.push(`${request.method} ${request.url} ${text}`);
      if (request.headers.authorization !== SHOWN) {
        say(401, "not authenticated");
        return;
      }
      const [status, body] = this.#do(request.url ?? "", JSON.parse(text) as Asked);
      if (this.mute) request.socket.destroy();
      else say(status, body);
    });
  }

  #do(path: string, { leader, candidate = "", pause }: Asked): readonly [number, unknown] {
    if (path === "/config") {
      this.paused = pause === true;
      return [200, {}];
    }
    if (this.refusal !== undefined) return [this.refusal.status, this.refusal.text];
    if (leader !== undefined && leader !== this.leader) return [412, "leader name does not match"];
    this.promote(candidate);
    return [200, `Successfully switched over to "${candidate}"`];
  }

  #read(name: string, path: string): unknown {
    const leads = name === this.leader;
    switch (path) {
      case "/patroni":
        return {
          state: "running",
          role: leads ? "master" : "replica",
          timeline: this.timeline,
          xlog: leads ? { location: this.lsn } : { received_location: this.lsn },
          patroni: { version: "3.0.2", scope: "made" },
        };
      case "/cluster":
        return {
          members: [...this.up].map((one) => ({
            name: one,
            role: one === this.leader ? "leader" : "replica",
            state: "running",
            api_url: `${this.endpoint(one)}/patroni`,
            timeline: this.timeline,
            ...(one === this.leader ? {} : { lag: 0 }),
          })),
          ...(this.paused ? { pause: true } : {}),
        };
      case "/history":
        return this.history;
      default:
        return { ttl: 20, loop_wait: 1, maximum_lag_on_failover: 1_048_576 };
    }
  }
}
