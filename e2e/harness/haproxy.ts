/** A real HAProxy with two servers behind it, and its admin socket. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { freePorts } from "./ports.js";
import { until } from "./until.js";

export class Haproxy {
  readonly socket: string;
  /** Where clients go. */
  readonly port: number;
  /** The same as the socket, over TCP: host:port. */
  readonly admin: string;
  readonly #process: ChildProcess;

  private constructor(socket: string, admin: string, port: number, process: ChildProcess) {
    this.socket = socket;
    this.admin = admin;
    this.port = port;
    this.#process = process;
  }

  /** `behind`: the ports of a and b on loopback, over TCP. @default nobody is there, over HTTP */
  static async start(directory: string, behind?: readonly [number, number]): Promise<Haproxy> {
    mkdirSync(directory, { recursive: true });
    const [port = 0, adminPort = 0, ...free] = await freePorts(4);
    const admin = `127.0.0.1:${adminPort}`;
    const [a = 0, b = 0] = behind ?? free;
    const socket = join(directory, "admin");
    const file = join(directory, "haproxy.cfg");
    const servers = [`server a 127.0.0.1:${a}`, `server b 127.0.0.1:${b}`];
    const lines = [
      ...["global", `stats socket ${socket} level admin`, `stats socket ipv4@${admin} level admin`],
      ...[
        "defaults",
        `mode ${behind === undefined ? "http" : "tcp"}`,
        "timeout connect 2s",
        "timeout client 5s",
        "timeout server 5s",
      ],
      ...["listen web", `bind 127.0.0.1:${port}`, ...servers],
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    const process = spawn("/usr/sbin/haproxy", ["-db", "-f", file], { stdio: "ignore" });
    let missing: Error | undefined;
    process.once("error", (error) => {
      missing = error;
    });
    await until("HAProxy's socket", () => {
      if (missing !== undefined) throw missing;
      return existsSync(socket) ? true : undefined;
    });
    return new Haproxy(socket, admin, port, process);
  }

  /** As an agent's policy declares it. */
  get declaration() {
    return { setBackendState: { proxies: [{ name: "lb", socket: this.socket, backends: ["web"] }] } };
  }

  /** Says one line over the admin socket; answers what HAProxy says. */
  ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let said = "";
      const connection = createConnection(this.socket, () => connection.end(`${line}\n`));
      connection.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
      connection.once("error", reject);
      connection.once("close", () => resolve(said));
    });
  }

  /** What a server is set to, as HAProxy keeps it: 0 takes requests, 8 only ends those it has, 1 is out. */
  async administered(server: string): Promise<number> {
    const [, ...lines] = (await this.ask("show servers state web")).trim().split("\n");
    const names = (lines[0] ?? "").replace(/^# /, "").split(" ");
    const row = lines
      .slice(1)
      .map((line) => line.split(" "))
      .find((fields) => fields[names.indexOf("srv_name")] === server);
    return Number(row?.[names.indexOf("srv_admin_state")]);
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}
