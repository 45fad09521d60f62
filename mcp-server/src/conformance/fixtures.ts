/**
 * The catalogue of the official conformance suite: tools, prompts, resources, tasks and a skill that it calls by name.
 * It serves nothing of the house, and stands only on a port of its own on the loopback (conformance-server.ts).
 */
import {
  createRequestStateCodec,
  type McpServerFactory,
  type RequestStateCodec,
  type ServerEventBus,
} from "@modelcontextprotocol/server";
import { memorySkillFiles, SkillsExtension } from "@modelcontextprotocol/server/ext/skills";
import { serveTasks, TaskServer } from "../protocol/task-server.js";
import type { System } from "../system.js";
import { addContentTools } from "./content-tools.js";
import { addPrompts, addResources } from "./documents.js";
import { addInputTools, addPushTools } from "./input-tools.js";
import { said } from "./samples.js";
import { addTaskTools, MemoryTasks } from "./task-tools.js";

const SKILL = [
  "---",
  "name: disk-triage",
  "description: Find what fills a disk, and say what to do about it.",
  "---",
  "",
  "# Disk triage",
  "",
  "Read references/levels.md first.",
  "",
].join("\n");

const CACHE = { ttlMs: 1_000, cacheScope: "private" } as const;

export async function createFixtureServers(
  system: System,
  bus: ServerEventBus,
  version: string,
): Promise<McpServerFactory> {
  const states: RequestStateCodec = createRequestStateCodec({ key: system.hex(64), ttlSeconds: 600 });
  const tasks = new MemoryTasks(system);
  const skills = await SkillsExtension.load(
    memorySkillFiles({
      "disk-triage/SKILL.md": SKILL,
      "disk-triage/references/levels.md": "# Levels\n\n85 % warns, 95 % pages.\n",
    }),
  );
  return ({ era }) => {
    const mcp = new TaskServer(
      { name: "mainstay-conformance", version },
      {
        capabilities: {
          tools: { listChanged: true },
          prompts: { listChanged: true },
          resources: { listChanged: true, subscribe: true },
          completions: {},
          logging: {},
        },
        cacheHints: {
          "tools/list": CACHE,
          "prompts/list": CACHE,
          "resources/list": CACHE,
          "resources/templates/list": CACHE,
          "resources/read": CACHE,
          "server/discover": CACHE,
        },
        requestState: { verify: states.verify },
      },
    );
    addContentTools(mcp, system.clock);
    addInputTools(mcp, states);
    addTaskTools(mcp, tasks, system);
    addPrompts(mcp);
    addResources(mcp);
    for (const [name, kind] of [
      ["test_trigger_tool_change", "tools_list_changed"],
      ["test_trigger_prompt_change", "prompts_list_changed"],
    ] as const) {
      mcp.registerTool(name, { title: name, description: "Has the change told." }, () => {
        bus.publish({ kind });
        return said("The change was told.");
      });
    }
    if (era === "legacy") {
      addPushTools(mcp);
      mcp.server.setRequestHandler("resources/subscribe", () => ({}));
      mcp.server.setRequestHandler("resources/unsubscribe", () => ({}));
    } else {
      serveTasks(mcp, tasks);
      skills.attach(mcp);
    }
    return mcp;
  };
}
