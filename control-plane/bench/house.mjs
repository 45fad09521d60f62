/** The real control plane as one process on free ports, with an embedded PostgreSQL, and an operator at its doors. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { credentials, InterceptingCall } from "@grpc/grpc-js";
import { createGrpcClient } from "@mainstay/proto/client";

const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const POLICY =
  "limits: { openPerNode: 100, perNodePerHour: 10000 }\nrules: [{ name: everything, verdict: allow }]\n";

/**
 * Starts it in `directory`; resolves when it is ready. Without alert rules and receivers unless they are given as texts of
 * their files, so that only what is measured is done.
 */
export async function startHouse(programs, directory, { rules = "groups: []\n", alertmanager } = {}) {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is not there; run \`npm run build\` first`);
  const file = (name, text) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const program = programs.start("control plane", [
    MAIN,
    "--embedded",
    ...["--state", join(directory, "state")],
    ...["--rest-port", "0", "--grpc-port", "0", "--agent-port", "0"],
    ...["--rules", file("rules.yaml", rules)],
    ...(alertmanager === undefined ? [] : ["--alertmanager", file("alertmanager.yml", alertmanager)]),
    ...["--remediation", file("remediation.yaml", "rules: []\n")],
    ...["--policy", file("policy.yaml", POLICY)],
    // What a safety budget would hold is not what is measured.
    ...["--safety", file("safety.yaml", "budget: { actionsPerHour: 1000000 }\n")],
  ]);
  const ready = await program.hear(
    "control plane ready",
    ({ sentence }) => sentence === "control plane ready",
    60_000,
  );
  const token = (path) => readFileSync(path, "utf8").trim();
  return {
    program,
    stateDirectory: join(directory, "state"),
    restPort: ready.restPort,
    grpcPort: ready.grpcPort,
    agentPort: ready.agentPort,
    operatorToken: token(ready.operatorTokenFile),
    /** The process of the embedded PostgreSQL, parent of its others. */
    postgresPid: Number(token(join(directory, "state/postgres/data/postmaster.pid")).split("\n")[0]),
  };
}

/** A typed client of an operator service. */
export function operatorClient(service, house) {
  const bearer = (options, next) =>
    new InterceptingCall(next(options), {
      start: (metadata, listener, go) => {
        metadata.set("authorization", `Bearer ${house.operatorToken}`);
        go(metadata, listener);
      },
    });
  return createGrpcClient(service, `127.0.0.1:${house.grpcPort}`, credentials.createInsecure(), {
    interceptors: [bearer],
  });
}
