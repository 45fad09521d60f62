/** Who is told: a webhook that remembers what it was sent. */
import { createServer } from "node:http";

/** What Alertmanager's webhook carries, as far as tests look at it. */
export interface Notice {
  readonly status: "firing" | "resolved";
  readonly groupKey: string;
  readonly alerts: readonly {
    readonly status: "firing" | "resolved";
    readonly labels: Readonly<Record<string, string>>;
    readonly startsAt: string;
  }[];
}

export interface Webhook {
  readonly url: string;
  readonly notices: readonly Notice[];
  stop(): Promise<void>;
}

export async function startWebhook(): Promise<Webhook> {
  const notices: Notice[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request) text += String(piece);
    notices.push(JSON.parse(text) as Notice);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the webhook has no address");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    notices,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
