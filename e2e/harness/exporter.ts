/** Something to scrape whose values the test sets. */
import { createServer } from "node:http";

export interface Exporter {
  readonly url: string;
  /** From the next scrape on. */
  set(name: string, value: number): void;
  stop(): Promise<void>;
}

export async function startExporter(): Promise<Exporter> {
  const values = new Map<string, number>();
  const server = createServer((_, response) => {
    response.setHeader("content-type", "text/plain; version=0.0.4");
    response.end([...values].map(([name, value]) => `# TYPE ${name} gauge\n${name} ${value}\n`).join(""));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the exporter has no address");
  return {
    url: `http://127.0.0.1:${address.port}/metrics`,
    set: (name, value) => values.set(name, value),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
