/** Vacuums or analyses a table of PostgreSQL, or rebuilds its indexes beside the old ones; never waits long for a lock. */
import type { Client } from "pg";
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import type { ArgumentsOf } from "../command.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import { withDatabase } from "./database-session.js";
import { findTable, indexesOf, type TableIndex, type TableState } from "./table-state.js";

type Arguments = ArgumentsOf<"maintain-table">;

/** A lock that is not free is asked for again a little later: each try makes others wait `lockTimeoutMs` at most. */
const tries = 5;
const betweenTriesMs = 1_000;
/** PostgreSQL's code for a lock that was not to be had in time. */
const lockNotAvailable = "55P03";

export const maintainTable: Action<"maintain-table"> = {
  name: "maintain-table",

  async preview(args, context): Promise<Previewed> {
    try {
      const { table, indexes } = await onDatabase(args, context, 10_000, look(args));
      if (table === undefined)
        return { kind: "impossible", because: `${args.database} has no table ${args.schema}.${args.table}` };
      const { database, operation, schema, table: name, lockTimeoutMs } = args;
      const plan: Plan = {
        action: "maintain-table",
        arguments: { database, operation, schema, table: name, lockTimeoutMs },
        table: { oid: table.oid },
        before: shown(table, indexes),
        inverse: "nothing-to-undo",
      };
      const summary = `would ${operation} ${schema}.${name} of ${database}: ${table.bytes} bytes, about ${table.deadRows} dead of ${table.liveRows} rows, ${indexes.length} indexes of ${bytesOf(indexes)} bytes`;
      return { kind: "planned", plan, summary };
    } catch (error) {
      return { kind: "impossible", because: `${args.database}: ${reasonOf(error)}` };
    }
  },

  observed(plan) {
    return { table: plan["table"] };
  },

  async run(args, plan, context): Promise<Done> {
    const leftMs = Math.max(1_000, Math.trunc(context.deadline - context.system.clock.monotonic()));
    try {
      return await onDatabase(args, context, leftMs, (client) => maintain(client, args, plan, context));
    } catch (error) {
      const because = `${args.operation} of ${args.schema}.${args.table}: ${reasonOf(error)}`;
      return { succeeded: false, exitCode: 1, summary: because, result: { because } };
    }
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const { table, indexes } = await onDatabase(args, context, 10_000, look(args));
    if (table === undefined) return `${args.schema}.${args.table} is gone`;
    const was = Object(plan["before"]) as Readonly<Record<string, unknown>>;
    const done =
      table.lastVacuum !== was["lastVacuum"] || table.lastAnalyze !== was["lastAnalyze"]
        ? "it was vacuumed or analysed since the plan"
        : "it was neither vacuumed nor analysed since the plan";
    const broken = indexes.filter(({ valid }) => !valid).map(({ name }) => name);
    return broken.length > 0 ? `${done}; half-built indexes: ${broken.join(", ")}` : done;
  },
};

async function maintain(client: Client, args: Arguments, plan: Plan, context: ActionContext): Promise<Done> {
  const before = await look(args)(client);
  const planned = Object(plan["table"]) as Readonly<Record<string, unknown>>;
  if (before.table === undefined || before.table.oid !== planned["oid"])
    return failed(`${args.schema}.${args.table} is another table than when it was planned; nothing was done`);
  const unwatch = await stopWithServer(client, args, context);
  let attempt: Attempt;
  try {
    await client.query(`SET lock_timeout = ${Math.trunc(args.lockTimeoutMs)}`);
    attempt = await attemptAll(client, args, before.indexes, context);
  } finally {
    await unwatch();
  }
  if (attempt.because !== undefined) {
    await sweep(client, args, context).catch((error: unknown) =>
      context.say(`half-built indexes are left: ${reasonOf(error)}`, "stderr"),
    );
  }
  const after = await look(args)(client);
  const states = {
    before: shown(before.table, before.indexes),
    after: after.table === undefined ? null : shown(after.table, after.indexes),
    tries: attempt.tries,
  };
  if (attempt.because !== undefined) return failed(attempt.because, states);
  const wrong = whatIsWrong(args, before, after);
  if (wrong !== undefined) return failed(wrong, states);
  const freed = bytesOf(before.indexes) - bytesOf(after.indexes);
  const summary = `${args.operation} of ${args.schema}.${args.table} done: ${after.table?.deadRows ?? "?"} dead rows of ${before.table.deadRows} are left, indexes are ${freed} bytes smaller`;
  return { succeeded: true, exitCode: 0, summary, result: states };
}

interface Attempt {
  readonly tries: number;
  /** Why it was not done; undefined when it was. */
  readonly because: string | undefined;
}

