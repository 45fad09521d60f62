/**
 * Kills the control plane at every record of a failover and of a switchover, before it is written, when it is written, and
 * when it was acted upon: `node e2e/dist/trials/crash-steps.js [--each N] [--results FILE]`. What is in the file counts, so
 * a run can be gone on with. Exit code 0 when every decision went on with its candidate or was called off.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { z } from "zod";
import { moments } from "../harness/control-kill.js";
import { CrashHouse, type CrashStep, crashRecords, faultsOfOutcome } from "../harness/crash-step.js";

const result = z.object({
  trial: z.literal("crash-step"),
  change: z.enum(["node-loss", "switchover"]),
  record: z.string(),
  moment: z.enum(moments),
  faults: z.array(z.string()),
});
type Result = z.infer<typeof result>;

const { values } = parseArgs({
  options: {
    each: { type: "string", default: "5" },
    results: { type: "string" },
    records: { type: "string" },
  },
});
const write = (line: string): boolean => process.stdout.write(`${line}\n`);
if (!/^[1-9]\d{0,3}$/.test(values.each)) {
  write(`--each ${values.each}: expected 1 to 9999`);
  process.exit(2);
}
const each = Number(values.each);
const only = values.records?.split(",");

function readResults(): Result[] {
  if (values.results === undefined || !existsSync(values.results)) return [];
  const lines = readFileSync(values.results, "utf8").split("\n").filter(Boolean);
  return lines.flatMap((line) => {
    const read = result.safeParse(JSON.parse(line));
    return read.success ? [read.data] : [];
  });
}

const results = readResults();
const steps = (["node-loss", "switchover"] as const).flatMap((change) =>
  crashRecords[change].flatMap((record) => moments.map((moment): CrashStep => ({ change, record, moment }))),
);
const same = (one: CrashStep, other: CrashStep): boolean =>
  one.change === other.change && one.record === other.record && one.moment === other.moment;
const named = ({ change, record, moment }: CrashStep): string => `${change}, ${record} ${moment}`;

let house: CrashHouse | undefined;
let failedHouses = 0;

async function one(step: CrashStep): Promise<void> {
  let faults: readonly string[];
  try {
    house ??= await CrashHouse.start();
    const outcome = await house.run(step);
    faults = faultsOfOutcome(outcome);
    write(`${named(step)}: ${faults.length === 0 ? outcome.ended.join(", ") : faults.join("; ")}`);
  } catch (error) {
    faults = [error instanceof Error ? error.message : String(error)];
    write(`${named(step)}: FAILED: ${faults[0]}`);
    if (house !== undefined) write(await house.account());
    failedHouses += 1;
    await house?.stop();
    house = undefined;
  }
  const line: Result = { trial: "crash-step", ...step, faults: [...faults] };
  results.push(line);
  if (values.results !== undefined) appendFileSync(values.results, `${JSON.stringify(line)}\n`);
}

/** Asked to stop, it ends with the trial that is under way: what it started goes with it. */
let asked = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    asked = true;
  });
}
/** More than that, and it is not the moment that is wrong. */
const FAILED_HOUSES_MAX = 5;
try {
  for (let round = 1; round <= each; round++) {
    for (const step of steps) {
      if (asked) break;
      if (only !== undefined && !only.includes(step.record)) continue;
      if (results.filter((done) => same(done, step)).length >= round || failedHouses > FAILED_HOUSES_MAX)
        continue;
      await one(step);
    }
  }
} finally {
  await house?.stop();
}
const bad = results.filter(({ faults }) => faults.length > 0);
write(
  `${results.length} kills of the control plane, ${results.length - bad.length} resumed or called off cleanly, ${bad.length} not`,
);
for (const step of bad) write(`  ${named(step)}: ${step.faults.join("; ")}`);
process.exitCode = bad.length === 0 ? 0 : 1;
