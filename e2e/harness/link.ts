/** A link between an agent and the control plane that can be cut: a TCP relay on loopback. */
import { createConnection, createServer, type Server, type Socket } from "node:net";

export class Link {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #whole = true;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(port: number, to: number): Promise<Link> {
    const server = createServer();
    const link = new Link(server);
    server.on("connection", (near) => link.#join(near, to));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", resolve);
    });
    return link;
  }

  #join(near: Socket, to: number): void {
    if (!this.#whole) {
      near.destroy();
      return;
    }
    const far = createConnection({ host: "127.0.0.1", port: to });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }

  /** Cuts what is open and refuses what comes. */
  cut(): void {
    this.#whole = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#whole = true;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
