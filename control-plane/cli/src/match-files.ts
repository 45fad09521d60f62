/** Files by glob pattern, as Go's filepath.Glob has them: `*`, `?` and `[a-z]` within one part of a path. */
import { readdir, stat } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";

const SPECIAL = /[*?[]/;

/** The files that `pattern`, relative to the folder of `beside`, stands for; in order of name. */
export async function matchFiles(pattern: string, beside: string): Promise<readonly string[]> {
  const full = isAbsolute(pattern) ? pattern : join(dirname(beside), pattern);
  if (!SPECIAL.test(full)) return (await exists(full)) ? [full] : [];
  let found = [full.startsWith("/") ? "/" : "."];
  for (const part of full.split("/").filter((text) => text !== "" && text !== ".")) {
    const next: string[] = [];
    for (const folder of found) {
      if (!SPECIAL.test(part)) {
        const path = join(folder, part);
        if (await exists(path)) next.push(path);
        continue;
      }
      const wanted = toPattern(part);
      const names = await readdir(folder).catch(() => []);
      for (const name of names.sort()) if (wanted.test(name)) next.push(join(folder, name));
    }
    found = next;
  }
  return found;
}

function toPattern(part: string): RegExp {
  const body = part.replace(/\[[^\]]*\]|[\s\S]/g, (piece) => {
    if (piece === "*") return "[^/]*";
    if (piece === "?") return "[^/]";
    if (piece.length > 1) return piece.replace(/^\[[!^]/, "[^").replaceAll("\\", "\\\\");
    return piece.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  });
  return new RegExp(`^${body}$`);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
