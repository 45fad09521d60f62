/** What stands under each name, as JSON: the control plane's answers, cleaned and bounded as they are everywhere here. */
import type { Rooms } from "../control-plane/client.js";
import type { ListName, Thing } from "./uris.js";

/** Rows in a list. */
const ROWS_MAX = 100;
/** JSON characters of a reading: about 5,000 tokens. */
const READING_BUDGET = 20_000;
const OUTPUT_CHARS = 3_000;
const ENTRIES_MAX = 50;

export async function readList(rooms: Rooms, name: ListName): Promise<unknown> {
  switch (name) {
    case "health":
      return rooms.health.overview();
    case "nodes": {
      const { rows, nextToken } = await rooms.fleet.listNodes({ size: ROWS_MAX, token: "" });
      return bounded("nodes", rows, nextToken !== "");
    }
    case "alerts":
      return bounded(
        "alerts",
        await rooms.alerts.listAlerts({ state: "active", rule: "", resolvedWithinSeconds: 0 }),
        false,
      );
    case "commands": {
      const page = { size: ROWS_MAX, token: "" };
      const filter = { nodeId: "", state: undefined, alertId: "" };
      const { rows, nextToken } = await rooms.commands.listCommands(page, filter);
      return bounded("commands", rows, nextToken !== "");
    }
    case "journal":
      return readEntries(rooms, undefined);
  }
}

/** Throws NOT_FOUND. */
export async function readThing(rooms: Rooms, thing: Thing, id: string): Promise<unknown> {
  switch (thing) {
    case "node":
      return rooms.fleet.getNode(id);
    case "alert":
      return rooms.alerts.getAlert(id);
    case "command":
      return rooms.commands.getCommand(id, OUTPUT_CHARS);
  }
}

/** The entries after a position, oldest first; without one, the newest. */
export async function readEntries(rooms: Rooms, after: number | undefined): Promise<unknown> {
  const { entries, lastPosition } = await rooms.journal.listEntries({
    afterPosition: after ?? 0,
    size: ENTRIES_MAX,
    subject: "",
    kind: "",
    tail: after === undefined,
  });
  return { ...bounded("entries", entries, false, after === undefined), last_position: lastPosition };
}

/** As many rows as fit, from the end if `newest`; `more` says that there are others. */
function bounded(
  name: string,
  rows: readonly unknown[],
  more: boolean,
  newest = false,
): Record<string, unknown> {
  const kept: unknown[] = [];
  let left = READING_BUDGET;
  for (const row of newest ? rows.toReversed() : rows.slice(0, ROWS_MAX)) {
    left -= JSON.stringify(row).length;
    if (left < 0 && kept.length > 0) break;
    kept.push(row);
  }
  return {
    [name]: newest ? kept.reverse() : kept,
    ...(more || kept.length < rows.length ? { more: true } : {}),
  };
}

/** Completions offered at once, as the protocol has it. */
const COMPLETIONS_MAX = 100;
const CANDIDATES_MAX = 1_000;

/** Ids (for nodes names as well) that begin as was written. */
export async function idsBeginning(rooms: Rooms, thing: Thing, begun: string): Promise<string[]> {
  const page = { size: CANDIDATES_MAX, token: "" };
  let ids: string[];
  switch (thing) {
    case "node":
      ids = (await rooms.fleet.listNodes(page)).rows.flatMap((row) => [row.name, row.node_id]);
      break;
    case "alert":
      ids = (await rooms.alerts.listAlerts({ state: "active", rule: "", resolvedWithinSeconds: 86_400 })).map(
        (row) => row.alert_id,
      );
      break;
    case "command":
      ids = (await rooms.commands.listCommands(page, { nodeId: "", state: undefined, alertId: "" })).rows.map(
        (row) => row.command_id,
      );
  }
  return [...new Set(ids)].filter((id) => id.startsWith(begun)).slice(0, COMPLETIONS_MAX);
}
