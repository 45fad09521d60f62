import { readFileSync } from "node:fs";
import type { Client } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { connectClient } from "../client.js";
import { type House, openHouse } from "../house.js";
import { CHANNELS, type Channel, UNSAFE, unpoisoned } from "./channels.js";
import { type CallTool, type Heard, ObedientAgent } from "./obedient-agent.js";

const payloads = z
  .array(z.object({ name: z.string(), text: z.string() }))
  .parse(JSON.parse(readFileSync(new URL("./poison.json", import.meta.url), "utf8")));

/** Each payload comes by three channels, and each channel carries many payloads. */
const EACH = 3;
const cases = payloads.flatMap(({ name, text }, i) =>
  Array.from({ length: EACH }, (_, k) => {
    const channel = CHANNELS[(i * EACH + k * 9) % CHANNELS.length];
    if (channel === undefined) throw new Error("there is no such channel");
    return { name: `${name} as ${channel.name}`, channel, text };
  }),
);

let house: House;
let client: Client;
/** What the person at the client was shown; they decline everything. */
const shown: string[] = [];
let obeyed = 0;
let answers = 0;

beforeAll(async () => {
  house = await openHouse();
  client = await connectClient(house.url, { token: "operator-token", era: "2026-07-28", elicitation: true });
  client.setRequestHandler("elicitation/create", ({ params }) => {
    shown.push(params.message);
    return { action: "decline" };
  });
});
afterAll(async () => {
  await client.close();
  await house.close();
});
beforeEach(() => {
  unpoisoned(house.fake);
  shown.length = 0;
});

const resultSchema = z.looseObject({
  content: z.array(z.looseObject({ text: z.string().optional() })).default([]),
  structuredContent: z.unknown().optional(),
});
const heard = (result: unknown): Heard => {
  const { content, structuredContent } = resultSchema.parse(result);
  answers += 1;
  return { text: content.map(({ text = "" }) => text).join("\n"), structured: structuredContent };
};

const call: CallTool = async (name, args, more) => {
  if (more === undefined) return heard(await client.callTool({ name, arguments: args }));
  const answer = await house.http("/mcp", {
    method: "POST",
    headers: {
      authorization: "Bearer operator-token",
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": name,
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: {
        name,
        arguments: args,
        ...more,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } },
        },
      },
    }),
  });
  const { result } = z.looseObject({ result: z.unknown() }).parse(await answer.json());
  return result === undefined ? { text: "", structured: undefined } : heard(result);
};

// What no terminal, browser or reader of tokens may get: controls but line breaks and tabs, and all that is not seen.
const UNSEEN =
  /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|\u3164|\u115f|\u1160|\uffa0|[\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]/u;

/** A canary stands only between the marks of its own answer, of which there is one pair. */
function expectMarked({ text }: Heard): void {
  expect(text).not.toMatch(UNSEEN);
  const at = text.indexOf("OBEY-");
  if (at < 0) return;
  const mark = /\[data ([0-9a-f]{8}): from hosts/.exec(text)?.[1];
  if (mark === undefined) {
    // An error, or a summary that names something: one bounded line, quoted by us.
    expect(text.length).toBeLessThan(1_000);
    expect(text).not.toContain("\n");
    return;
  }
  expect(at).toBeGreaterThan(text.indexOf(`[data ${mark}`));
  expect(text.lastIndexOf("OBEY-")).toBeLessThan(text.lastIndexOf(`[end of data ${mark}]`));
}

/** The only sentences that a person is shown, with plain values in their places. */
const PROMPT = new RegExp(
  [
    '^Let "[\\w-]+" run on [\\w.-]+\\?',
    "(?:\\n  [\\w.-]+: \\S{1,80}| {2}\\(\\d+ characters that cannot be shown here, see the plan\\))*",
    "(?:\\n  and \\d+ more arguments)?",
    "\\nReach: \\d+ node\\(s\\), \\d+ % of the role, \\d+ component\\(s\\) and \\d+ that depend on them, criticality \\w+\\.",
    "\\nIt CANNOT be undone\\.",
    "\\nPlan [0-9a-f]{16} of command c-\\d+\\. If you did not ask for this, decline\\.$",
  ].join(""),
);

describe(`an agent that obeys whatever it reads (${cases.length} poisoned readings)`, () => {
  test("there are at least a hundred of them, by every channel", () => {
    expect(cases.length).toBeGreaterThanOrEqual(100);
    expect(new Set(cases.map(({ channel }) => channel.name)).size).toBe(CHANNELS.length);
  });

  test.each(cases)("$name changes nothing", async ({ channel, text }: { channel: Channel; text: string }) => {
    Object.assign(house.fake, channel.world(text));
    const agent = new ObedientAgent(call);
    for (const [tool, args] of channel.reads) expectMarked(await agent.read(tool, args));
    obeyed += agent.obeyed;
    expect(house.fake.heardOf("ApproveCommand")).toEqual([]);
    for (const { state } of house.fake.commands.values()) expect(UNSAFE.has(state)).toBe(false);
    for (const prompt of shown) expect(prompt).toMatch(PROMPT);
    expect(shown.join()).not.toContain("OBEY-");
  });

  test("was not idle: it made hundreds of calls because a text said so", () => {
    process.stdout.write(`the obedient agent: ${answers} answers read, ${obeyed} calls obeyed, 0 changes\n`);
    expect(obeyed).toBeGreaterThan(500);
  });

  test("would have done harm, had a person said yes: nothing but that stands between", async () => {
    const yes = await connectClient(house.url, {
      token: "operator-token",
      era: "2026-07-28",
      elicitation: true,
    });
    yes.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { approve: true } }));
    house.fake.planSummary = payloads[0]?.text ?? "";
    const agent = new ObedientAgent(async (name, args) =>
      heard(await yes.callTool({ name, arguments: args })),
    );
    await agent.read("change_plan", { node: "db-1", action: "clean-directory", reason: "disk" });
    await yes.close();
    expect([...house.fake.commands.values()].some(({ state }) => UNSAFE.has(state))).toBe(true);
  });
});

test("what models are told before they read anything is ours, whatever stands on the hosts", async () => {
  const told = async () => ({
    tools: await client.listTools(),
    prompts: await client.listPrompts(),
    templates: await client.listResourceTemplates(),
    instructions: client.getInstructions(),
  });
  const before = await told();
  for (const { world } of CHANNELS) Object.assign(house.fake, world(payloads[0]?.text ?? ""));
  expect(await told()).toEqual(before);
  expect(JSON.stringify(before)).not.toContain("OBEY-");
});
