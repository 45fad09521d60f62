/** What a script would do that its author did not mean. */
import type { Block } from "./blocks.js";
import { fault, note, type Remark, warning } from "./finding.js";
import { checkShellSyntax } from "./shell-syntax.js";
import { commandsOf, type ShellCommand } from "./shell-words.js";

export async function lintShell(block: Block): Promise<readonly Remark[]> {
  const remarks: Remark[] = [];
  const syntax = await checkShellSyntax(block.lines.join("\n"));
  if (syntax.kind === "refuses")
    remarks.push(
      fault(
        block.line + syntax.line - 1,
        "bash does not read this script",
        syntax.because,
        "quote what holds ( ) & ; < > | or blanks; check with bash -n",
      ),
    );
  if (syntax.kind === "not-checked")
    remarks.push(note(block.line, "whether bash reads this was not checked", syntax.because));
  const commands = commandsOf(block);
  for (const command of commands) for (const rule of RULES) remarks.push(...rule(command));
  remarks.push(...lintSequence(commands));
  return remarks;
}

type Rule = (command: ShellCommand) => readonly Remark[];

const placeholder: Rule = ({ bare, line }) =>
  [...bare.matchAll(/(?<![<\w])<([a-z][a-z0-9_-]*)>/gi)].map(([found, name]) =>
    fault(
      line,
      `${found} is a redirection to the shell`,
      `it reads from a file called ${name}, and what follows is where output goes`,
      `a variable that must be set: "\${${(name ?? "").replace(/\W/g, "_").toUpperCase()}:?}"`,
    ),
  );

/** A command in a container has no input of ours unless it is asked for. */
const execWithoutInput: Rule = ({ bare, line }) => {
  const [, before = "", after = ""] = /\bkubectl\b([^|;&]*?)\bexec\b([^|;&]*)/.exec(bare) ?? [];
  const [options = "", inside = ""] = after.split(/\s--\s/, 2);
  const feeds = /<<|<(?!<)\s*\S/.test(inside.replace(/<<</g, "<<"));
  if (!feeds || /\s(?:-[a-z]*i[a-z]*|--stdin(?:=true)?)(?=\s|$)/.test(` ${before} ${options} `)) return [];
  return [
    fault(
      line,
      "kubectl exec without -i is fed from here",
      "input is not passed on: the program inside reads nothing and ends, with exit code 0",
      "kubectl exec -i",
    ),
  ];
};

const unknownFlag: Rule = ({ bare, line }) =>
  /\baws\s+s3\s+(?:sync|cp|mv)\b/.test(bare) && /\s--encryption\b/.test(bare)
    ? [
        fault(
          line,
          "aws s3 has no option --encryption",
          "the command ends with a usage message and copies nothing",
          "--sse AES256, or --sse aws:kms",
        ),
      ]
    : [];

const curlGlob: Rule = ({ text, bare, line }) => {
  if (!/\bcurl\b/.test(bare) || /\s(?:-[a-zA-Z]*g|--globoff|--data-urlencode)\b/.test(bare)) return [];
  const [url = ""] = /https?:\/\/[^\s'"]*\[[^\]\s]*\]/.exec(text) ?? [];
  if (url === "") return [];
  return [
    fault(
      line,
      "curl takes [ ] in an address for a range",
      `${url.slice(0, 80)} is a pattern to it, and no valid one`,
      "curl -G --data-urlencode 'query=…'",
    ),
  ];
};

/** Without a header, curl says that a body is a form. */
const curlJson: Rule = ({ text, bare, line }) =>
  /\bcurl\b/.test(bare) &&
  /\s(?:-d|--data(?:-raw|-binary)?)[\s=]*['"]\s*\{/.test(text) &&
  !/content-type/i.test(text) &&
  !/--json\b/.test(bare)
    ? [
        fault(
          line,
          "JSON is sent as a form",
          "curl -d says application/x-www-form-urlencoded unless it is told otherwise",
          "-H 'Content-Type: application/json', or --json",
        ),
      ]
    : [];

const uncheckedArgument: Rule = ({ text, line }) => {
  const [, name] = /^\s*([A-Z_]+)="?\$\{?1\}?"?\s*$/.exec(text) ?? [];
  return name === undefined
    ? []
    : [
        warning(
          line,
          `${name} may be empty`,
          "the script goes on without its argument, and every path and image made of it is another one",
          `${name}=\${1:?which one?}`,
        ),
      ];
};

const RULES: readonly Rule[] = [
  placeholder,
  execWithoutInput,
  unknownFlag,
  curlGlob,
  curlJson,
  uncheckedArgument,
];

/** What is wrong only because of what comes after. */
function lintSequence(commands: readonly ShellCommand[]): readonly Remark[] {
  const remarks: Remark[] = [];
  for (const [index, { bare, line }] of commands.entries()) {
    const [, workload] =
      /\bkubectl\b.*\bscale\s+(?:deployment|deploy)[\s/]+(\S+).*--replicas=0\b/.exec(bare) ?? [];
    if (workload === undefined) continue;
    const again = commands
      .slice(index + 1)
      .some(({ bare: later }) => later.includes(workload) && /\bset image\b|\brollout undo\b/.test(later));
    if (again)
      remarks.push(
        warning(
          line,
          `${workload} is stopped before its image is changed`,
          "nothing serves until the new pods are ready: the rollback is an outage of its own",
          "kubectl rollout undo, which replaces pods one after another",
        ),
      );
  }
  return remarks;
}
