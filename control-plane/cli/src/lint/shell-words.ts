/** A shell script as far as lint has to read it: commands with their continuation lines, here-documents, inline SQL. */
import type { Block } from "./blocks.js";

export interface ShellCommand {
  /** The line it begins on. */
  readonly line: number;
  /** Its lines in one; without comments. */
  readonly text: string;
  /** `text` with what stands in quotes blanked out. */
  readonly bare: string;
  /** What is fed to it. */
  readonly document: { readonly line: number; readonly lines: readonly string[] } | undefined;
}

const HERE = /<<-?\s*(['"]?)(\w+)\1/;

export function commandsOf(block: Block): readonly ShellCommand[] {
  const commands: ShellCommand[] = [];
  for (let index = 0; index < block.lines.length; index++) {
    const line = block.line + index;
    let text = block.lines[index] ?? "";
    if (/^\s*(?:#|$)/.test(text)) continue;
    while ((text.endsWith("\\") || quoteIsOpen(text)) && index + 1 < block.lines.length) {
      index++;
      text = `${text.endsWith("\\") ? text.slice(0, -1) : `${text}\n`} ${block.lines[index] ?? ""}`;
    }
    const mark = HERE.exec(text)?.[2];
    let document: ShellCommand["document"];
    if (mark !== undefined) {
      const from = index + 1;
      while (index + 1 < block.lines.length && (block.lines[index + 1] ?? "").trim() !== mark) index++;
      document = { line: block.line + from, lines: block.lines.slice(from, index + 1) };
      index++;
    }
    commands.push({ line, text, bare: withoutQuoted(text), document });
  }
  return commands;
}

const QUOTED = /'[^']*'|"(?:[^"\\]|\\[\s\S])*"/g;

const withoutQuoted = (text: string): string =>
  text.replace(QUOTED, (quoted) => `"${" ".repeat(quoted.length - 2)}"`);

/** Whether a quotation begun in `text` goes on beyond it. */
function quoteIsOpen(text: string): boolean {
  const rest = text.replace(/\\["'`\\]/g, "").replace(QUOTED, "");
  return /["']/.test(rest.replace(/(?:^|\s)#.*$/, ""));
}

/** SQL that a command hands to psql: with -c, or in a here-document. */
export function inlineSql({
  text,
  line,
  document,
}: ShellCommand): readonly { readonly line: number; readonly lines: readonly string[] }[] {
  if (!/\bpsql\b/.test(text)) return [];
  const given = [...text.matchAll(/\s(?:-c|--command)[\s=]*("(?:[^"\\]|\\[\s\S])*"|'[^']*')/g)].map(
    ([, quoted = ""]) => {
      const before = text.slice(0, text.indexOf(quoted)).split("\n").length - 1;
      return { line: line + before, lines: quoted.slice(1, -1).replaceAll('\\"', '"').split("\n") };
    },
  );
  return document === undefined ? given : [...given, document];
}