/** All statements of the operation, each with its own tries. */
async function attemptAll(
  client: Client,
  args: Arguments,
  indexes: readonly TableIndex[],
  context: ActionContext,
): Promise<Attempt> {
  const name = (of: string): string =>
    `${client.escapeIdentifier(args.schema)}.${client.escapeIdentifier(of)}`;
  const statements = {
    vacuum: [`VACUUM ${name(args.table)}`],
    analyze: [`ANALYZE ${name(args.table)}`],
    // One by one: what is done stays done, and the indexes of long values, which nobody may drop, are left alone.
    "reindex-concurrently": indexes
      .filter(({ valid }) => valid)
      .map((index) => `REINDEX INDEX CONCURRENTLY ${name(index.name)}`),
  }[args.operation];
  let most = 0;
  for (const statement of statements) {
    const attempt = await attemptOne(client, args, statement, context);
    most = Math.max(most, attempt.tries);
    if (attempt.because !== undefined) return attempt;
  }
  return { tries: most, because: undefined };
}

async function attemptOne(
  client: Client,
  args: Arguments,
  statement: string,
  context: ActionContext,
): Promise<Attempt> {
  for (let count = 1; ; count++) {
    if (context.signal.aborted) return { tries: count - 1, because: "it was stopped" };
    try {
      // What a broken-off rebuild left costs every write; a further try must not leave another.
      await sweep(client, args, context);
      context.say(statement);
      await client.query(statement);
      return { tries: count, because: undefined };
    } catch (error) {
      const isBusy = error instanceof Error && "code" in error && error.code === lockNotAvailable;
      const because = `${statement}: ${reasonOf(error)}`;
      context.say(because, "stderr");
      if (!isBusy || count >= tries) return { tries: count, because };
      await context.system.timers.sleep(betweenTriesMs, context.signal);
    }
  }
}

/** A stop has to reach the server, where the work is done. Answers with what ends the watch. */
async function stopWithServer(
  client: Client,
  args: Arguments,
  context: ActionContext,
): Promise<() => Promise<void>> {
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  let cancelling: Promise<unknown> = Promise.resolve();
  const stop = (): void => {
    cancelling = onDatabase(args, context, 5_000, (second) =>
      second.query("SELECT pg_cancel_backend($1)", [rows[0]?.pid ?? 0]),
    ).catch((error: unknown) => context.say(`it could not be stopped: ${reasonOf(error)}`, "stderr"));
  };
  context.signal.addEventListener("abort", stop, { once: true });
  return async () => {
    context.signal.removeEventListener("abort", stop);
    await cancelling;
  };
}

/**
 * Drops what broken-off rebuilds left: invalid indexes whose names end in _ccnew or _ccold. They cost every write and
 * help nobody. One that is being built right now is safe: its builder holds the lock that dropping it needs. Throws when
 * one cannot be dropped.
 */
async function sweep(client: Client, args: Arguments, context: ActionContext): Promise<void> {
  if (args.operation !== "reindex-concurrently") return;
  for (const index of await indexesOf(client, args.schema, args.table)) {
    if (index.valid || !/_cc(new|old)\d*$/.test(index.name)) continue;
    const name = `${client.escapeIdentifier(args.schema)}.${client.escapeIdentifier(index.name)}`;
    await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
    context.say(`dropped the half-built index ${index.name}`);
  }
}

interface Looked {
  readonly table: TableState | undefined;
  readonly indexes: readonly TableIndex[];
}

function look(args: Arguments): (client: Client) => Promise<Looked> {
  return async (client) => ({
    table: await findTable(client, args.schema, args.table),
    indexes: await indexesOf(client, args.schema, args.table),
  });
}

function whatIsWrong(args: Arguments, before: Looked, after: Looked): string | undefined {
  const invalid = after.indexes.filter(({ valid }) => !valid).map(({ name }) => name);
  switch (args.operation) {
    case "vacuum":
      return after.table?.lastVacuum === before.table?.lastVacuum
        ? "the server does not say that it vacuumed"
        : undefined;
    case "analyze":
      return after.table?.lastAnalyze === before.table?.lastAnalyze
        ? "the server does not say that it analysed"
        : undefined;
    case "reindex-concurrently": {
      if (invalid.length > 0) return `invalid indexes are left: ${invalid.join(", ")}`;
      const old = before.indexes.filter(
        ({ oid, file }) => after.indexes.find((index) => index.oid === oid)?.file === file,
      );
      return old.length > 0
        ? `these indexes are still the old ones: ${old.map(({ name }) => name).join(", ")}`
        : undefined;
    }
  }
}

function onDatabase<T>(
  args: Arguments,
  { policy }: ActionContext,
  statementMs: number,
  act: (client: Client) => Promise<T>,
): Promise<T> {
  return withDatabase(declared(policy.maintainTable?.databases, args.database), act, { statementMs });
}

function bytesOf(indexes: readonly TableIndex[]): number {
  return indexes.reduce((sum, { bytes }) => sum + bytes, 0);
}

function shown(table: TableState, indexes: readonly TableIndex[]): { readonly [key: string]: Json } {
  return { ...table, indexes: indexes.slice(0, 100).map((index) => ({ ...index })) };
}

function failed(because: string, states: { readonly [key: string]: Json } = {}): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { ...states, because } };
}
