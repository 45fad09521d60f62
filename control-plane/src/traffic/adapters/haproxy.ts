/** Servers of a backend, over HAProxy's runtime API: the chosen one takes requests, all others are out of it. */
import { isAbsolute } from "node:path";
import { cleanText } from "../../kernel/clean-text.js";
import { OpsError } from "../../kernel/errors.js";
import { askHaproxy, type HaproxySocket } from "../../platform/haproxy-socket.js";
import type { TrafficObservation } from "../domain/observation.js";
import type { HaproxyTarget } from "../domain/traffic-target.js";
import type { TrafficAdapter } from "./adapter.js";
import { endpointOf } from "./endpoint.js";

/** Bits of `srv_admin_state`: taken out by hand or by configuration, or only ending what it has. */
const OUT = 0x01 | 0x02 | 0x04 | 0x20 | 0x08 | 0x10;
/** `srv_op_state` of a server that takes requests. */
const RUNNING = "2";

export function haproxyAdapter(target: HaproxyTarget): TrafficAdapter {
  const { backend, destinations, endSessions } = target;
  const sockets = target.sockets.map((socket) => ({
    where: socket,
    socket: isAbsolute(socket) ? { path: socket } : endpointOf(socket),
  }));
  const variable = `proc.mainstay_${target.id.replaceAll("-", "_")}`;

  const observe = async (): Promise<TrafficObservation> => {
    const all = await Promise.all(sockets.map(({ where, socket }) => look(where, socket, target, variable)));
    const kept = all.flatMap(({ epoch }) => epoch ?? []);
    return {
      goesTo: [...new Set(all.flatMap((one) => one.goesTo))].sort(),
      // The oldest counts: a proxy that was started anew has forgotten, and has to be told again.
      epoch: kept.length < all.length ? undefined : Math.min(...kept),
      keepsEpoch: all.every(({ keepsEpoch }) => keepsEpoch),
      hold: 0,
      elsewhere: all.reduce((sum, one) => sum + one.elsewhere, 0),
      because: all.map(({ because }) => because).join("; "),
    };
  };

  return {
    observe,
    steer: async ({ to, epoch }) => {
      const server = destinations[to];
      if (server === undefined)
        throw new OpsError("INVALID_ARGUMENT", `"${to}" is no destination of "${target.id}"`);
      for (const { where, socket } of sockets) {
        const now = await look(where, socket, target, variable);
        if (now.epoch !== undefined && now.epoch > epoch) return "changed";
        // One line: HAProxy takes it up as a whole. The others go first, so that no two of them take requests.
        const others = Object.values(destinations).filter((one) => one !== server);
        const out = others.map((one) => `set server ${backend}/${one} state maint`);
        const end = endSessions ? others.map((one) => `shutdown sessions server ${backend}/${one}`) : [];
        const mark = now.keepsEpoch ? [`experimental-mode on`, `set var ${variable} int(${epoch})`] : [];
        const line = [...out, `set server ${backend}/${server} state ready`, ...end, ...mark].join("; ");
        const said = await askHaproxy(socket, line);
        if (said.trim() !== "")
          throw new OpsError("FAILED_PRECONDITION", `HAProxy at ${where}: ${cleanText(said, 300)}`);
      }
      return "done";
    },
  };
}

async function look(
  where: string,
  socket: HaproxySocket,
  { backend, destinations }: HaproxyTarget,
  variable: string,
) {
  const [states, sessions, kept] = await Promise.all([
    askHaproxy(socket, `show servers state ${backend}`),
    askHaproxy(socket, `show stat ${backend} 4 -1`),
    askHaproxy(socket, `get var ${variable}`),
  ]);
  const servers = readTable(states.split("\n").slice(1), " ");
  const stats = readTable(sessions.split("\n"), ",");
  if (servers.length === 0)
    throw new OpsError(
      "FAILED_PRECONDITION",
      `HAProxy at ${where} has no backend "${backend}": ${cleanText(states, 200)}`,
    );
  const nameOf = new Map(Object.entries(destinations).map(([destination, server]) => [server, destination]));
  const missing = Object.values(destinations).filter(
    (one) => !servers.some((server) => server["srv_name"] === one),
  );
  if (missing.length > 0)
    throw new OpsError(
      "FAILED_PRECONDITION",
      `HAProxy at ${where}, backend "${backend}" has no server ${missing.join(", ")}`,
    );
  const taking = servers.filter((server) => (Number(server["srv_admin_state"]) & OUT) === 0);
  const goesTo = taking.map(({ srv_name: server = "" }) => nameOf.get(server) ?? server);
  const down = taking
    .filter((server) => server["srv_op_state"] !== RUNNING)
    .map((server) => server["srv_name"]);
  const open = (server: string): number =>
    Number(stats.find((one) => one["svname"] === server)?.["scur"] ?? 0);
  const elsewhere = servers
    .filter((server) => !taking.includes(server))
    .reduce((sum, server) => sum + open(server["srv_name"] ?? ""), 0);
  const value = /value=<(\d{1,15})>/.exec(kept)?.[1];
  const told = down.length > 0 ? `, of which HAProxy finds ${down.join(", ")} down` : "";
  return {
    goesTo,
    epoch: value === undefined ? undefined : Number(value),
    keepsEpoch: value !== undefined || kept.startsWith("Variable not found"),
    elsewhere,
    because: `${where} sends ${backend} to ${goesTo.join(", ") || "nobody"}${told}`,
  };
}

/** Rows by the names in the first line, which begins with "# ". */
function readTable(lines: readonly string[], separator: string): readonly Readonly<Record<string, string>>[] {
  const [head = "", ...rows] = lines;
  const names = head.replace(/^# /, "").split(separator);
  return rows
    .filter((row) => row.trim() !== "")
    .map((row) => {
      const cells = row.split(separator);
      return Object.fromEntries(names.map((name, index) => [name, cells[index] ?? ""]));
    });
}
