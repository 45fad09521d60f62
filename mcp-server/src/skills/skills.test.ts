import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type House, openHouse, textOf } from "../testing/house.js";

let house: House;
beforeAll(async () => {
  house = await openHouse();
  house.fake.runbooks = [
    {
      name: "disk-space",
      summary: "Free space on a disk",
      owner: "storage",
      lastReviewed: "2026-11-01",
      parameters: [{ name: "node", type: "node", required: true, summary: "whose disk" }],
      steps: [
        { id: "look", kind: "query", detail: "node_filesystem_avail_bytes" },
        { id: "clean", kind: "action", detail: "clean-directory on the node" },
      ],
    },
    { name: "../../etc", summary: "no name of a skill" },
  ];
});
afterAll(() => house.close());

type Json = Record<string, unknown>;

async function ask(method: string, params: Json, name?: string): Promise<Json> {
  const answer = await house.http("/mcp", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(name === undefined ? {} : { "mcp-name": name }),
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method,
      params: {
        ...params,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": {
            extensions: { "io.modelcontextprotocol/skills": {} },
          },
        },
      },
    }),
  });
  const { result, error }: { result?: Json; error?: Json } = JSON.parse(await answer.text());
  return result ?? { error };
}

const URI = "skill://runbooks/disk-space/SKILL.md";

describe("a runbook", () => {
  test("is a skill, listed with the digest of what is then read", async () => {
    const { skills } = await ask("skills/list", {});
    expect(skills).toHaveLength(1);
    expect(JSON.stringify(skills)).toContain(URI);
    const { contents } = await ask("resources/read", { uri: URI }, URI);
    const [{ text = "" } = {}] = contents as { text?: string }[];
    expect(text).toMatch(/^---\nname: disk-space\ndescription: "Free space on a disk\./);
    expect(text).toContain(
      "2. **clean** (action): clean-directory on the node. By hand: plan it with change_plan",
    );
    const digest = createHash("sha256").update(text).digest("hex");
    expect(JSON.stringify(skills)).toContain(digest);
  });

  test("has its text beside it", async () => {
    const uri = "skill://runbooks/disk-space/references/runbook.yaml";
    expect(await ask("resources/read", { uri }, uri)).toMatchObject({
      contents: [{ text: "name: disk-space\n", mimeType: "application/yaml" }],
    });
  });

  test.each([
    "skill://runbooks/nobody/SKILL.md",
    "skill://runbooks/../../etc/SKILL.md",
    "skill://other/disk-space/SKILL.md",
  ])("is not %s", async (uri) => {
    expect(await ask("resources/read", { uri }, uri)).toMatchObject({ error: { code: -32_602 } });
  });
});

describe("running one", () => {
  test("is dry when nothing else is said", async () => {
    const client = await house.connect();
    const result = await client.callTool({
      name: "runbook_run",
      arguments: { name: "disk-space", parameters: { node: "db-1" }, reason: "the disk fills" },
    });
    expect(result.structuredContent).toMatchObject({ run: { run_id: "r-1", dry_run: true } });
    expect(textOf(result)).toContain("nothing is touched");
  });

  test("that there is not says which was meant", async () => {
    const client = await house.connect();
    const result = await client.callTool({
      name: "runbook_run",
      arguments: { name: "disk-spce", reason: "the disk fills" },
    });
    expect(textOf(result)).toBe('NOT_FOUND: no runbook "disk-spce"; did you mean "disk-space"?');
  });

  test("for real is not for a server that may change only some nodes", async () => {
    const { READ_ONLY, TOOLSETS } = await import("../tools/offer.js");
    const nodes = { allow: ["web-*"], deny: [] };
    const narrow = await openHouse({}, 2_000, { ...READ_ONLY, toolsets: TOOLSETS, writes: true, nodes });
    narrow.fake.runbooks = house.fake.runbooks;
    try {
      const client = await narrow.connect();
      const args = { name: "disk-space", reason: "the disk fills" };
      const dry = await client.callTool({ name: "runbook_run", arguments: args });
      expect(dry.isError ?? false).toBe(false);
      const real = await client.callTool({ name: "runbook_run", arguments: { ...args, dry_run: false } });
      expect(textOf(real)).toMatch(/^PERMISSION_DENIED: this MCP server may change only some nodes/);
    } finally {
      await narrow.close();
    }
  });
});
