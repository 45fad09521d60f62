/** A real Prometheus of the test's own: takes remote writes, scrapes nothing, evaluates. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./ports.js";
import { Program } from "./program.js";
import { untilTrue } from "./until.js";

export interface PrometheusServer {
  readonly url: string;
  readonly program: Program;
  /** Starts it again with what it had. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts prometheus from PATH (Debian package prometheus) on a free port. */
export async function startPrometheus(): Promise<PrometheusServer> {
  try {
    execFileSync("prometheus", ["--version"], { stdio: "ignore" });
  } catch (cause) {
    throw new Error("this test needs prometheus on the PATH (Debian package prometheus)", { cause });
  }
  const directory = mkdtempSync(join(tmpdir(), "mainstay-prometheus-"));
  const config = join(directory, "prometheus.yml");
  writeFileSync(config, "scrape_configs: []\n");
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const start = async (): Promise<Program> => {
    const program = new Program({
      name: "Prometheus",
      command: "prometheus",
      args: [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(directory, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--web.enable-remote-write-receiver",
      ],
    });
    await untilTrue("Prometheus to be ready", async () => (await fetch(`${url}/-/ready`)).ok, 30_000);
    return program;
  };
  let program = await start();
  return {
    url,
    get program() {
      return program;
    },
    restart: async () => {
      program = await start();
    },
    stop: async () => {
      await program.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
