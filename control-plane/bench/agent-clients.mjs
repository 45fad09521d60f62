/** Processes of made-up agents (streams-agents.mjs), and the way to ask something of them. */
import { join } from "node:path";
import { bundle } from "./bundle.mjs";

const ANSWER_WITHIN_MS = 240_000;

async function startClient(programs, file, options) {
  const program = programs.start(`agents from ${options.first}`, [file, JSON.stringify(options)]);
  const enrolled = program.hear("enrolled", ({ said }) => said === "enrolled", ANSWER_WITHIN_MS);
  const ask = async (what, more = {}) => {
    const answer = await program.hear(
      what,
      ({ said, ask: asked }) => said === what || (said === "failed" && asked === what),
      ANSWER_WITHIN_MS,
      { ask: what, ...more },
    );
    if (answer.said === "failed") throw new Error(`${what}: ${answer.because}`);
    return answer;
  };
  return { ...options, program, enrolled, ask };
}

/**
 * Starts `counts.length` processes with so many agents each, enrolled and not yet connected. `load` is the number of
 * `series` of each and how often, in ms, they are read (`intervalMs`).
 */
export async function startAgentClients(programs, house, counts, load) {
  const file = await bundle("streams-agents.mjs");
  const socket = new URLSearchParams({ host: join(house.stateDirectory, "postgres/run") });
  const settings = {
    ...load,
    stateDirectory: house.stateDirectory,
    databaseUrl: `postgresql://mainstay@localhost/postgres?${socket}`,
  };
  const clients = [];
  let first = 0;
  for (const count of counts) {
    clients.push(await startClient(programs, file, { ...settings, first, count }));
    first += count;
  }
  await Promise.all(clients.map(({ enrolled }) => enrolled));
  return clients;
}

export const askAll = (clients, what, more) => Promise.all(clients.map(({ ask }) => ask(what, more)));
