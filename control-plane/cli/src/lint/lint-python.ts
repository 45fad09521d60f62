/** Small arithmetic that says less than it seems to. */
import type { Block } from "./blocks.js";
import { type Remark, warning } from "./finding.js";

/** `if x > A:` and then `min(N, x // M)`, where A // M is N already: the answer is always N. */
export function lintPython(block: Block): readonly Remark[] {
  const remarks: Remark[] = [];
  const least = new Map<string, number>();
  for (const [index, line] of block.lines.entries()) {
    const [, name = "", operator = "", bound = ""] =
      /^\s*(?:el)?if\s+(\w+)\s*(>=?)\s*(\d+)\s*:/.exec(line) ?? [];
    if (name !== "") least.set(name, Number(bound) + (operator === ">" ? 1 : 0));
    const [call = "", most = "", of = "", part = ""] =
      /\bmin\(\s*(\d+)\s*,\s*(\w+)\s*\/\/\s*(\d+)\s*\)/.exec(line) ?? [];
    const from = least.get(of);
    if (call === "" || from === undefined || Math.floor(from / Number(part)) < Number(most)) continue;
    remarks.push(
      warning(
        block.line + index,
        `${call} is always ${most}`,
        `${of} is at least ${from} here, and ${from} // ${part} is ${Math.floor(from / Number(part))} already`,
        "a target per replica, with room above and a slower way down",
      ),
    );
  }
  return remarks;
}
