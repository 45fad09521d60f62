/**
 * Mainstay as the bench drives it: a real control plane with its own PostgreSQL, and for each member a real agent whose
 * guard runs a real PostgreSQL. Profile `default`: a lease of 3 s, as a local network has it.
 */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { FleetService } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { RecoveryService } from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { operatorClient } from "../house.mjs";
import { Programs, sleep } from "../processes.mjs";
import { now } from "./markers.mjs";
import { query } from "./query.mjs";
import { until } from "./trial.mjs";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const AGENT = fileURLToPath(new URL("../../../agent/dist/agent.mjs", import.meta.url));
const LEASE_MS = { default: 3_000 };
const CLUSTER = "main";
const NAMES = ["db-1", "db-2"];
/** Two crashes within a minute are started again in place; the third is not. */
const CRASHES_IN_PLACE = 2;
const START_MS = 90_000;
/** PostgreSQL refuses to be root. */
const nobody = process.getuid() === 0 ? { uid: 65_534, gid: 65_534 } : {};

export const profiles = Object.keys(LEASE_MS);

/** Why it cannot run here; undefined when it can. */
export function missing() {
  for (const program of [MAIN, AGENT]) {
    if (!existsSync(program)) return `${program} is not there: run \`npm run build\` first`;
  }
  return findPostgres() === undefined ? "no PostgreSQL with pg_rewind: Debian package postgresql" : undefined;
}

function findPostgres() {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root) : [];
  return versions
    .map((version) => join(root, version, "bin"))
    .find((bin) => ["postgres", "pg_rewind", "pg_basebackup"].every((name) => existsSync(join(bin, name))));
}

/** Ports that were free a moment ago, for programs that keep theirs over a restart. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((resolve) => {
          const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** All processes below one, and itself. */
function familyOf(pid) {
  const found = [pid];
  for (const parent of found) {
    try {
      const text = readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8");
      found.push(...text.split(" ").filter(Boolean).map(Number));
    } catch {
      // It has ended.
    }
  }
  return found;
}

