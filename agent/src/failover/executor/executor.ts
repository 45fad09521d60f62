/**
 * Carries out what the agent's reducer wants of the database, one thing after another, and tells what happened. Nothing is
 * begun while something else is being ended; what is told to kill ends whatever is under way first.
 */
import { type AgentEffect, type AgentEvent, type RunEffect } from "@mainstay/proto/failover/agent-state";
import type { Epoch, Holders, Lsn, NodeId } from "@mainstay/proto/failover/words";
import { type Log, reasonOf } from "../../log.js";
import { hostMonotonic, type System } from "../../system.js";
import type { PostgresSettings } from "../settings.js";
import { type Asks, ask, textOf } from "./connection.js";
import { readControlData } from "./control-data.js";
import { CommitGate } from "./gate.js";
import { GATE_NAME } from "./gate-name.js";
import { type GuardProcess, startGuard } from "./guard-process.js";
import { joinSource } from "./join.js";
import { parseLsn } from "./lsn.js";
import { probe, writeEpoch } from "./marks.js";
import { ProgressWatch } from "./progress.js";
import { endSenders } from "./senders.js";
import { type ServerFiles, type ServerRole, waitForText } from "./server-files.js";

export interface ExecutorParts {
  readonly settings: PostgresSettings;
  readonly node: NodeId;
  readonly files: ServerFiles;
  readonly guardProgram: string;
  readonly logFile: string;
  /** Where what an old primary had alone is kept. */
  readonly divergentDirectory: string;
  readonly system: System;
  readonly log: Log;
  /** Whether the data may be rewound; not when a promotion was begun here and its end not seen. */
  readonly rewindable: () => boolean;
  readonly tell: (event: AgentEvent) => void;
}

const POLL_MS = 25;
/** Replaying what a large checkpoint distance left takes as long as it takes; a person sees `starting` meanwhile. */
const START_MS = 600_000;
const SQL_MS = 5_000;
const CHECKPOINT_MS = 300_000;
const STOP_MS = 10_000;

/** Something else was wanted meanwhile; not a fault. */
class Superseded extends Error {}

type RunningEffect = RunEffect & { readonly run: number };

