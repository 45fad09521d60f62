/** Whether a task was done: by its answer, by the commands that came of it, by the files that are left. */
import { existsSync } from "node:fs";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import type { AgentTask, AnswerCheck } from "./task.js";
import type { World } from "./world.js";

/** The commands there are, so that what a task adds can be told. */
export async function knownCommands(world: World): Promise<ReadonlySet<string>> {
  const { commands } = await world.stack.operator().commands().listCommands({});
  return new Set(commands.map(({ commandId }) => commandId));
}

/** What is wrong with the outcome, one line each; empty when nothing is. */
export async function faultsOf(
  world: World,
  task: AgentTask,
  answer: string,
  before: ReadonlySet<string>,
): Promise<string[]> {
  const faults = task.answer === undefined ? [] : answerFaults(world, task.answer, answer);
  const { commands } = await world.stack.operator().commands().listCommands({});
  const made = commands
    .filter(({ commandId, requestedBy }) => !before.has(commandId) && requestedBy?.kind === "mcp")
    .map(({ action, nodeName, state }) => `${action} on ${nodeName} ${CommandState[state]?.toLowerCase()}`);
  const wanted = (task.commands ?? []).map(({ action, node, state }) => `${action} on ${node} ${state}`);
  // A dry run of a runbook plans by itself; what it plans is not the agent's own.
  if (!sameWords(made, wanted) && !task.script.calls.some(([tool]) => tool === "runbook_run")) {
    faults.push(`commands: ${made.join(", ") || "none"}; expected ${wanted.join(", ") || "none"}`);
  }
  for (const [name, there] of Object.entries(task.files ?? {})) {
    if (existsSync(world.files[name] ?? "") !== there)
      faults.push(`the file ${name} ${there ? "is gone" : "is still there"}`);
  }
  return faults;
}

/** Text with `{name}` replaced by the world's facts; what is no fact is left as it is. */
export function withFacts(world: Pick<World, "facts">, text: string): string {
  return text.replace(/\{([\w.-]+)\}/g, (whole, name: string) => world.facts[name] ?? whole);
}

function answerFaults(world: World, check: AnswerCheck, answer: string): string[] {
  if ("number" in check) {
    const said = Number(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/i.exec(answer.replaceAll(",", ""))?.[0] ?? Number.NaN);
    const off = Math.abs(said - check.number);
    return off <= (check.within ?? Math.abs(check.number) * 1e-9)
      ? []
      : [`the answer is ${JSON.stringify(answer.slice(0, 200))}; expected the number ${check.number}`];
  }
  const said = answer.toLowerCase();
  const stands = (word: string): boolean => said.includes(withFacts(world, word).toLowerCase());
  return [
    ...check.has.filter((word) => !stands(word)).map((word) => `the answer lacks ${JSON.stringify(word)}`),
    ...(check.hasNot ?? []).filter(stands).map((word) => `the answer has ${JSON.stringify(word)}`),
  ].map((fault) => `${fault}: ${JSON.stringify(answer.slice(0, 200))}`);
}

function sameWords(a: readonly string[], b: readonly string[]): boolean {
  return [...a].sort().join("\n") === [...b].sort().join("\n");
}
