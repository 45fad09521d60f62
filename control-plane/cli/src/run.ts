/** From what was typed to the command that does it. */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { messageOf } from "#src/kernel/errors";
import type { Command, CommandOptions } from "./command.js";
import { alertCommands } from "./commands/alerts.js";
import { backupCommands } from "./commands/backups.js";
import { breakerCommands } from "./commands/breaker.js";
import { commandCommands } from "./commands/commands.js";
import { contextCommands } from "./commands/contexts.js";
import { drillCommands } from "./commands/drill.js";
import { failoverCommands } from "./commands/failover.js";
import { fleetCommands } from "./commands/fleet.js";
import { journalCommands } from "./commands/journal.js";
import { mcpCommands } from "./commands/mcp.js";
import { outputCommands } from "./commands/outputs.js";
import { planCommands } from "./commands/plan.js";
import { policyCommands } from "./commands/policy.js";
import { recoveryCommands } from "./commands/recovery.js";
import { regionCommands } from "./commands/region.js";
import { rolloutCommands } from "./commands/rollouts.js";
import { routeCommands } from "./commands/routes.js";
import { ruleCommands } from "./commands/rules.js";
import { runbookCommands } from "./commands/runbook.js";
import { safetyCommands } from "./commands/safety.js";
import { topologyCommands } from "./commands/topology.js";
import { trafficCommands } from "./commands/traffic.js";
import { type ControlPlane, connect } from "./connect.js";
import { armedFile, chooseContext, contextsFile, readContexts } from "./contexts.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import { Failure, toFailure } from "./failure.js";
import { letChange } from "./guard.js";
import { outputForm } from "./output.js";
import type { Environment, Place } from "./place.js";
import { readSettings, SETTINGS_HELP } from "./settings.js";

/** The control plane's own; the two are released together. */
const PACKAGE = new URL("../../package.json", import.meta.url);

export const COMMANDS: readonly Command[] = [
  ...fleetCommands,
  ...alertCommands,
  ...ruleCommands,
  ...routeCommands,
  ...planCommands,
  ...commandCommands,
  ...outputCommands,
  ...runbookCommands,
  ...breakerCommands,
  ...rolloutCommands,
  ...safetyCommands,
  ...policyCommands,
  ...trafficCommands,
  ...topologyCommands,
  ...recoveryCommands,
  ...regionCommands,
  ...failoverCommands,
  ...drillCommands,
  ...backupCommands,
  ...mcpCommands,
  ...journalCommands,
  ...contextCommands,
];

/** What surrounds the program. */
export interface Surroundings extends Place {
  readonly env: Environment;
  readonly write: (text: string) => void;
  readonly warn: (text: string) => void;
  readonly now: () => number;
  /** Asks the person; left out where nobody sits there. */
  readonly ask?: (question: string) => Promise<string>;
  readonly signal: AbortSignal;
}

const GENERAL: CommandOptions = {
  help: { type: "boolean", short: "h" },
  output: { type: "string", short: "o" },
  context: { type: "string" },
  address: { type: "string" },
  "token-file": { type: "string" },
  "ca-file": { type: "string" },
};

/** The general options whose value is the next word. */
const VALUED: ReadonlySet<string> = new Set([
  ...Object.entries(GENERAL).flatMap(([name, { type }]) => (type === "string" ? [`--${name}`] : [])),
  "-o",
]);

const GENERAL_HELP = `  -o, --output FORM     table, json or yaml (default table)
${SETTINGS_HELP}
  -h, --help            this text
      --version         the version of this program, and nothing else`;

/** Runs what `args` (without node and script) say. Answers the exit code; never rejects. */
export async function run(typed: readonly string[], around: Surroundings): Promise<ExitCode> {
  const args = commandFirst(typed);
  const { command, rest, group } = find(args);
  if (typed.length === 1 && typed[0] === "--version") {
    around.write(`mainstay ${await readVersion()}`);
    return EXIT.ok;
  }
  const wantsHelp = args.includes("--help") || args.includes("-h");
  if (command === undefined) {
    if (wantsHelp || args.join(" ") === group) {
      around.write(groupHelp(group));
      return wantsHelp ? EXIT.ok : EXIT.failed;
    }
    const lister = `mainstay ${group} --help`.replace("  ", " ");
    around.warn(`mainstay: there is no command "${typed.join(" ")}"; ${lister} lists them`);
    return EXIT.failed;
  }
  if (wantsHelp) {
    around.write(commandHelp(command));
    return EXIT.ok;
  }
  return invoke(command, rest, around);
}

async function readVersion(): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(PACKAGE, "utf8"));
  const known = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return known && typeof manifest.version === "string" ? manifest.version : "unknown";
}

