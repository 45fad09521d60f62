/**
 * A stand-in for HAProxy's runtime socket that keeps count: how often each of its servers was set. The actions that ask
 * it are real ones, and what they did to it cannot be done twice unseen.
 */
import { createServer, type Server, type Socket } from "node:net";

const HEAD = "# pxname,svname,status,scur";
/** What HAProxy takes for a command at most, and far more than one of ours has. */
const LINE_MAX = 4_096;

export class Switchboard {
  /** How often each server was set. */
  readonly set = new Map<string, number>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param path where the socket lies */
  static async open(path: string): Promise<Switchboard> {
    const server = createServer();
    const board = new Switchboard(server);
    server.on("connection", (socket) => board.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    return board;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    // Whoever asked was killed.
    socket.on("error", () => undefined);
    socket.setEncoding("utf8");
    let line = "";
    socket.on("data", (piece: string) => {
      line += piece;
      if (line.length > LINE_MAX) socket.destroy();
      else if (line.endsWith("\n")) socket.end(this.#answer(line.trim()));
    });
  }

  /** Servers that nobody has set take requests. */
  #answer(line: string): string {
    const [, name, state] = /^set server web\/(\S+) state (maint|drain)$/.exec(line) ?? [];
    if (name !== undefined && state !== undefined) {
      this.set.set(name, (this.set.get(name) ?? 0) + 1);
      this.#states.set(name, state === "drain" ? "DRAIN,1" : "MAINT,0");
      return "\n";
    }
    const servers = [...this.#shown].map(
      (server) => `web,${server},${this.#states.get(server) ?? "no check,0"}`,
    );
    return `${[HEAD, ...servers].join("\n")}\n\n`;
  }

  readonly #shown = new Set<string>();
  /** Status and connections. One that drains never comes to the end of its last connection. */
  readonly #states = new Map<string, string>();

  /** There is such a server from now on. */
  add(server: string): void {
    this.#shown.add(server);
  }
}
