/** A real BIND that is the authority for a zone, and takes updates that are signed with a key; and one that copies it. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { Resolver } from "node:dns/promises";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "./ports.js";
import { until } from "./until.js";

const ZONE = "example.test";
const KEY = "mainstay";

const started = new Set<ChildProcess>();
process.on("exit", () => {
  for (const one of started) one.kill("SIGKILL");
});

export class Bind {
  readonly zone = ZONE;
  readonly keyName = KEY;
  readonly primary: number;
  readonly secondary: number;
  /** Its key's secret, base64. */
  readonly secretFile: string;
  readonly #directory: string;
  readonly #processes = new Map<"primary" | "secondary", ChildProcess>();

  private constructor(directory: string, primary: number, secondary: number) {
    this.#directory = directory;
    this.primary = primary;
    this.secondary = secondary;
    this.secretFile = join(directory, "secret");
  }

  /** `records` stand in the zone to begin with, as a zone file has them. */
  static async start(directory: string, records: readonly string[]): Promise<Bind> {
    const [primary = 0, secondary = 0] = await freePorts(2);
    const bind = new Bind(directory, primary, secondary);
    for (const folder of ["primary", "secondary"]) mkdirSync(join(directory, folder), { recursive: true });
    const secret = randomBytes(32).toString("base64");
    writeFileSync(bind.secretFile, `${secret}\n`, { mode: 0o600 });
    const key = `key "${KEY}" { algorithm hmac-sha256; secret "${secret}"; };`;
    bind.#configure("primary", primary, [
      key,
      `zone "${ZONE}" { type primary; file "zone"; notify explicit; also-notify { 127.0.0.1 port ${secondary}; };`,
      `  allow-update { key "${KEY}"; }; allow-transfer { 127.0.0.1; }; };`,
    ]);
    bind.#configure("secondary", secondary, [
      `zone "${ZONE}" { type secondary; file "zone"; primaries { 127.0.0.1 port ${primary}; }; };`,
    ]);
    const soa = `@ 60 IN SOA ns.${ZONE}. root.${ZONE}. 1 5 1 600 60`;
    const lines = [soa, "@ 60 IN NS ns", "ns 60 IN A 127.0.0.1", ...records];
    writeFileSync(join(directory, "primary", "zone"), `${lines.join("\n")}\n`);
    await bind.restart("primary");
    await bind.restart("secondary");
    return bind;
  }

  /** Starts one; returns when it answers for the zone. */
  async restart(which: "primary" | "secondary"): Promise<void> {
    const directory = join(this.#directory, which);
    const process = spawn("/usr/sbin/named", ["-f", "-n", "1", "-c", join(directory, "named.conf")], {
      stdio: "ignore",
    });
    let missing: Error | undefined;
    process.once("error", (error) => {
      missing = error;
    });
    started.add(process);
    this.#processes.set(which, process);
    await until(`BIND's ${which} to answer for ${ZONE}`, async () => {
      if (missing !== undefined) throw missing;
      return (await this.resolver(which).resolveSoa(ZONE)).serial > 0 ? true : undefined;
    });
  }

  async kill(which: "primary" | "secondary"): Promise<void> {
    const process = this.#processes.get(which);
    if (process === undefined || process.exitCode !== null) return;
    const ended = new Promise((resolve) => process.once("close", resolve));
    process.kill("SIGKILL");
    await ended;
    started.delete(process);
  }

  /** A client's way to ask it. */
  resolver(which: "primary" | "secondary"): Resolver {
    const resolver = new Resolver({ timeout: 1_000, tries: 2 });
    resolver.setServers([`127.0.0.1:${which === "primary" ? this.primary : this.secondary}`]);
    return resolver;
  }

  async stop(): Promise<void> {
    await this.kill("primary");
    await this.kill("secondary");
  }

  #configure(which: string, port: number, lines: readonly string[]): void {
    const directory = join(this.#directory, which);
    const options = [
      `directory "${directory}"`,
      `listen-on port ${port} { 127.0.0.1; }`,
      "listen-on-v6 { none; }",
      "pid-file none",
      "session-keyfile none",
      "recursion no",
      "dnssec-validation no",
    ];
    const text = [`options { ${options.join("; ")}; };`, "controls { };", ...lines, ""];
    writeFileSync(join(directory, "named.conf"), text.join("\n"), { mode: 0o600 });
  }
}