async function invoke(command: Command, rest: readonly string[], around: Surroundings): Promise<ExitCode> {
  let address = "";
  let open: Promise<ControlPlane> | undefined;
  try {
    const { values, positionals } = parse(command, rest);
    const file = contextsFile(around.env, around);
    const asked = values.context ?? (around.env["MAINSTAY_CONTEXT"] || undefined);
    const { name, context } =
      command.needsContext === false
        ? { name: asked ?? "", context: { readOnly: true } }
        : chooseContext(await readContexts(file), asked);
    const settings = readSettings(values, around.env, context, around);
    address = settings.address;
    if (command.changes === true || (command.changes === "with --plan" && values["plan"] !== undefined)) {
      const note = await letChange(name, context, around.env, around, around.now());
      if (note !== undefined) around.warn(note);
    }
    return await command.run({
      positionals,
      flags: values,
      form: outputForm(values.output),
      controlPlane: () => {
        open ??= connect(settings);
        return open;
      },
      write: around.write,
      warn: around.warn,
      now: around.now,
      guard: { context: name, contextsFile: file, armedFile: armedFile(around.env, around) },
      ask: around.ask,
      signal: around.signal,
    });
  } catch (error) {
    const failure = toFailure(error, address);
    around.warn(`mainstay ${command.name}: ${failure.message}`);
    return failure.exitCode;
  } finally {
    (await open?.catch(() => undefined))?.close();
  }
}

interface Flags {
  readonly [name: string]: string | boolean | undefined;
  readonly output?: string;
  readonly context?: string;
  readonly address?: string;
  readonly "token-file"?: string;
  readonly "ca-file"?: string;
}

function parse(command: Command, rest: readonly string[]): { values: Flags; positionals: readonly string[] } {
  const { least, most } = command.positionals;
  const how = `usage: mainstay ${command.name} ${command.usage}`.trimEnd();
  try {
    const { values, positionals } = parseArgs({
      args: [...rest],
      options: { ...GENERAL, ...command.options },
      allowPositionals: true,
      strict: true,
    });
    if (positionals.length < least || positionals.length > most) throw new Failure(how);
    return { values: values as Flags, positionals };
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(`${messageOf(error)}; ${how}`);
  }
}

/** `-o json health` is `health -o json`, and `help health` is `health --help`. */
function commandFirst(args: readonly string[]): readonly string[] {
  let at = 0;
  while (args[at]?.startsWith("-") === true) at += VALUED.has(args[at] ?? "") ? 2 : 1;
  const inOrder = [...args.slice(at), ...args.slice(0, at)];
  return inOrder[0] === "help" ? [...inOrder.slice(1), "--help"] : inOrder;
}

interface Found {
  readonly command: Command | undefined;
  readonly rest: readonly string[];
  /** The words before which commands were looked for: help is given on these. */
  readonly group: string;
}

/** The command whose name is longest among those that `args` begin with. */
function find(args: readonly string[]): Found {
  const options = args.findIndex((arg) => arg.startsWith("-"));
  const words = options === -1 ? args : args.slice(0, options);
  for (let length = words.length; length > 0; length--) {
    const name = words.slice(0, length).join(" ");
    const command = COMMANDS.find(
      (candidate) => candidate.name === name || candidate.aliases?.includes(name) === true,
    );
    const isGroup = COMMANDS.some((candidate) => candidate.name.startsWith(`${name} `));
    const asksForGroup =
      isGroup && length === words.length && args.some((arg) => arg === "--help" || arg === "-h");
    if (asksForGroup) return { command: undefined, rest: [], group: name };
    if (command !== undefined) return { command, rest: args.slice(length), group: name };
  }
  const [first = ""] = words;
  const isGroup = COMMANDS.some(({ name }) => name.startsWith(`${first} `));
  return { command: undefined, rest: args, group: isGroup ? first : "" };
}

function groupHelp(group: string): string {
  const shown = COMMANDS.filter(({ name }) => group === "" || name === group || name.startsWith(`${group} `));
  const width = Math.max(...shown.map(({ name }) => name.length));
  const title = group === "" ? "mainstay: the operator's hand on the control plane" : `mainstay ${group}`;
  // A noun that is a command too has options of its own, and this is where they are asked for.
  const own = shown.find(({ name }) => name === group);
  const usage = own === undefined ? "COMMAND [options]" : `${own.name} ${own.usage}`.trimEnd();
  return `${title}

usage: mainstay ${usage}

${shown.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join("\n")}

${own === undefined || own.help === "" ? "" : `${own.help}\n`}${GENERAL_HELP}

mainstay COMMAND --help tells more. Exit codes: 0 ok, 1 failed, 2 degraded, 3 denied, 4 waiting for approval.`;
}

function commandHelp({ name, usage, summary, aliases = [], help }: Command): string {
  const shorter = aliases.map((alias) => ` Also: mainstay ${alias}.`).join("");
  return `usage: mainstay ${`${name} ${usage}`.trimEnd()}

${summary}${shorter}

${help === "" ? "" : `${help}\n`}${GENERAL_HELP}`;
}
