/** A runbook in prose: every block that is meant to be run or loaded, checked by what would run or load it. */
import { type Block, findBlocks } from "./blocks.js";
import type { Remark } from "./finding.js";
import { lintPython } from "./lint-python.js";
import { lintShell } from "./lint-shell.js";
import { lintSql, type SqlSource } from "./lint-sql.js";
import { lintYaml } from "./lint-yaml.js";
import { commandsOf, inlineSql } from "./shell-words.js";
import type { SqlServer } from "./sql-server.js";

/** `server` is asked for only when there is SQL to check. */
export async function lintProse(
  text: string,
  server: () => Promise<SqlServer | string>,
): Promise<readonly Remark[]> {
  const remarks: Remark[] = [];
  for (const block of findBlocks(text)) {
    remarks.push(...(await lintBlock(block)));
    for (const source of sqlOf(block)) remarks.push(...(await lintSql(source, await server())));
  }
  return remarks.sort((a, b) => a.line - b.line);
}

async function lintBlock(block: Block): Promise<readonly Remark[]> {
  switch (block.language) {
    case "shell":
      return lintShell(block);
    case "yaml":
      return lintYaml(block);
    case "python":
      return lintPython(block);
    default:
      return [];
  }
}

function sqlOf(block: Block): readonly SqlSource[] {
  if (block.language === "sql") return [{ line: block.line, lines: block.lines }];
  return block.language === "shell" ? commandsOf(block).flatMap(inlineSql) : [];
}
