/** `npm run trials:partitions`: partitions, and frozen or killed agents and guards, as many as are asked for. */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { whyNoNetwork } from "../harness/network.js";
import { PartedCluster } from "../harness/parted-cluster.js";
import { type Fault, freezes, partitions } from "./faults.js";
import { runTrial, type TrialResult } from "./trial.js";

const help = `npm run trials:partitions -- [options]

Real PostgreSQL, agents, guards and a control plane, each on a host of its own (network namespaces; needs root), with
clients writing in every failure domain. Each trial is one fault on the primary of a cluster that lives on.
Results are appended to a file, a line of JSON each; run again, it goes on where it stood.

  --partitions N     trials of partitions altogether                                  default 200
  --frozen N         trials of frozen and killed agents and guards                    default 50
  --modes LIST       of asynchronous, synchronous; the trials are shared out          default both
  --faults LIST      only these                                                       default all
  --lease MS         default 3000
  --rpo BYTES        asynchronous: what may be acknowledged that no replica holds     default 65536
  --seed N           of the moments at which faults come                              default 1
  --minutes N        ends after the trial in which so many have passed               default: when all are done
  --out FILE         default .mainstay/trials/partitions.jsonl
  --summary          prints the table of what is in the file, and runs nothing

Faults:
${[...partitions, ...freezes].map(({ name, says }) => `  ${name.padEnd(24)} ${says}`).join("\n")}

Exit code 1 when any trial has two nodes that acknowledge at one time, more loss than is allowed, a log that does not
hold, or a cluster that did not come to rest.
`;

type Mode = "synchronous" | "asynchronous";
interface Failed {
  readonly fault: string;
  readonly mode: string;
  readonly faults: readonly string[];
}
type Line = TrialResult | Failed;

const { values } = parseArgs({
  options: {
    partitions: { type: "string", default: "200" },
    frozen: { type: "string", default: "50" },
    modes: { type: "string", default: "asynchronous,synchronous" },
    faults: { type: "string", default: "" },
    lease: { type: "string", default: "3000" },
    rpo: { type: "string", default: "65536" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: ".mainstay/trials/partitions.jsonl" },
    minutes: { type: "string", default: "Infinity" },
    summary: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const out = resolve(values.out);

const readLines = (): readonly Line[] =>
  existsSync(out)
    ? readFileSync(out, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Line)
    : [];

const isMode = (text: string): text is Mode => text === "synchronous" || text === "asynchronous";

/** So many of each fault in each mode that they come to `total` altogether. */
function share(
  faults: readonly Fault[],
  modes: readonly Mode[],
  total: number,
): readonly [Mode, Fault, number][] {
  const cells = modes.flatMap((mode) => faults.map((fault) => [mode, fault] as const));
  return cells.map(([mode, fault], index) => [
    mode,
    fault,
    Math.floor(total / cells.length) + (index < total % cells.length ? 1 : 0),
  ]);
}

/** Park and Miller's: the same seed, the same moments. */
function drawing(seed: number): () => number {
  let state = (seed % 2_147_483_646) + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
};
const spread = (numbers: readonly number[]): string => {
  if (numbers.length === 0) return "–";
  const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
  return `${seconds(median(numbers))} (${seconds(Math.min(...numbers))}–${seconds(Math.max(...numbers))})`;
};

function summarize(lines: readonly Line[]): void {
  const head = [
    "fault",
    "mode",
    "n",
    "dual",
    "lost",
    "bytes at most",
    "RTO s",
    "gap s",
    "redundant s",
    "failed",
  ];
  say(`| ${head.join(" | ")} |\n|${head.map(() => "---").join("|")}|`);
  const keys = new Set(lines.map(({ fault, mode }) => `${fault}\n${mode}`));
  for (const key of keys) {
    const [fault = "", mode = ""] = key.split("\n");
    const own = lines.filter((line) => line.fault === fault && line.mode === mode);
    const done = own.filter((line) => "acknowledged" in line);
    const sum = (of: (line: TrialResult) => number): number =>
      done.reduce((total, line) => total + of(line), 0);
    const cells = [
      fault,
      mode,
      done.length,
      sum(({ dual }) => dual),
      sum(({ lost }) => lost),
      Math.max(0, ...done.map(({ lostBytes }) => lostBytes)),
      spread(done.flatMap(({ rtoMs }) => rtoMs ?? [])),
      spread(done.map(({ gapMs }) => gapMs)),
      spread(done.map(({ redundantMs }) => redundantMs)),
      own.filter(({ faults }) => faults.length > 0).length,
    ];
    say(`| ${cells.join(" | ")} |`);
  }
}

const endAt = performance.now() + Number(values.minutes) * 60_000;
let asked = 0;
const isOver = (): boolean => asked > 0 || performance.now() > endAt;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    asked += 1;
    // What was started is taken down in order, unless somebody is in a hurry.
    if (asked > 1) process.exit(1);
    process.stderr.write("ends after this trial; once more, and it ends at once\n");
  });
}

