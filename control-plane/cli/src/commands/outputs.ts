/** Searches what commands printed. */
import { toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { SearchOutputResponseSchema } from "@mainstay/proto/gen/mainstay/operator/v1/outputs_pb";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { printable, render, table } from "../output.js";

async function search(invocation: Invocation): Promise<ExitCode> {
  const { controlPlane, positionals, form, write } = invocation;
  const { outputs } = await controlPlane();
  const answer = await outputs.searchOutput({
    query: positionals.join(" "),
    nodeId: textFlag(invocation, "node") ?? "",
    action: textFlag(invocation, "action") ?? "",
    commandId: textFlag(invocation, "command") ?? "",
  });
  write(
    render(form, toJson(SearchOutputResponseSchema, answer), () => {
      if (answer.hits.length === 0) return "Nothing that was printed holds these words.";
      const rows = answer.hits.flatMap((hit) =>
        hit.lines.map((line) => [
          hit.at === undefined ? "-" : timestampDate(hit.at).toISOString(),
          hit.nodeName,
          hit.action,
          hit.commandId,
          hit.stream,
          printable(line),
        ]),
      );
      const more = answer.hasMore ? "\nThere is more; ask for it with more words." : "";
      return `${table(["AT", "NODE", "ACTION", "COMMAND", "STREAM", "LINE"], rows)}${more}`;
    }),
  );
  return EXIT.ok;
}

export const outputCommands: readonly Command[] = [
  {
    name: "outputs search",
    usage: "WORDS [--node NODE] [--action ACTION] [--command ID]",
    summary: 'Search what commands printed: whole words, "several together", or, -without.',
    help: "  --node NODE           only what this node printed\n  --action ACTION       only what this action printed\n  --command ID          only what this command printed",
    options: { node: { type: "string" }, action: { type: "string" }, command: { type: "string" } },
    positionals: { least: 1, most: 50 },
    run: search,
  },
];