function killHard(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Starts a cluster in `directory`, which must be there and passable for everybody. */
export async function start({ dir, profile = "default", mode = "synchronous", rpoBytes = 1_048_576 }) {
  const cluster = new OurCluster(dir, LEASE_MS[profile], mode, rpoBytes);
  try {
    await cluster.begin();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

class OurCluster {
  members = [];
  #directory;
  #leaseMs;
  #mode;
  #rpoBytes;
  #ports;
  #programs = new Programs();
  #control;
  #agents = new Map();
  #clients = [];
  #crashes = 0;

  constructor(directory, leaseMs, mode, rpoBytes) {
    this.#directory = directory;
    this.#leaseMs = leaseMs;
    this.#mode = mode;
    this.#rpoBytes = rpoBytes;
  }

  async begin() {
    const [rest, grpc, agents, ...others] = await freePorts(3 + NAMES.length * 2);
    this.#ports = { rest, grpc, agents, peers: others.slice(NAMES.length) };
    this.members = NAMES.map((name, index) => ({
      ...{ name, host: "127.0.0.1", port: others[index] },
      ...{ user: "postgres", database: "postgres" },
    }));
    for (const name of NAMES) this.#folder(name);
    const bin = findPostgres();
    execFileSync(
      join(bin, "initdb"),
      ["-D", join(this.#directory, NAMES[0]), "-U", "postgres", "-A", "trust"],
      { ...nobody, stdio: "ignore", env: { PATH: process.env.PATH, LANG: "C", HOME: this.#directory } },
    );
    await this.controlUp();
    const fleet = this.#client(FleetService);
    for (const name of NAMES) {
      const { token } = await fleet.createJoinToken({ nodeName: name });
      this.#writeAgentFile(name, bin, token);
      this.#startAgent(name);
    }
    await this.#recovery.registerCluster({
      cluster: CLUSTER,
      members: NAMES,
      primary: NAMES[0],
      mode: this.#mode,
      rpoBytes: this.#mode === "asynchronous" ? BigInt(this.#rpoBytes) : 0n,
      leaseMs: this.#leaseMs,
      // One trial after another is no reason to ask a person.
      failoversPerHourMax: 1_000_000,
    });
    if ((await until(() => this.ready(), START_MS, 100)) === undefined) {
      throw new Error(`the cluster was not whole within ${START_MS / 1_000} s: ${await this.#says()}`);
    }
  }

  /** Who takes writes; undefined for nobody. */
  async primary() {
    for (const { name } of this.members) {
      const rows = await this.#query(name, "select pg_is_in_recovery() as standby").catch(() => []);
      if (rows[0]?.standby === false) return name;
    }
    return undefined;
  }

  /** A replica streams from the primary. */
  async redundant() {
    const primary = await this.primary();
    if (primary === undefined) return false;
    const names = NAMES.filter((name) => name !== primary);
    const rows = await this.#query(
      primary,
      "select application_name as name from pg_stat_replication where state = 'streaming'",
    );
    return rows.some(({ name }) => names.includes(name));
  }

  /** It would fail over without a person, nothing is under way, and nothing speaks against a switchover. */
  async ready() {
    const [now] = (await this.#recovery.listClusters({})).clusters;
    if (now?.phase !== "" || now.awaits !== "" || now.eligible.length === 0) return false;
    if ((await this.primary()) !== now.primary || !(await this.redundant())) return false;
    const wish = { cluster: CLUSTER, kind: "switchover", to: "" };
    return (await this.#recovery.planFailover(wish)).against.length === 0;
  }

  async killNode(name) {
    const agent = this.#agents.get(name);
    // All at once, as when the power goes: the postmaster first, so that nothing of it is shut down by another.
    for (const pid of familyOf(agent.pid).reverse()) killHard(pid);
    await agent.stop();
    this.#crashes = 0;
  }

  async startNode(name) {
    this.#startAgent(name);
  }

  async crashPostgres(name) {
    const file = join(this.#directory, name, "postmaster.pid");
    killHard(Number(readFileSync(file, "utf8").split("\n")[0]));
    this.#crashes += 1;
  }

  /** Room for so many crashes in place, or all that there is: a new primary has none behind it. */
  async beforeCrash(wanted) {
    if (this.#crashes + Math.min(wanted, CRASHES_IN_PLACE) <= CRASHES_IN_PLACE) return;
    const from = await this.primary();
    await this.switchover(NAMES.find((name) => name !== from));
    await until(async () => (await this.primary()) !== from && (await this.ready()), START_MS, 100);
    await sleep(500);
  }

  async switchover(to) {
    const wish = { cluster: CLUSTER, kind: "switchover", to };
    const { planHash, against } = await this.#recovery.planFailover(wish);
    if (against.length > 0) throw new Error(`switchover: ${against.join("; ")}`);
    const { request } = await this.#recovery.requestFailover({ ...wish, planHash, reason: "a trial" });
    const { state, because } = await until(() => this.#takenUp(request.requestId), START_MS);
    if (state !== "done") throw new Error(`switchover: ${state}: ${because}`);
    this.#crashes = 0;
  }

  /** A request that waits no more. */
  async #takenUp(id) {
    const { requests } = await this.#recovery.listRequests({ cluster: CLUSTER });
    return requests.find(({ requestId, state }) => requestId === id && state !== "waiting");
  }

  async controlDown() {
    killHard(this.#control.pid);
    await this.#control.stop();
  }

  async controlUp() {
    const { rest, grpc, agents } = this.#ports;
    const file = (name, text) => {
      writeFileSync(join(this.#directory, name), text);
      return join(this.#directory, name);
    };
    const state = join(this.#directory, "state");
    this.#control = this.#programs.start("control plane", [
      MAIN,
      "--embedded",
      ...["--state", state],
      ...["--rest-port", `${rest}`, "--grpc-port", `${grpc}`, "--agent-port", `${agents}`],
      ...["--rules", file("rules.yaml", "groups: []\n")],
      ...["--remediation", file("remediation.yaml", "rules: []\n")],
    ]);
    await this.#control.hear(
      "control plane ready",
      ({ sentence }) => sentence === "control plane ready",
      START_MS,
    );
    for (const client of this.#clients.splice(0)) client.close();
    this.#recovery = this.#client(RecoveryService);
  }

  /** When the last decision reached each of its steps, in ms after `faultAt`; and what it says of itself. */
  async account(faultAt) {
    const [decision] = (await this.#recovery.listDecisions({ cluster: CLUSTER, limit: 1 })).decisions;
    const offset = Date.now() - now();
    if (decision === undefined || timestampMs(decision.startedAt) < faultAt + offset - 100) return {};
    const { epoch } = decision;
    const { steps, faults } = await this.#recovery.explainDecision({ cluster: CLUSTER, epoch });
    const phases = {};
    for (const { kind, at } of steps) phases[kind] ??= Math.round(timestampMs(at) - faultAt - offset);
    return {
      phases,
      decision: decision.kind,
      trigger: decision.trigger,
      outcome: decision.outcome,
      fencedBy: decision.fencedBy,
      missingBytes: Number(decision.missingBytes ?? 0),
      ...(faults.length === 0 ? {} : { faults }),
    };
  }

  async stop() {
    for (const client of this.#clients) client.close();
    await this.#programs.stop();
  }

  #recovery;

  #client(service) {
    const operatorToken = readFileSync(join(this.#directory, "state/operator-token"), "utf8").trim();
    const client = operatorClient(service, { operatorToken, grpcPort: this.#ports.grpc });
    this.#clients.push(client);
    return client;
  }

  async #says() {
    const [cluster] = (await this.#recovery.listClusters({})).clusters;
    return cluster?.because ?? "nothing";
  }

  #folder(name) {
    for (const folder of [join(this.#directory, name), join(this.#directory, `agent-${name}`)]) {
      mkdirSync(folder, { mode: 0o700 });
    }
    if (nobody.uid !== undefined) chownSync(join(this.#directory, name), nobody.uid, nobody.gid);
    const sockets = join(this.#directory, `sockets-${name}`);
    mkdirSync(sockets, { mode: 0o700 });
    if (nobody.uid !== undefined) chownSync(sockets, nobody.uid, nobody.gid);
  }

  #writeAgentFile(name, bin, joinToken) {
    const place = (port) => `127.0.0.1:${port}`;
    const at = NAMES.indexOf(name);
    const settings = {
      controlPlane: { agents: place(this.#ports.agents), enroll: place(this.#ports.grpc) },
      nodeName: name,
      stateDir: join(this.#directory, `agent-${name}`),
      joinToken,
      health: "off",
      postgres: {
        cluster: CLUSTER,
        dataDirectory: join(this.#directory, name),
        binDirectory: bin,
        host: join(this.#directory, `sockets-${name}`),
        port: this.members[at].port,
        listen: place(this.#ports.peers[at]),
        peers: NAMES.flatMap((other, index) =>
          other === name
            ? []
            : [
                {
                  name: other,
                  agent: place(this.#ports.peers[index]),
                  postgres: place(this.members[index].port),
                },
              ],
        ),
        firstPrimary: NAMES[0],
        leaseMs: this.#leaseMs,
        mode: this.#mode,
        ...(this.#mode === "asynchronous" ? { rpoBytes: this.#rpoBytes } : {}),
      },
    };
    writeFileSync(join(this.#directory, `agent-${name}.yaml`), JSON.stringify(settings));
  }

  #startAgent(name) {
    const file = join(this.#directory, `agent-${name}.yaml`);
    const agent = this.#programs.start(`agent ${name}`, [AGENT, "--config", file]);
    const log = join(this.#directory, `agent-${name}.log`);
    agent.onSaid((line) => appendFileSync(log, `${JSON.stringify(line)}\n`));
    this.#agents.set(name, agent);
  }

  #query(name, text) {
    return query(
      this.members.find((one) => one.name === name),
      text,
    );
  }
}
