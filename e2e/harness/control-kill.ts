/** Kills the control plane at one record of a decision log, to the moment: its own PostgreSQL is made to wait there. */
import pg from "pg";
import type { Stack } from "./stack.js";
import { pause, untilTrue } from "./until.js";

/**
 * `unwritten`: the record was on its way and is not there; a log whose last record was torn is like this. `written`: it is
 * durable, and nothing of what it announces was done, for its writer was not told. `acted`: it is durable, and some of what
 * it announces was done.
 */
export const moments = ["unwritten", "written", "acted"] as const;
export type Moment = (typeof moments)[number];

/** Of an advisory lock that nothing else takes. */
const LOCK = 7_761;
const CHANNEL = "mainstay_kill";
/** How long sessions may take until they go by a setting that was reloaded. */
const RELOAD_MS = 400;

const waits: Readonly<Record<Moment, string>> = {
  unwritten: `perform pg_advisory_xact_lock(${LOCK});`,
  // The commit is flushed, and then waits for a standby that does not exist.
  written: "perform set_config('synchronous_commit', 'on', true);",
  acted: `perform pg_notify('${CHANNEL}', '');`,
};

export class ControlKill {
  readonly #stack: Stack;
  readonly #client: pg.Client;
  readonly #moment: Moment;
  #heard = false;

  private constructor(stack: Stack, client: pg.Client, moment: Moment) {
    this.#stack = stack;
    this.#client = client;
    this.#moment = moment;
  }

  /** From now on whoever writes a record of this kind stops there. */
  static async at(stack: Stack, kind: string, moment: Moment): Promise<ControlKill> {
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    client.on("error", () => undefined);
    await client.connect();
    const kill = new ControlKill(stack, client, moment);
    client.on("notification", () => {
      kill.#heard = true;
    });
    if (moment === "unwritten") await client.query(`select pg_advisory_lock(${LOCK})`);
    if (moment === "acted") await client.query(`listen ${CHANNEL}`);
    if (moment === "written") {
      // Nobody waits for a standby from here on, except for whom the trigger says so.
      await kill.#set("synchronous_commit", "local");
      await kill.#set("synchronous_standby_names", "nobody");
    }
    await client.query(`create or replace function mainstay_kill_here() returns trigger language plpgsql as $$
      begin ${waits[moment]} return new; end $$`);
    await client.query(`create trigger mainstay_kill before insert on recovery_record for each row
      when (new.kind = ${pg.escapeLiteral(kind)}) execute function mainstay_kill_here()`);
    return kill;
  }

  /** Waits for the record, kills the control plane there, and leaves its database as it would be found. */
  async strike(withinMs: number): Promise<void> {
    await untilTrue(`a control plane that stops "${this.#moment}"`, () => this.#isThere(), withinMs);
    await this.#stack.controlPlane.killHard();
    if (this.#moment === "unwritten") {
      await this.#client.query(
        `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = ${LOCK} and not granted`,
      );
      await untilTrue("the unwritten to be rolled back", async () => !(await this.#isThere()));
    }
    await this.end();
  }

  /** Lets everything go its way again. May be done twice. */
  async end(): Promise<void> {
    const client = this.#client;
    try {
      if (this.#moment === "written") {
        // Whoever waits is let go, or the trigger could not be dropped.
        await this.#set("synchronous_standby_names", undefined);
        await this.#set("synchronous_commit", undefined);
      }
      await client.query("drop trigger if exists mainstay_kill on recovery_record");
      await client.query("drop function if exists mainstay_kill_here()");
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async #isThere(): Promise<boolean> {
    if (this.#moment === "acted") return this.#heard;
    const { rows } = await this.#client.query(
      this.#moment === "unwritten"
        ? `select from pg_locks where locktype = 'advisory' and objid = ${LOCK} and not granted`
        : "select from pg_stat_activity where wait_event = 'SyncRep'",
    );
    return rows.length > 0;
  }

  async #set(name: string, value: string | undefined): Promise<void> {
    await this.#client.query(
      value === undefined
        ? `alter system reset ${name}`
        : `alter system set ${name} = ${pg.escapeLiteral(value)}`,
    );
    await this.#client.query("select pg_reload_conf()");
    await pause(RELOAD_MS);
  }
}
