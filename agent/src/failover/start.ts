/** Failover of this node's PostgreSQL, put together. Wiring only. */
import { realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { NodeState } from "@mainstay/proto/failover/messages";
import { fromWire, policyName, toWire } from "@mainstay/proto/failover/wire";
import { CONTROL_PLANE, type NodeId, type VoterId } from "@mainstay/proto/failover/words";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import type { Secure } from "../link/channel.js";
import type { Log } from "../log.js";
import type { Figure } from "../probes.js";
import { hostMonotonic, type System } from "../system.js";
import { DatabaseExecutor } from "./executor/executor.js";
import { ServerFiles } from "./executor/server-files.js";
import { KeptFile } from "./kept-file.js";
import { Peers } from "./peers.js";
import type { PostgresSettings } from "./settings.js";
import { FailoverShell } from "./shell.js";

export interface FailoverParts {
  readonly settings: PostgresSettings;
  readonly node: NodeId;
  readonly stateDir: string;
  readonly system: System;
  readonly log: Log;
  readonly secure: () => Secure | undefined;
  /** Says it to the control plane now, or drops it. */
  readonly say: (message: FailoverMessage) => void;
}

export interface Failover {
  /** From the control plane. */
  received(message: FailoverMessage): void;
  /** There is a new identity. */
  identity(): void;
  figures(): Iterable<Figure>;
  stop(): Promise<void>;
}

/** Beside the program that runs: the bundle brings it. */
const guardProgram = (): string => join(dirname(realpathSync(process.argv[1] ?? "")), "guard.mjs");

const COMPLAIN_MS = 60_000;

/** Starts it; the database is closed, or a standby, until a lease says otherwise. Throws what a person can mend. */
export function startFailover(parts: FailoverParts): Failover {
  const { settings, node, system, log, say } = parts;
  const directory = join(parts.stateDir, "failover");
  const kept = new KeptFile(directory, settings.cluster, node, settings.firstPrimary);
  const files = new ServerFiles(settings, node, ownerOf(settings.dataDirectory));
  const policy = policyName(settings.policy);
  let complainedAt = Number.NEGATIVE_INFINITY;

  const received = (from: VoterId, wired: FailoverMessage): void => {
    const message = fromWire(wired);
    if (wired.cluster === settings.cluster && wired.policy === policy && message !== undefined) {
      shell.take({ kind: "message", from, message });
      return;
    }
    if (hostMonotonic() - complainedAt < COMPLAIN_MS) return;
    complainedAt = hostMonotonic();
    log(
      "error",
      "a voter goes by another policy, and is not heard: mode, RPO, lease and members must be alike",
      {
        from,
        cluster: wired.cluster.slice(0, 63),
        theirs: wired.policy.slice(0, 16),
        ours: policy,
      },
    );
  };
  const peers = new Peers({
    listen: settings.listen,
    peers: settings.peers,
    timers: system.timers,
    log,
    secure: parts.secure,
    received,
  });
  const executor: DatabaseExecutor = new DatabaseExecutor({
    settings,
    node,
    files,
    guardProgram: guardProgram(),
    logFile: join(directory, "postgres.log"),
    divergentDirectory: join(directory, "divergent"),
    system,
    log,
    rewindable: () => shell.kept?.began === shell.kept?.opened,
    tell: (event) => shell.take(event),
  });
  const shell: FailoverShell = new FailoverShell({
    policy: settings.policy,
    node,
    // A replica without data has none to rely on, and is given some.
    first: files.present ? kept.first : { ...kept.first, joining: true },
    boot: kept.boot,
    monotonic: hostMonotonic,
    timers: system.timers,
    log,
    keep: (state) => kept.write(state),
    send: (to, message) => {
      const wired = toWire(settings.cluster, policy, message);
      if (to === CONTROL_PLANE) say(wired);
      else peers.send(to, wired);
    },
    perform: (effect) => executor.perform(effect),
    fence: () => executor.fence(),
  });
  shell.start();
  peers.open();
  log("info", "failover of PostgreSQL began", { cluster: settings.cluster, boot: kept.boot, policy });
  return {
    received: (message) => received(CONTROL_PLANE, message),
    identity: () => peers.open(),
    figures: () => figuresOf(shell.figures),
    stop: async () => {
      shell.stop();
      peers.stop();
      await executor.stop();
    },
  };
}

function* figuresOf(state: NodeState | undefined): Iterable<Figure> {
  if (state === undefined) return;
  const gauge = (name: string, value: number, help: string): Figure => ({
    name: `mainstay_agent_failover_${name}`,
    type: "gauge",
    value,
    help,
  });
  const is = (holds: boolean): number => (holds ? 1 : 0);
  yield gauge("primary", is(state.role === "primary"), "Whether this node's PostgreSQL is open for writes.");
  yield gauge("streaming", is(state.streaming), "Whether this replica's log comes in.");
  yield gauge("fenced", is(state.role === "fenced"), "Whether this node was the owner and is closed.");
  yield gauge("epoch", state.epoch, "Whose data this node has: the owner's of this epoch.");
  yield gauge("log_position_bytes", state.lsn, "How far this node's write-ahead log is.");
}

/** PostgreSQL runs as whoever owns its data; undefined when that is who the agent runs as. */
function ownerOf(dataDirectory: string): { readonly uid: number; readonly gid: number } | undefined {
  const { uid, gid } = statSync(dataDirectory);
  if (uid === 0) throw new Error(`${dataDirectory}: belongs to root, as whom PostgreSQL does not run`);
  return uid === process.getuid?.() ? undefined : { uid, gid };
}
