/** The page, the plan and the house are one: what ARCHITECTURE.md says of the rooms is what stands there. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { z } from "zod";

const root = join(import.meta.dirname, "..");
/** Every room may use these two; they are no rooms themselves. */
const ground = ["kernel", "platform"];
/** Programs that stand in the same table of the page. */
const programs = ["agent", "mcp-server", "console", "e2e"];

const floorPlan: unknown = await import(pathToFileURL(join(root, ".dependency-cruiser.mjs")).href);
const { rooms } = z.object({ rooms: z.record(z.string(), z.array(z.string())) }).parse(floorPlan);

const namesIn = (cell: string): string[] => cell.split(",").map((name) => name.trim().replaceAll("`", ""));

/** The right-hand cell: `nothing more`, names by commas, `every room`, or `every room but x, y`. */
function roomsSeen(cell: string, self: string): string[] {
  if (cell.startsWith("nothing")) return [];
  const every = /^every room(?: but (.*))?$/.exec(cell);
  if (every === null) return namesIn(cell).sort();
  const left = [self, ...namesIn(every[1] ?? "")];
  return Object.keys(rooms)
    .filter((room) => !left.includes(room))
    .sort();
}

/** The floor plan as the page has it: a table whose head is `| room | may look into |`; a row may name several rooms. */
function roomsOnThePage(): Map<string, string[]> {
  const page = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  const table = /^\| room \| may look into \|\n\|[-| ]+\|\n((?:\|.*\|\n)+)/m.exec(page)?.[1] ?? "";
  const found = new Map<string, string[]>();
  for (const row of table.trimEnd().split("\n")) {
    const [, left = "", right = ""] = row.split("|").map((cell) => cell.trim());
    for (const room of namesIn(left)) {
      if (!programs.includes(room)) found.set(room, roomsSeen(right, room));
    }
  }
  return found;
}

test("the rooms of the floor plan are the folders of the control plane", () => {
  const folders = readdirSync(join(root, "control-plane", "src"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !ground.includes(entry.name))
    .map((entry) => entry.name);
  expect(folders.sort()).toEqual(Object.keys(rooms).sort());
});

test("ARCHITECTURE.md says of every room into which others it may look, and of no other", () => {
  const planned = Object.entries(rooms).map(([room, seen]) => [room, [...seen].sort()]);
  expect(Object.fromEntries(roomsOnThePage())).toEqual(Object.fromEntries(planned));
});
