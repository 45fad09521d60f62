/** A real Prometheus on a port of its own, with its data in a directory that the test removes. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "./ports.js";
import { Program } from "./program.js";
import { until } from "./until.js";

export interface Prometheus {
  readonly url: string;
  stop(): Promise<void>;
}

/** @param config prometheus.yml, as JSON, which is YAML */
export async function startPrometheus(directory: string, config: object): Promise<Prometheus> {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "prometheus.yml");
  writeFileSync(file, JSON.stringify(config));
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const program = new Program({
    name: "Prometheus",
    command: "prometheus",
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--rules.alert.resend-delay=1s",
    ],
  });
  await until("Prometheus to be ready", async () => {
    if (program.hasEnded) throw new Error(program.text(20));
    return (await fetch(`${url}/-/ready`)).ok ? true : undefined;
  });
  return { url, stop: async () => void (await program.stop()) };
}
