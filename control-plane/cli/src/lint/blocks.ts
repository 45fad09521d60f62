/** The blocks of a document that are meant to be run or loaded, and where they stand. */
export type Language = "shell" | "sql" | "yaml" | "python" | "other";

export interface Block {
  readonly language: Language;
  /** The line of `lines[0]`, counted from 1. */
  readonly line: number;
  readonly lines: readonly string[];
  /** No line is indented: a copy has lost what it had. */
  readonly flat: boolean;
}

const LANGUAGES: Readonly<Record<string, Language>> = {
  bash: "shell",
  sh: "shell",
  shell: "shell",
  zsh: "shell",
  console: "shell",
  sql: "sql",
  postgresql: "sql",
  psql: "sql",
  yaml: "yaml",
  yml: "yaml",
  python: "python",
  py: "python",
};

const FENCE = /^\s*(`{3,}|~{3,})\s*([A-Za-z0-9+-]*)/;

/** Blocks between fences; in a document without any, blocks by a line that names a language, or by how they begin. */
export function findBlocks(text: string): readonly Block[] {
  const lines = text.split(/\r?\n/);
  return lines.some((line) => FENCE.test(line)) ? fenced(lines) : guessed(lines);
}

function fenced(lines: readonly string[]): readonly Block[] {
  const blocks: Block[] = [];
  let open: { readonly mark: string; readonly name: string; readonly from: number } | undefined;
  for (const [index, line] of lines.entries()) {
    const [, mark = "", name = ""] = FENCE.exec(line) ?? [];
    if (mark === "") continue;
    if (open === undefined) open = { mark, name, from: index + 1 };
    else if (name === "" && mark.startsWith(open.mark)) {
      const content = lines.slice(open.from, index);
      blocks.push(blockOf(content, open.from + 1, LANGUAGES[open.name.toLowerCase()] ?? languageOf(content)));
      open = undefined;
    }
  }
  if (open !== undefined) {
    const content = lines.slice(open.from);
    blocks.push(blockOf(content, open.from + 1, LANGUAGES[open.name.toLowerCase()] ?? languageOf(content)));
  }
  return blocks;
}

const SHELL_START =
  /^(?:#!.*sh\b|(?:sudo |kubectl |curl |aws |psql |systemctl |docker |redis-cli |vault |helm )\S)/;
const SQL_START =
  /^(?:select|alter|reindex|vacuum|analyze|create|delete|update|insert|grant|with)\b.*(?:;|\bfrom\b|\bset\b|,|\w)\s*$/i;
const YAML_START = /^(?:groups|apiVersion|HealthCheck|RecordSet):/;
const ENDS = /^(?:#{2,} |\||[│┌└├┐]|$)/;

function languageOf(lines: readonly string[]): Language {
  for (const line of lines.filter((candidate) => candidate.trim() !== "")) {
    if (SHELL_START.test(line)) return "shell";
    if (YAML_START.test(line)) return "yaml";
    if (SQL_START.test(line)) return "sql";
    if (!/^(?:#|--)/.test(line)) return "other";
  }
  return "other";
}

/** A block goes on until a heading, a table, a drawing, or an empty line after which no code follows. */
function guessed(lines: readonly string[]): readonly Block[] {
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? "";
    const named = LANGUAGES[line.trim().toLowerCase()];
    const language = named ?? languageOf([line]);
    if (language === "other") continue;
    const from = named === undefined ? index : index + 1;
    let to = from;
    while (
      to < lines.length &&
      !ENDS.test(lines[to] ?? "") &&
      LANGUAGES[(lines[to] ?? "").trim().toLowerCase()] === undefined
    )
      to++;
    if (to > from) blocks.push(blockOf(lines.slice(from, to), from + 1, language));
    index = Math.max(index, to - 1);
  }
  return blocks;
}

function blockOf(lines: readonly string[], line: number, language: Language): Block {
  return { language, line, lines, flat: !lines.some((text) => /^\s+\S/.test(text)) };
}
