/**
 * The runbooks in force as skills (SEP-2640): what a model reads when it is to work by one. They are read with the
 * caller's own rights, as they are now; a skill's digest is of what was given.
 */
import type { ServerContext } from "@modelcontextprotocol/server";
import { type Skill, type SkillSource, skillEntry } from "@modelcontextprotocol/server/ext/skills";
import type { Rooms } from "../control-plane/client.js";
import type { RunbookView } from "../control-plane/runbooks.js";
import { OpsError } from "../errors.js";
import type { Read } from "../resources/resources.js";

export const SKILLS_ROOT = "skill://runbooks/";
const SKILLS_MAX = 50;
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

export class RunbookSkills implements SkillSource {
  readonly #read: Read;

  constructor(read: Read) {
    this.#read = read;
  }

  list(_params: unknown, context: ServerContext): Promise<{ skills: Skill[] }> {
    return this.#read("skills", context, async ({ runbooks }) => {
      const names = (await listedOrNone(runbooks)).map(({ name }) => name).filter((name) => NAME.test(name));
      const skills = await Promise.all(names.slice(0, SKILLS_MAX).map((name) => entryOf(runbooks, name)));
      return { skills: skills.filter((skill) => skill !== undefined) };
    });
  }

  get(uri: string, context: ServerContext): Promise<Skill | undefined> {
    return this.#read("skills", context, async ({ runbooks }) => {
      const place = placeOf(uri);
      return place?.file === SKILL_FILE ? entryOf(runbooks, place.name) : undefined;
    });
  }

  read(uri: string, context: ServerContext): Promise<{ text: string; mimeType: string } | undefined> {
    return this.#read("skills", context, async ({ runbooks }) => {
      const place = placeOf(uri);
      const files = place === undefined ? undefined : await filesOf(runbooks, place.name);
      const text = place === undefined ? undefined : files?.[place.file];
      if (place === undefined || text === undefined) return undefined;
      return { text, mimeType: place.file === SKILL_FILE ? "text/markdown" : "application/yaml" };
    });
  }
}

const SKILL_FILE = "SKILL.md";
const TEXT_FILE = "references/runbook.yaml";

function placeOf(uri: string): { readonly name: string; readonly file: string } | undefined {
  if (!uri.startsWith(SKILLS_ROOT)) return undefined;
  const [name = "", ...rest] = uri.slice(SKILLS_ROOT.length).split("/");
  return NAME.test(name) ? { name, file: rest.join("/") } : undefined;
}

async function entryOf(runbooks: Rooms["runbooks"], name: string): Promise<Skill | undefined> {
  const files = await filesOf(runbooks, name);
  return files === undefined ? undefined : skillEntry(name, files, { baseUri: SKILLS_ROOT });
}

async function filesOf(
  runbooks: Rooms["runbooks"],
  name: string,
): Promise<Record<string, string> | undefined> {
  try {
    const { runbook, text } = await runbooks.getRunbook(name);
    return { [SKILL_FILE]: skillText(runbook), [TEXT_FILE]: text };
  } catch (error) {
    if (error instanceof OpsError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

/** A control plane without runbooks has none to offer. */
async function listedOrNone(runbooks: Rooms["runbooks"]): Promise<readonly RunbookView[]> {
  try {
    return await runbooks.listRunbooks();
  } catch (error) {
    if (error instanceof OpsError && error.code === "UNIMPLEMENTED") return [];
    throw error;
  }
}

/** Tools by which a step of each kind can be followed by hand. */
const BY_HAND: Readonly<Record<string, string>> = {
  action: "plan it with change_plan, and apply that plan if the person you work for wants it",
  query: "ask it with metrics_query",
  wait: "ask its expression with metrics_query until it holds",
  approval: "ask the person you work for",
  runbook: "read that runbook's skill",
};

function skillText(runbook: RunbookView): string {
  const { name, summary, owner, last_reviewed: reviewed, stale, parameters, steps } = runbook;
  return [
    "---",
    `name: ${name}`,
    `description: ${JSON.stringify(`${summary || `The runbook ${name}`}. Use it when this is what has to be done.`)}`,
    "---",
    "",
    `# ${name}`,
    "",
    summary,
    "",
    `Owner: ${owner ?? "nobody named"}. Last reviewed: ${reviewed ?? "never"}${stale ? " (too long ago: say so)" : ""}.`,
    "",
    `Run it as a whole with \`runbook_run\` (dry_run first), or step by step as below. Its text is in ${TEXT_FILE}.`,
    "",
    ...(parameters.length === 0 ? [] : ["## Parameters", ""]),
    ...parameters.map(
      (p) =>
        `- \`${p.name}\` (${p.type}${p.required ? ", required" : ""}): ${[p.summary, p.allowed].filter((part) => part !== undefined).join("; ") || "-"}`,
    ),
    ...(parameters.length === 0 ? [] : [""]),
    "## Steps",
    "",
    ...steps.map(
      ({ id, kind, detail }, i) =>
        `${i + 1}. **${id}** (${kind}): ${detail}. By hand: ${BY_HAND[kind] ?? "as its text says"}.`,
    ),
    "",
  ].join("\n");
}
