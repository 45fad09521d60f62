/**
 * A drill on this machine, in a house of its own: `main.js NAME`, or `main.js --programs NAME` for what it needs. Exit code
 * 0 when it passed, 1 when it failed, 2 when it cannot be run. `scripts/drill.mjs` builds first, and brings what is needed.
 */
import { drills } from "./drills.js";

const args = process.argv.slice(2);
const asked = args[0] === "--programs";
const name = (asked ? args[1] : args[0]) ?? "";
const drill = drills[name];
const why = drill?.whyNot?.();
if (drill === undefined) {
  const known = Object.entries(drills).map(([one, { says }]) => `  ${one.padEnd(20)} ${says}`);
  const sentence =
    name === "" ? "npm run drill -- NAME; there are" : `drill "${name}": there is none; there are`;
  process.stderr.write(`${[sentence, ...known].join("\n")}\n`);
  process.exitCode = 2;
} else if (why !== undefined) {
  process.stderr.write(`drill "${name}" cannot be run here: ${why}\n`);
  process.exitCode = 2;
} else if (asked) {
  process.stdout.write(`${JSON.stringify(drill.programs)}\n`);
} else {
  const { passed, lines } = await drill.run();
  process.stdout.write(`${[...lines, passed ? `${name}: passed` : `${name}: FAILED`].join("\n")}\n`);
  process.exitCode = passed ? 0 : 1;
}
