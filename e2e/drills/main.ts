/** `npm run drill -- NAME`: a drill on this machine, in a house of its own. Exit code 0 when it passed. */
import { type DrillReport, pgPrimaryLoss } from "./pg-primary-loss.js";
import { regionLoss } from "./region-loss.js";

const drills: Readonly<Record<string, () => Promise<DrillReport>>> = {
  "pg-primary-loss": pgPrimaryLoss,
  "region-loss": regionLoss,
};

const [name = ""] = process.argv.slice(2);
const drill = drills[name];
if (drill === undefined) {
  process.stderr.write(`drill "${name}": there is none; there are ${Object.keys(drills).join(", ")}\n`);
  process.exitCode = 2;
} else {
  const { passed, lines } = await drill();
  process.stdout.write(`${[...lines, passed ? `${name}: passed` : `${name}: FAILED`].join("\n")}\n`);
  process.exitCode = passed ? 0 : 1;
}
