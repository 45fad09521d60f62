/** Control planes that the person works with, by name: where each is, who calls, and whether it may be changed. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { messageOf } from "#src/kernel/errors";
import { parseYamlText } from "#src/platform/yaml-text";
import { Failure } from "./failure.js";
import type { Environment, Place } from "./place.js";

/** The context without a name of its own: flags, environment, and what the local control plane made. */
export const DEFAULT_CONTEXT = "default";

const NAME = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "expected letters, digits, . _ and -");

const CONTEXT = z.strictObject({
  /** `host:port` of the operators' gRPC door. */
  address: z.string().min(1).optional(),
  tokenFile: z.string().min(1).optional(),
  caFile: z.string().min(1).optional(),
  /** Whether it has to be armed before anything is changed. */
  readOnly: z.boolean().default(true),
});

const FILE = z.strictObject({
  current: NAME.optional(),
  contexts: z.record(NAME, CONTEXT).default({}),
});

export type Context = z.infer<typeof CONTEXT>;
export type Contexts = z.infer<typeof FILE>;

const filled = (text: string | undefined): string | undefined => (text === "" ? undefined : text);

export function contextsFile(env: Environment, { home }: Place): string {
  const configuration = filled(env["XDG_CONFIG_HOME"]) ?? join(home, ".config");
  return filled(env["MAINSTAY_CONTEXTS"]) ?? join(configuration, "mainstay", "contexts.yaml");
}

/** A file that is not there has no contexts. Throws {@link Failure} with every fault of one that is wrong. */
export async function readContexts(path: string): Promise<Contexts> {
  const text = await readIfThere(path);
  if (text === undefined) return { contexts: {} };
  const parsed = parseYamlText(path, text, ({ value, lineOf }) => {
    const read = FILE.safeParse(value ?? {});
    if (read.success) return { value: read.data };
    return {
      faults: read.error.issues.map((issue) => {
        const at = issue.path as (string | number)[];
        return `${lineOf(at)}: ${at.join(".") || "the file"}: ${issue.message}`;
      }),
    };
  });
  if ("faults" in parsed) throw new Failure(parsed.faults.join("; "));
  return parsed.value;
}

export function saveContexts(path: string, contexts: Contexts): Promise<void> {
  const checked = FILE.safeParse(contexts);
  if (!checked.success) throw new Failure(checked.error.issues.map(({ message }) => message).join("; "));
  return replaceFile(path, stringify(contexts));
}

/** What is asked for, else what was made current, else the default one. Throws {@link Failure} for one that is not there. */
export function chooseContext(
  { current, contexts }: Contexts,
  asked: string | undefined,
): { readonly name: string; readonly context: Context } {
  const name = asked ?? current ?? DEFAULT_CONTEXT;
  const context = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (context !== undefined) return { name, context };
  if (name === DEFAULT_CONTEXT) return { name, context: { readOnly: true } };
  const known = [...new Set([DEFAULT_CONTEXT, ...Object.keys(contexts)])].sort().join(", ");
  throw new Failure(`there is no context "${name}", expected one of ${known}`);
}

/** For whom a context is armed until when, by its name; ms since 1970. */
export type Armed = Readonly<Record<string, number>>;

export function armedFile(env: Environment, { home }: Place): string {
  const state = filled(env["XDG_STATE_HOME"]) ?? join(home, ".local", "state");
  return join(state, "mainstay", "armed.json");
}

/** What is not there, or cannot be read as such, arms nothing. */
export async function readArmed(path: string): Promise<Armed> {
  const text = await readIfThere(path);
  try {
    return z.record(z.string(), z.number()).parse(JSON.parse(text ?? "{}"));
  } catch {
    return {};
  }
}

export function saveArmed(path: string, armed: Armed): Promise<void> {
  return replaceFile(path, JSON.stringify(armed));
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new Failure(`${path} cannot be read: ${messageOf(error)}`);
  }
}

/** Only for its owner, and never half written. */
async function replaceFile(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  } catch (error) {
    throw new Failure(`${path} cannot be written: ${messageOf(error)}`);
  }
}
