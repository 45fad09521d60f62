/** A control plane and one agent process for a story, gone when the story is over. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { CommandEvent, Finished } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { AgentProcess, until } from "./agent-process.js";
import { FakeControlPlane, type FakeOptions } from "./fake-control-plane.js";

export interface House {
  readonly fake: FakeControlPlane;
  readonly agent: AgentProcess;
  /** The directory that the agent may clean. */
  readonly root: string;
}

const open: { stop(): Promise<unknown> }[] = [];

/** Ends whatever stories left; for afterEach. */
export async function closeHouses(): Promise<void> {
  for (const part of open.splice(0).reverse()) await part.stop();
}

/** A control plane that listens and an agent that is configured and not started. */
export async function house(
  options: FakeOptions = {},
  more: Readonly<Record<string, unknown>> = {},
): Promise<House> {
  const fake = await FakeControlPlane.start(options);
  open.push(fake);
  const agent = new AgentProcess();
  open.push({
    stop: async () => {
      await agent.kill();
      rmSync(agent.directory, { recursive: true, force: true });
    },
  });
  const root = join(agent.directory, "root");
  mkdirSync(root);
  agent.configure(fake, { actions: { cleanDirectory: { roots: [root], minAgeSeconds: 60 } }, ...more });
  return { fake, agent, root };
}

/** Waits until a command has ended and answers with its last event. */
export async function endOf(
  fake: FakeControlPlane,
  commandId: string,
  ms?: number,
): Promise<CommandEvent["event"]> {
  const ended = (event: CommandEvent): boolean =>
    event.event.case === "finished" || event.event.case === "refused" || event.event.case === "interrupted";
  await until(`command ${commandId} has ended`, () => fake.eventsOf(commandId).some(ended), ms);
  return fake.eventsOf(commandId).find(ended)?.event ?? { case: undefined };
}

/** The same for one that must have finished. */
export async function finishOf(fake: FakeControlPlane, commandId: string, ms?: number): Promise<Finished> {
  const event = await endOf(fake, commandId, ms);
  if (event.case === "finished") return event.value;
  throw new Error(`command ${commandId} ended as ${event.case}: ${JSON.stringify(event.value)}`);
}

/** Previews cleaning a directory; answers with the plan's hash. */
export async function planCleaning(fake: FakeControlPlane, commandId: string, path: string): Promise<string> {
  fake.order({ commandId, action: "clean-directory", arguments: { path }, mode: "preview" });
  return (await finishOf(fake, commandId)).planHash;
}