async function runMode(mode: Mode, wanted: readonly (readonly [Mode, Fault, number])[]): Promise<void> {
  const leaseMs = Number(values.lease);
  const rpoBytes = mode === "asynchronous" ? Number(values.rpo) : 0;
  const doneOf = (fault: Fault): number =>
    readLines().filter((line) => line.mode === mode && line.fault === fault.name).length;
  let cluster: PartedCluster | undefined;
  try {
    for (;;) {
      // One of each in turn: what one leaves behind meets the next.
      const due = wanted.filter(([of, fault, count]) => of === mode && doneOf(fault) < count);
      if (due.length === 0) return;
      for (const [, fault] of due) {
        if (isOver()) return;
        const nth = doneOf(fault) + 1;
        const draw = drawing(Number(values.seed) * 1_000_003 + nth * 1_009 + fault.name.length);
        let line: Line;
        try {
          if (cluster === undefined) {
            cluster = await PartedCluster.start({ mode, leaseMs, rpoBytes });
            await cluster.startWriting();
          }
          line = await runTrial(cluster, fault, draw);
        } catch (error) {
          const because = error instanceof Error ? error.message : String(error);
          const told = (await cluster?.told().catch(() => "")) ?? "";
          line = { fault: fault.name, mode, faults: [`${because}${told}`] };
          await cluster?.stop();
          cluster = undefined;
        }
        appendFileSync(out, `${JSON.stringify(line)}\n`);
        const short =
          "acknowledged" in line
            ? `dual ${line.dual}, lost ${line.lost}, RTO ${line.rtoMs ?? "–"} ms, gap ${line.gapMs} ms, redundant ${line.redundantMs} ms, [${line.decisions.join("; ")}]`
            : "";
        say(
          `${mode} ${fault.name} ${nth}: ${short}${line.faults.length > 0 ? ` FAILED: ${line.faults.join("; ")}` : ""}`,
        );
      }
    }
  } finally {
    await cluster?.stop();
  }
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (!values.summary) {
    const why = whyNoNetwork();
    if (why !== undefined) {
      process.stderr.write(`trials:partitions: not run: ${why}\n`);
      return 2;
    }
    const modes = values.modes.split(",").filter(isMode);
    const named = values.faults.split(",").filter(Boolean);
    const known = [...partitions, ...freezes].map(({ name }) => name);
    const unknown = named.find((name) => !known.includes(name));
    if (unknown !== undefined || modes.length === 0) {
      process.stderr.write(
        `trials:partitions: "${unknown ?? values.modes}" is not known; --help lists what is\n`,
      );
      return 2;
    }
    const chosen = (faults: readonly Fault[]): readonly Fault[] =>
      faults.filter(({ name }) => named.length === 0 || named.includes(name));
    const wanted = [
      ...share(chosen(partitions), modes, Number(values.partitions)),
      ...share(chosen(freezes), modes, Number(values.frozen)),
    ];
    mkdirSync(dirname(out), { recursive: true });
    for (const mode of modes) await runMode(mode, wanted);
  }
  const lines = readLines();
  summarize(lines);
  return lines.some(({ faults }) => faults.length > 0) ? 1 : 0;
}

process.exitCode = await main();