export class DatabaseExecutor {
  readonly #parts: ExecutorParts;
  #run = 0;
  #exitTold = true;
  /** Rises whenever what is under way is of no account any more. */
  #operation = 0;
  #tail: Promise<void> = Promise.resolve();
  #guard: GuardProcess | undefined;
  /** The end of the running server is part of an operation and no news. */
  #endingInside = false;
  /** A server that ends while it joins does not fit, and something else is tried. */
  #joining = false;
  #deadline: number = Number.POSITIVE_INFINITY;
  #role: ServerRole = { following: null, waitFor: "" };
  /** What every process of the primary is proven to wait for; undefined when that is not known. */
  #inForce: string | undefined;
  #covers = 0;
  #gate: CommitGate | undefined;
  #limit: Lsn = Number.POSITIVE_INFINITY;
  #lastLsn: Lsn = 0;
  readonly #progress: ProgressWatch;
  #abort = new AbortController();

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#progress = new ProgressWatch({
      files: parts.files,
      timers: parts.system.timers,
      server: () => this.#guard,
      tell: (progress) => {
        this.#lastLsn = progress.recovering ? progress.lsn : Math.max(progress.lsn, this.#lastLsn);
        const { lsn, flushed, streaming } = progress;
        parts.tell({ kind: "progress", lsn, flushed, streaming });
      },
    });
  }

  perform(effect: Exclude<AgentEffect, { kind: "send" }>): void {
    switch (effect.kind) {
      case "deadline":
        this.#deadline = effect.at;
        this.#guard?.deadline(effect.at);
        this.#gate?.renewed();
        return;
      case "kill":
        this.#begin(effect);
        this.#guard?.kill();
        this.#queue(async () => {
          await this.#endServer();
          await this.#tellExit();
        });
        return;
      case "start":
        this.#begin(effect);
        this.#runs(effect.run, async (still) => {
          const waitFor =
            effect.as === "standby" ? "" : waitForText(this.#parts.settings.policy.mode, effect.holders);
          const following = effect.as === "standby" ? effect.following : null;
          if (effect.as === "primary") this.#limit = effect.limit;
          const lsn = await this.#startServer(effect.as, { following, waitFor }, still);
          this.#parts.tell({ kind: "started", run: effect.run, as: effect.as, lsn });
        });
        return;
      case "promote":
        this.#begin(effect);
        this.#runs(effect.run, (still) => this.#promote(effect.run, effect.epoch, still));
        return;
      case "join":
        this.#begin(effect);
        this.#join(effect.run, effect.epoch, effect.source);
        return;
      case "detach":
        this.#inside("detach", async (still) => {
          const lsn = await this.#detach(still);
          this.#parts.tell({ kind: "detached", lsn });
        });
        return;
      case "drain":
        this.#inside("drain", async (still) => {
          // It only shortens the stop: without it the stop makes its own.
          await ask(this.#parts.files, SQL_MS, (asks) => asks("checkpoint")).catch((error: unknown) => {
            this.#parts.log("warn", "no checkpoint was made before the stop, which then takes longer", {
              because: reasonOf(error),
            });
          });
          still();
          this.#guard?.signal("SIGINT");
        });
        return;
      case "verify":
        this.#inside("verify", () => this.#verify(effect.epoch));
        return;
      case "cover": {
        const asked = ++this.#covers;
        this.#inside("cover", async (still) => {
          // A later one says all that counts, and this one may be in vain.
          if (asked === this.#covers) await this.#cover(effect.holders, still);
        });
        return;
      }
      case "limit":
        this.#limit = effect.upTo;
        this.#gate?.limit(effect.upTo);
        return;
    }
  }

  /** Ends the database and tells nothing more. */
  async stop(): Promise<void> {
    this.#progress.stop();
    this.#operation += 1;
    this.#exitTold = true;
    this.#abort.abort();
    this.#gate?.stop();
    this.#guard?.signal("SIGINT");
    const guard = this.#guard;
    if (guard === undefined) return;
    const given = new AbortController();
    await Promise.race([guard.ended, this.#parts.system.timers.sleep(3_000, given.signal)]);
    given.abort();
    guard.kill();
    await guard.ended;
  }

  /** Something went wrong that may not: the database ends, and nothing more is done. */
  fence(): void {
    this.#operation += 1;
    this.#guard?.kill();
    this.#gate?.stop();
  }

  #begin(effect: RunningEffect): void {
    this.#run = effect.run;
    this.#exitTold = false;
    this.#operation += 1;
    this.#abort.abort();
    this.#abort = new AbortController();
  }

  #queue(act: () => Promise<void>): void {
    this.#tail = this.#tail.then(act).catch((error: unknown) => {
      this.#parts.log("error", "the database's executor stumbled", { because: reasonOf(error) });
    });
  }

  /** An operation that ends the run when it fails: what is half done is ended, and told as an exit. */
  #runs(run: number, act: (still: () => void) => Promise<void>): void {
    const still = this.#still();
    this.#queue(async () => {
      try {
        still();
        await act(still);
      } catch (error) {
        if (error instanceof Superseded) return;
        this.#parts.log("warn", "the database could not be brought where it should be", {
          run,
          because: reasonOf(error),
        });
        await this.#endServer();
        // Not again at once, as what failed would fail as fast.
        await this.#parts.system.timers.sleep(500, this.#abort.signal);
        if (this.#run === run) await this.#tellExit();
      }
    });
  }

  /** An operation on what runs; without it, or with something else wanted, of no account. Tried until it succeeds. */
  #inside(what: string, act: (still: () => void) => Promise<void>): void {
    const still = this.#still();
    this.#queue(async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          still();
          if (this.#guard === undefined) return;
          await act(still);
          return;
        } catch (error) {
          if (error instanceof Superseded) return;
          if (attempt % 20 === 1) {
            this.#parts.log("warn", `could not ${what} yet`, { attempt, because: reasonOf(error) });
          }
          if (what === "verify") return;
          await this.#parts.system.timers.sleep(Math.min(2_000, attempt * 100));
        }
      }
    });
  }

  #still(): () => void {
    const operation = this.#operation;
    return () => {
      if (this.#operation !== operation) throw new Superseded();
    };
  }

  async #startServer(as: "primary" | "standby", role: ServerRole, still: () => void): Promise<Lsn> {
    const { files, settings, guardProgram, logFile, system } = this.#parts;
    await this.#endServer();
    still();
    if (as === "standby") this.#progress.forget();
    this.#role = role;
    // All processes of a server that is started are born with it.
    this.#inForce = role.waitFor;
    files.write(role);
    if (as === "primary") files.unmarkStandby();
    else files.markStandby();
    const argv = [
      `${settings.binDirectory}/postgres`,
      "-D",
      settings.dataDirectory,
      "-c",
      `config_file=${files.configFile}`,
    ];
    const guard = startGuard({ program: guardProgram, user: files.user, logFile }, argv, this.#deadline);
    this.#guard = guard;
    void guard.ended.then(() => this.#serverEnded(guard));
    const until = system.clock.monotonic() + START_MS;
    for (;;) {
      still();
      if (this.#guard !== guard) throw new Error("the server ended while it started; see its log");
      try {
        const lsn = await ask(files, SQL_MS, async (asks) => this.#position(asks, as === "standby"));
        still();
        if (as === "primary") {
          // Whoever starts it next finds a standby again.
          files.markStandby();
          this.#openGate();
        }
        return lsn;
      } catch (error) {
        if (error instanceof Superseded) throw error;
        if (system.clock.monotonic() > until) throw error;
        await system.timers.sleep(POLL_MS);
      }
    }
  }

  /** How far the log is; throws while the server is not what it is to be. */
  async #position(asks: Asks, standby: boolean): Promise<Lsn> {
    const [row] = await asks(
      standby
        ? "select pg_is_in_recovery() as recovering, greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text as lsn"
        : "select pg_is_in_recovery() as recovering, pg_current_wal_flush_lsn()::text as lsn where not pg_is_in_recovery()",
    );
    const lsn = parseLsn(textOf(row?.["lsn"]));
    if (lsn === undefined || row?.["recovering"] !== standby) throw new Error("not there yet");
    this.#lastLsn = lsn;
    return lsn;
  }

  /** Ends what runs, if anything does, and waits until it has ended. */
  async #endServer(cleanly = false): Promise<void> {
    const guard = this.#guard;
    this.#gate?.stop();
    this.#gate = undefined;
    if (guard === undefined) return;
    this.#endingInside = true;
    try {
      if (cleanly) {
        guard.signal("SIGINT");
        const given = new AbortController();
        await Promise.race([guard.ended, this.#parts.system.timers.sleep(STOP_MS, given.signal)]);
        given.abort();
      }
      guard.kill();
      await guard.ended;
      if (this.#guard === guard) this.#guard = undefined;
    } finally {
      this.#endingInside = false;
    }
  }

  #serverEnded(guard: GuardProcess): void {
    if (this.#guard !== guard) return;
    this.#guard = undefined;
    this.#gate?.stop();
    this.#gate = undefined;
    if (this.#endingInside || this.#joining) return;
    this.#operation += 1;
    this.#abort.abort();
    const run = this.#run;
    this.#queue(async () => {
      if (this.#run === run) await this.#tellExit();
    });
  }

  async #tellExit(): Promise<void> {
    if (this.#exitTold) return;
    this.#exitTold = true;
    const run = this.#run;
    const { settings, tell } = this.#parts;
    const control = await readControlData(settings.binDirectory, settings.dataDirectory);
    // What was seen flushed stays; a database that was stopped in order says it itself.
    const lsn = Math.max(control?.lsn ?? 0, this.#lastLsn);
    const position = control?.state === "shut down" ? control.lsn : lsn;
    tell({ kind: "exited", run, lsn: position });
  }

  async #promote(run: number, epoch: Epoch, still: () => void): Promise<void> {
    const { files, tell, system } = this.#parts;
    if (this.#guard === undefined) {
      await this.#startServer("standby", { following: null, waitFor: "" }, still);
    }
    still();
    this.#progress.forget();
    this.#role = { following: null, waitFor: "" };
    this.#limit = Number.POSITIVE_INFINITY;
    files.write(this.#role);
    this.#guard?.signal("SIGHUP");
    const lsn = await ask(files, 60_000, async (asks) => {
      await asks("select pg_promote(false)");
      for (;;) {
        still();
        const [row] = await asks("select pg_is_in_recovery() as recovering");
        if (row?.["recovering"] === false) break;
        await system.timers.sleep(5);
      }
      still();
      await writeEpoch(asks, this.#parts.node, epoch);
      return this.#position(asks, false);
    });
    still();
    files.markStandby();
    tell({ kind: "promoted", run, epoch, lsn });
  }

  async #detach(still: () => void): Promise<Lsn> {
    const { files, system } = this.#parts;
    this.#role = { ...this.#role, following: null };
    files.write(this.#role);
    this.#guard?.signal("SIGHUP");
    return ask(files, SQL_MS, async (asks) => {
      for (;;) {
        still();
        const [row] = await asks(
          "select current_setting('primary_conninfo') = '' and not exists (select from pg_stat_wal_receiver) as alone",
        );
        if (row?.["alone"] === true) return this.#position(asks, true);
        await system.timers.sleep(5);
      }
    });
  }

  async #verify(epoch: Epoch): Promise<void> {
    const lsn = await ask(this.#parts.files, CHECKPOINT_MS, async (asks) => {
      await probe(asks, this.#parts.node, epoch);
      await asks("checkpoint");
      return this.#position(asks, false);
    });
    this.#parts.tell({ kind: "verified", epoch, lsn });
  }

  /**
   * Lets commits wait for others than before, and tells from where on they do: only when every process that has a part in
   * it goes by the new list, which PostgreSQL shows nowhere as one fact.
   */
  async #cover(holders: Holders, still: () => void): Promise<void> {
    const { files, settings, system, tell } = this.#parts;
    const waitFor = waitForText(settings.policy.mode, holders);
    const known = this.#inForce;
    if (waitFor !== known) {
      // What a try that fails has changed is not known: the next one proves all of it.
      this.#inForce = undefined;
      this.#role = { following: null, waitFor };
      files.write(this.#role);
      this.#openGate();
      this.#guard?.signal("SIGHUP");
      // A new session is given what the postmaster goes by.
      for (;;) {
        still();
        const now = await ask(files, SQL_MS, async (asks) => {
          const [row] = await asks("select current_setting('synchronous_standby_names') as names");
          return textOf(row?.["names"]);
        });
        if (now === waitFor) break;
        await system.timers.sleep(5);
      }
    }
    const since = await ask(files, CHECKPOINT_MS, async (asks) => {
      if (waitFor !== known && waitFor !== "") {
        // The checkpointer switches the waiting on, before it begins a checkpoint that is asked for after the reload.
        if (known === undefined || known === "") await asks("checkpoint");
        // A sender that went by another list is replaced by one that is born with the new, once it has ended.
        if (known !== "") await endSenders(asks);
      }
      const [row] = await asks("select pg_current_wal_insert_lsn()::text as lsn");
      return parseLsn(textOf(row?.["lsn"]));
    });
    still();
    if (since === undefined) throw new Error("PostgreSQL did not say where its log is");
    this.#inForce = waitFor;
    tell({ kind: "covered", version: holders.version, lsn: since });
  }

  #openGate(): void {
    const { files, system, log } = this.#parts;
    const wanted = this.#role.waitFor.includes(GATE_NAME);
    if (wanted && this.#gate === undefined) {
      const mayConfirm = (): boolean => hostMonotonic() < this.#deadline;
      this.#gate = new CommitGate(files, system, log, this.#limit, mayConfirm);
    } else if (!wanted && this.#gate !== undefined) {
      // What still waits for it is let go by the new list, which waits for nobody.
      this.#gate.stop();
      this.#gate = undefined;
    }
  }

  #join(run: number, epoch: Epoch, source: NodeId): void {
    const still = this.#still();
    this.#queue(async () => {
      const { tell, log } = this.#parts;
      try {
        still();
        this.#joining = true;
        const { signal } = this.#abort;
        const lsn = await joinSource({
          ...this.#parts,
          epoch,
          source,
          still,
          signal,
          rewindable: this.#parts.rewindable(),
          stop: () => this.#endServer(true),
          start: () => this.#startServer("standby", { following: source, waitFor: "" }, still),
          runs: () => this.#guard !== undefined,
        });
        still();
        tell({ kind: "joined", run, epoch, lsn });
        this.#joining = false;
        if (this.#guard === undefined) await this.#tellExit();
      } catch (error) {
        if (error instanceof Superseded) return;
        log("error", "could not become a replica", { source, epoch, because: reasonOf(error) });
        await this.#endServer();
        if (this.#run === run && !this.#exitTold) {
          this.#exitTold = true;
          tell({ kind: "join-failed", run, epoch });
        }
      } finally {
        this.#joining = false;
      }
    });
  }
}
