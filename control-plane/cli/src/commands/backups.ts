/** Backups: what can be restored, up to when, and whether a drill has proved it. */
import { toJson } from "@bufbuild/protobuf";
import { ListRepositoriesResponseSchema } from "@mainstay/proto/gen/mainstay/operator/v1/backups_pb";
import type { Command, Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { render, table, timeText } from "../output.js";

async function list({ controlPlane, form, write }: Invocation): Promise<ExitCode> {
  const { backups } = await controlPlane();
  const answer = await backups.listRepositories({});
  write(
    render(form, toJson(ListRepositoriesResponseSchema, answer), () =>
      table(
        ["COMPONENT", "NODE", "REPOSITORY", "READABLE", "RESTORABLE TO", "BY", "RPO USED", "PROOF", "WHY"],
        answer.repositories.map((one) => [
          one.component,
          one.node,
          one.repository,
          one.readable ? "yes" : "NO",
          timeText(one.newestRestorable),
          one.evidence || "-",
          one.rpoUsed === undefined ? "-" : `${Math.round(one.rpoUsed * 100)} %`,
          one.proof,
          one.proofBecause,
        ]),
      ),
    ),
  );
  const good = answer.repositories.every(
    ({ readable, proof, rpoUsed }) => readable && proof === "proven" && (rpoUsed ?? 0) <= 1,
  );
  return good ? EXIT.ok : EXIT.degraded;
}

export const backupCommands: readonly Command[] = [
  {
    name: "backup list",
    usage: "",
    summary: "Repositories of backups: up to when each can be restored, and whether a drill has proved it.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: list,
  },
];
