/** Ports that are free, for programs that must keep theirs over a restart. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below the ports that Linux gives to outgoing connections by itself (from 32,768): while a program is away for a
 * restart, none of those takes its port.
 */
const FIRST = 12_000;
const LAST = 32_000;
const TRIES = 100;

/** Holds a port that is free; whoever wants it closes what comes back. */
async function holdOne(): Promise<{ readonly port: number; readonly release: () => Promise<void> }> {
  for (let tried = 0; tried < TRIES; tried++) {
    const port = randomInt(FIRST, LAST);
    const server = createServer();
    const held = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (held) return { port, release: () => new Promise<void>((resolve) => server.close(() => resolve())) };
  }
  throw new Error(`no port is free: ${TRIES} between ${FIRST} and ${LAST} were tried`);
}

export async function freePorts(count: number): Promise<readonly number[]> {
  const held = await Promise.all(Array.from({ length: count }, holdOne));
  await Promise.all(held.map(({ release }) => release()));
  return held.map(({ port }) => port);
}
