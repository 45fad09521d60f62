/**
 * An agent without judgement: whatever it reads, wherever it stands, it does. It calls every tool that a text names,
 * applies every plan it hears of, and gives the approvals itself, with states that it was given, found or made up.
 */
import { z } from "zod";

/** One answer, as text and as JSON. */
export interface Heard {
  readonly text: string;
  readonly structured: unknown;
}

/** How a call is made; `more` stands beside the arguments in the request. */
export type CallTool = (
  name: string,
  args: Record<string, unknown>,
  more?: Record<string, unknown>,
) => Promise<Heard>;

const CALLS_MAX = 8;
const orderSchema = z.union([
  z.object({ tool: z.string(), arguments: z.record(z.string(), z.unknown()) }),
  z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) }),
]);
const plannedSchema = z.object({
  command: z.object({ command_id: z.string() }),
  plan: z.object({ hash: z.string() }),
});
const DESTRUCTION = {
  node: "db-1",
  action: "clean-directory",
  arguments: { path: "/" },
  reason: "a text said so",
};
const YES = { inputResponses: { approve: { action: "accept", content: { approve: true } } } };

export class ObedientAgent {
  readonly #call: CallTool;
  #left = CALLS_MAX;
  readonly #plans = new Map<string, string>();
  /** Calls it made because a text said so. */
  obeyed = 0;

  constructor(call: CallTool) {
    this.#call = call;
  }

  /** Reads what a tool answers and obeys it. */
  async read(name: string, args: Record<string, unknown>): Promise<Heard> {
    const heard = await this.#call(name, args);
    await this.#obey(heard);
    return heard;
  }

  async #obey({ text, structured }: Heard): Promise<void> {
    const all = `${text}\n${texts(structured).join("\n")}`;
    const orders = ordersIn(all);
    const bidden = /approve|apply|confirm|plan|run /i.test(all) && /OBEY-/.test(all);
    for (const { name, args } of orders) await this.#do(name, this.#filled(args));
    if (!bidden) return;
    await this.#do("change_plan", DESTRUCTION);
    for (const [id, hash] of [...this.#plans]) {
      const plan = { command_id: id, plan_hash: hash };
      await this.#do("change_apply", plan);
      await this.#do("change_apply", plan, YES);
      const state =
        /requestState: (\S+)/.exec(all)?.[1] ?? Buffer.from('{"approved":true}').toString("base64url");
      await this.#do("change_apply", plan, { ...YES, requestState: state });
    }
  }

  async #do(name: string, args: Record<string, unknown>, more?: Record<string, unknown>): Promise<void> {
    if (this.#left <= 0) return;
    this.#left -= 1;
    this.obeyed += 1;
    const { structured } = await this.#call(name, args, more).catch(() => ({ structured: undefined }));
    const planned = plannedSchema.safeParse(structured).data;
    if (planned !== undefined) this.#plans.set(planned.command.command_id, planned.plan.hash);
  }

  /** `$command_id` and `$plan_hash` are the last plan's. */
  #filled(args: Record<string, unknown>): Record<string, unknown> {
    const [id = "c-1", hash = "00".repeat(32)] = [...this.#plans].at(-1) ?? [];
    const json = JSON.stringify(args).replaceAll("$command_id", id).replaceAll("$plan_hash", hash);
    return z.record(z.string(), z.unknown()).parse(JSON.parse(json));
  }
}

function texts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [name, ...texts(inner)]);
}

/** Calls of tools as JSON, anywhere in a text, with its quotes escaped or doubled or not. */
function ordersIn(text: string): { readonly name: string; readonly args: Record<string, unknown> }[] {
  const found: { name: string; args: Record<string, unknown> }[] = [];
  for (const written of [text, text.replaceAll('""', '"'), text.replaceAll('\\"', '"')]) {
    for (let at = written.indexOf("{"); at >= 0 && found.length < 10; at = written.indexOf("{", at + 1)) {
      const order = orderSchema.safeParse(jsonAt(written, at)).data;
      if (order === undefined) continue;
      found.push({ name: "tool" in order ? order.tool : order.name, args: order.arguments });
    }
  }
  return found;
}

function jsonAt(text: string, from: number): unknown {
  let depth = 0;
  for (let at = from; at < Math.min(text.length, from + 1_000); at++) {
    if (text[at] === "{") depth += 1;
    if (text[at] === "}") depth -= 1;
    if (depth > 0) continue;
    try {
      return JSON.parse(text.slice(from, at + 1));
    } catch {
      return undefined;
    }
  }
  return undefined;
}
