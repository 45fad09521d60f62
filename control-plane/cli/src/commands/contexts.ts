/** Contexts: which control planes there are, and which may be changed for a while. */
import { formatDuration, MINUTE, parseDuration, SECOND } from "#src/kernel/time";
import { type Command, type Invocation, textFlag } from "../command.js";
import {
  type Context,
  chooseContext,
  DEFAULT_CONTEXT,
  readArmed,
  readContexts,
  saveArmed,
  saveContexts,
} from "../contexts.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { render, table } from "../output.js";

/** A context that stays armed for longer is one that is not read-only. */
const ARM_MAX = 60 * MINUTE;

async function list({ guard, form, write, now }: Invocation): Promise<ExitCode> {
  const { current, contexts } = await readContexts(guard.contextsFile);
  const armed = await readArmed(guard.armedFile);
  const names = [...new Set([DEFAULT_CONTEXT, ...Object.keys(contexts)])].sort();
  const rows = names.map((name) => {
    const { readOnly = true, ...context }: Partial<Context> = contexts[name] ?? {};
    const left = (armed[name] ?? 0) - now();
    const may = left > 0 ? `armed for ${formatDuration(Math.ceil(left / SECOND) * SECOND)}` : "read-only";
    return {
      name,
      current: name === (current ?? DEFAULT_CONTEXT),
      address: context.address ?? "",
      tokenFile: context.tokenFile ?? "",
      caFile: context.caFile ?? "",
      changes: readOnly ? may : "may be changed",
    };
  });
  write(
    render(form, rows, () =>
      table(
        ["", "NAME", "ADDRESS", "TOKEN FILE", "CHANGES"],
        rows.map((row) => [row.current ? "*" : "", row.name, row.address, row.tokenFile, row.changes]),
      ),
    ),
  );
  return EXIT.ok;
}

async function use({ guard, positionals, write }: Invocation): Promise<ExitCode> {
  const contexts = await readContexts(guard.contextsFile);
  const { name } = chooseContext(contexts, positionals[0]);
  await saveContexts(guard.contextsFile, { ...contexts, current: name });
  write(`context "${name}" is current`);
  return EXIT.ok;
}

async function set(invocation: Invocation): Promise<ExitCode> {
  const { guard, flags, positionals, write } = invocation;
  const [name = ""] = positionals;
  const contexts = await readContexts(guard.contextsFile);
  const [address, tokenFile, caFile] = ["address", "token-file", "ca-file"].map((flag) =>
    textFlag(invocation, flag),
  );
  const before = contexts.contexts[name];
  const context: Context = {
    ...before,
    ...(address === undefined ? {} : { address }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(caFile === undefined ? {} : { caFile }),
    readOnly: flags["writable"] === true ? false : flags["read-only"] === true || (before?.readOnly ?? true),
  };
  await saveContexts(guard.contextsFile, {
    ...contexts,
    contexts: { ...contexts.contexts, [name]: context },
  });
  write(
    `context "${name}" is ${before === undefined ? "made" : "changed"}${context.readOnly ? ", read-only" : ""}`,
  );
  return EXIT.ok;
}

async function remove({ guard, positionals, write }: Invocation): Promise<ExitCode> {
  const [name = ""] = positionals;
  const { current, contexts } = await readContexts(guard.contextsFile);
  if (contexts[name] === undefined) throw new Failure(`there is no context "${name}"`);
  const rest = Object.fromEntries(Object.entries(contexts).filter(([other]) => other !== name));
  await saveContexts(guard.contextsFile, {
    contexts: rest,
    ...(current === undefined || current === name ? {} : { current }),
  });
  write(`context "${name}" is gone`);
  return EXIT.ok;
}

async function arm({ guard, positionals, write, now }: Invocation): Promise<ExitCode> {
  const [text = ""] = positionals;
  const duration = parseDuration(text);
  if (duration === undefined || duration <= 0 || duration > ARM_MAX)
    throw new Failure(
      `"${text}" is no time to be armed for; expected such as 10m, at most ${formatDuration(ARM_MAX)}`,
    );
  const armed = await readArmed(guard.armedFile);
  const live = Object.entries(armed).filter(([, until]) => until > now());
  await saveArmed(guard.armedFile, { ...Object.fromEntries(live), [guard.context]: now() + duration });
  write(
    `context "${guard.context}" may be changed for ${formatDuration(duration)}; mainstay disarm ends it sooner`,
  );
  return EXIT.ok;
}

async function disarm({ guard, write }: Invocation): Promise<ExitCode> {
  const armed = await readArmed(guard.armedFile);
  await saveArmed(
    guard.armedFile,
    Object.fromEntries(Object.entries(armed).filter(([name]) => name !== guard.context)),
  );
  write(`context "${guard.context}" is read-only`);
  return EXIT.ok;
}

const NONE = { options: {}, help: "" } as const;

export const contextCommands: readonly Command[] = [
  {
    name: "context list",
    usage: "",
    summary: "The control planes that are known by name, and which may be changed now.",
    ...NONE,
    positionals: { least: 0, most: 0 },
    needsContext: false,
    run: list,
  },
  {
    name: "context use",
    usage: "NAME",
    summary: "Make a context the one that is meant when none is named.",
    ...NONE,
    positionals: { least: 1, most: 1 },
    needsContext: false,
    run: use,
  },
  {
    name: "context set",
    usage: "NAME [--address HOST:PORT] [--token-file FILE] [--ca-file FILE] [--writable|--read-only]",
    summary: "Make or change a context.",
    help: `  --writable            it may be changed without being armed
  --read-only           it has to be armed (the default)`,
    options: { writable: { type: "boolean" }, "read-only": { type: "boolean" } },
    positionals: { least: 1, most: 1 },
    needsContext: false,
    run: set,
  },
  {
    name: "context remove",
    usage: "NAME",
    summary: "Forget a context.",
    ...NONE,
    positionals: { least: 1, most: 1 },
    needsContext: false,
    run: remove,
  },
  {
    name: "arm",
    usage: "DURATION",
    summary: "Let the context be changed for some minutes.",
    ...NONE,
    positionals: { least: 1, most: 1 },
    run: arm,
  },
  {
    name: "disarm",
    usage: "",
    summary: "Make the context read-only again.",
    ...NONE,
    positionals: { least: 0, most: 0 },
    run: disarm,
  },
];
