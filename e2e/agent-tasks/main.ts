/**
 * The tasks by hand, with any model: starts the house, says where it is, then puts one task after another, reads the
 * answer from a line of stdin (empty when the task is an order) and grades it. Approvals are the client's person's to give.
 */
import { createInterface } from "node:readline/promises";
import { ACT } from "./act.js";
import { faultsOf, knownCommands, withFacts } from "./grade.js";
import { LOOK } from "./look.js";
import { makeWorld } from "./world.js";

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const world = await makeWorld();
const lines = createInterface({ input: process.stdin });
try {
  say(`MCP    ${world.url.href}  (Authorization: Bearer ${world.token})`);
  say("Give your model that server, then each task below; write its answer as one line.\n");
  const tasks = [...LOOK, ...ACT];
  const answers = lines[Symbol.asyncIterator]();
  let done = 0;
  for (const [i, task] of tasks.entries()) {
    world.restore();
    const before = await knownCommands(world);
    say(`${i + 1}/${tasks.length} ${task.id}: ${withFacts(world, task.ask)}`);
    if (task.person !== undefined) say(`  (when asked, its person ${task.person})`);
    const line = await answers.next();
    if (line.done === true) break;
    const faults = await faultsOf(world, task, line.value, before);
    if (faults.length === 0) done += 1;
    say(faults.length === 0 ? "  right" : `  wrong: ${faults.join("; ")}`);
  }
  say(`${done} of ${tasks.length} right`);
} finally {
  lines.close();
  await world.close();
}
