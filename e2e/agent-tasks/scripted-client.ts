/** A client without a mind: it makes the calls of a task's script, and says what the script finds in the answers. */
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { z } from "zod";
import { withFacts } from "./grade.js";
import type { AgentTask } from "./task.js";
import type { World } from "./world.js";

const resultSchema = z.looseObject({
  content: z.array(z.looseObject({ text: z.string().optional() })).default([]),
  structuredContent: z.record(z.string(), z.unknown()).default({}),
});

export class ScriptedClient {
  readonly #world: World;
  readonly #client: Client;
  #person: "approves" | "declines" = "declines";

  private constructor(world: World, client: Client) {
    this.#world = world;
    this.#client = client;
  }

  static async connect(world: World, era: string): Promise<ScriptedClient> {
    const mode = era === "2026-07-28" ? { versionNegotiation: { mode: { pin: era } } } : {};
    const client = new Client(
      { name: "scripted", version: "1" },
      { capabilities: { elicitation: { form: {} } }, ...mode },
    );
    const scripted = new ScriptedClient(world, client);
    client.setRequestHandler("elicitation/create", () =>
      scripted.#person === "approves"
        ? { action: "accept", content: { approve: true } }
        : { action: "decline" },
    );
    const requestInit = { headers: { authorization: `Bearer ${world.token}` } };
    await client.connect(new StreamableHTTPClientTransport(world.url, { requestInit }));
    return scripted;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** Does the task; its answer. */
  async work({ script, person }: AgentTask): Promise<string> {
    this.#person = person ?? "declines";
    const answers: Record<string, unknown>[] = [];
    for (const [name, args] of script.calls) {
      const filled = z.record(z.string(), z.unknown()).parse(this.#filled(args, answers));
      const result = resultSchema.parse(
        await this.#client.callTool({ name, arguments: filled }, { timeout: 40_000 }),
      );
      const text = result.content.map(({ text: part = "" }) => part).join("\n");
      answers.push({ ...result.structuredContent, text });
    }
    return String(this.#filled(script.say ?? "", answers));
  }

  #filled(value: unknown, answers: readonly unknown[]): unknown {
    if (typeof value === "string") {
      return withFacts(this.#world, value).replace(/\{(\d+\/[^{}]+)\}/g, (_, path: string) =>
        found(answers, path),
      );
    }
    if (Array.isArray(value)) return value.map((item) => this.#filled(item, answers));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, this.#filled(item, answers)]),
    );
  }
}

/**
 * What stands at a path of names, numbers, `#` (how many), and choices among rows: `name=value`, `name!=value`,
 * `name~part`. `path?yes:no` is one of two words. Nothing is the empty text.
 */
function found(root: unknown, path: string): string {
  const [way = "", choice] = path.split("?");
  let value: unknown = root;
  for (const step of way.split("/")) value = stepped(value, step);
  if (choice !== undefined) {
    const [yes = "", no = ""] = choice.split(":");
    return value === true || (typeof value === "number" && value > 0) ? yes : no;
  }
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
}

function stepped(value: unknown, step: string): unknown {
  if (Array.isArray(value)) {
    if (step === "#") return value.length;
    const row = /^([\w.]+)(!=|=|~)(.*)$/.exec(step);
    if (row === null) return value[Number(step)];
    const [, name = "", how, wanted = ""] = row;
    return value.find((item) => {
      const has = String(name.split(".").reduce<unknown>((inner, part) => stepped(inner, part), item) ?? "");
      return how === "=" ? has === wanted : how === "!=" ? has !== wanted : has.includes(wanted);
    });
  }
  return typeof value === "object" && value !== null
    ? Object.entries(value).find(([n]) => n === step)?.[1]
    : undefined;
}
