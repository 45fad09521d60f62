/** SQL text as statements, and the lines between them that are settings of postgresql.conf. */
export interface SqlPiece {
  /** The line it begins on, counted from 1 in the file. */
  readonly line: number;
  readonly text: string;
}

export interface SqlText {
  readonly statements: readonly SqlPiece[];
  /** `name = value`, as in postgresql.conf. */
  readonly settings: readonly (SqlPiece & { readonly name: string })[];
}

const SETTING = /^\s*([a-z_][a-z_.]*)\s*=\s*\S/;
/** Comments, quoted things and the end of a statement. */
const PIECES =
  /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"[^"]*"|\$(\w*)\$[\s\S]*?\$\1\$|;|\n|[^-/'"$;\n]+|[\s\S]/g;

export function readSql(lines: readonly string[], firstLine: number): SqlText {
  const statements: SqlPiece[] = [];
  const settings: (SqlPiece & { name: string })[] = [];
  let line = firstLine;
  let text = "";
  let from = firstLine;
  const add = (piece: string): void => {
    if (text.trim() === "" && piece.trim() !== "") {
      from = line;
      text = "";
    }
    text += piece;
  };
  const end = (): void => {
    // Commands of psql are none of the server's.
    if (text.trim() !== "" && !text.trim().startsWith("\\"))
      statements.push({ line: from, text: text.trim() });
    text = "";
  };
  const all = lines
    .map((one, index) => {
      const [, name] = SETTING.exec(one) ?? [];
      // In the middle of an update, `set a = 1` stands on lines of its own too: those end with a comma, or follow SET.
      if (name === undefined || /[,;]\s*$/.test(one) || /\bset\s*$/i.test(lines[index - 1] ?? "")) return one;
      settings.push({ line: firstLine + index, text: one.trim(), name });
      return "";
    })
    .join("\n");
  for (const [piece] of all.matchAll(PIECES)) {
    if (piece === ";") end();
    else if (!piece.startsWith("--") && !piece.startsWith("/*")) add(piece);
    line += piece.split("\n").length - 1;
  }
  end();
  return { statements, settings };
}
