/**
 * Holds a database's clients back at PgBouncer, and lets them go on: transactions that run may end first, new ones wait
 * and do not fail. What waits too long is let go again, so that a pause never lasts because nobody looked.
 */
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { DeclaredBouncer } from "../permits/pgbouncer.js";
import type { Plan } from "../plans.js";
import { type BouncedDatabase, bouncerOf, databasesOf, onConsole } from "./pgbouncer-console.js";

interface Target {
  readonly bouncer: string;
  readonly database: string;
}

export const pgbouncerPause: Action<"pgbouncer-pause"> = {
  name: "pgbouncer-pause",

  async preview(args, context): Promise<Previewed> {
    const looked = await look(args, context);
    if (looked.kind === "impossible") return looked;
    const { bouncer, database, waitSeconds } = args;
    if (looked.now.paused) return impossible(`${database} is paused already`);
    const plan: Plan = {
      action: "pgbouncer-pause",
      arguments: { bouncer, database, waitSeconds },
      before: { ...looked.now },
      inverse: { action: "pgbouncer-resume", arguments: { bouncer, database } },
    };
    const summary = `would pause ${database} at ${bouncer}: ${looked.now.connections} connections to the server end their transactions within ${waitSeconds} s, new ones wait`;
    return { kind: "planned", plan, summary };
  },

  observed,

  async run(args, _plan, context): Promise<Done> {
    const bouncer = bouncerOf(args.bouncer, context);
    if (bouncer === undefined) return failed(`${args.bouncer} is not declared on this host any more`);
    const stop = new AbortController();
    const cancel = (): void => stop.abort();
    context.signal.addEventListener("abort", cancel, { once: true });
    try {
      context.say(`pausing ${args.database} at ${args.bouncer}`);
      const pausing = onConsole(
        bouncer,
        (client) => client.query(`PAUSE ${args.database}`),
        args.waitSeconds * 1000,
      ).then(
        () => "paused" as const,
        (error: unknown) => reasonOf(error),
      );
      const late = context.system.timers
        .sleep(args.waitSeconds * 1000, stop.signal)
        .then(() =>
          context.signal.aborted
            ? "it was stopped while transactions ended"
            : `transactions of ${args.database} did not end within ${args.waitSeconds} s`,
        );
      const answer = await Promise.race([pausing, late]);
      if (answer !== "paused") return await letGo(args, bouncer, answer);
      return await verify(args, context, true);
    } finally {
      stop.abort();
      context.signal.removeEventListener("abort", cancel);
    }
  },

  afterInterruption: whatIsKnown,
};

export const pgbouncerResume: Action<"pgbouncer-resume"> = {
  name: "pgbouncer-resume",

  async preview(args, context): Promise<Previewed> {
    const looked = await look(args, context);
    if (looked.kind === "impossible") return looked;
    const { bouncer, database } = args;
    if (!looked.now.paused) return impossible(`${database} is not paused`);
    const plan: Plan = {
      action: "pgbouncer-resume",
      arguments: { bouncer, database },
      before: { ...looked.now },
      inverse: { action: "pgbouncer-pause", arguments: { bouncer, database } },
    };
    return { kind: "planned", plan, summary: `would let the clients of ${database} at ${bouncer} go on` };
  },

  observed,

  async run(args, _plan, context): Promise<Done> {
    const bouncer = bouncerOf(args.bouncer, context);
    if (bouncer === undefined) return failed(`${args.bouncer} is not declared on this host any more`);
    try {
      await onConsole(bouncer, (client) => client.query(`RESUME ${args.database}`));
    } catch (error) {
      return failed(`${args.bouncer}: ${reasonOf(error)}`);
    }
    return verify(args, context, false);
  },

  afterInterruption: whatIsKnown,
};

type Looked =
  | { readonly kind: "found"; readonly now: BouncedDatabase }
  | { readonly kind: "impossible"; readonly because: string };

async function look(args: Target, context: ActionContext): Promise<Looked> {
  const bouncer = bouncerOf(args.bouncer, context);
  if (bouncer === undefined) return impossible(`${args.bouncer} is not declared on this host`);
  try {
    const now = (await onConsole(bouncer, databasesOf)).find(({ name }) => name === args.database);
    return now === undefined
      ? impossible(`${args.bouncer} has no database ${args.database}`)
      : { kind: "found", now };
  } catch (error) {
    return impossible(`${args.bouncer}: ${reasonOf(error)}`);
  }
}

function observed(plan: Plan): { readonly paused: boolean } {
  return { paused: Object(plan["before"]).paused === true };
}

/** Takes a pause back that did not come into force. */
async function letGo(args: Target, bouncer: DeclaredBouncer, because: string): Promise<Done> {
  const back = await onConsole(bouncer, (client) => client.query(`RESUME ${args.database}`)).then(
    () => "its clients go on",
    (error: unknown) => `it could not be resumed: ${reasonOf(error)}`,
  );
  return failed(`${because}; ${back}`);
}

/** PgBouncer's own word, asked for anew. */
async function verify(args: Target, context: ActionContext, paused: boolean): Promise<Done> {
  const looked = await look(args, context);
  if (looked.kind === "impossible") return failed(looked.because);
  const is = looked.now.paused ? "paused" : "not paused";
  if (looked.now.paused !== paused) return failed(`${args.database} is ${is} at ${args.bouncer}`);
  return {
    succeeded: true,
    exitCode: 0,
    summary: `${args.database} is ${is} at ${args.bouncer}, ${looked.now.connections} connections to the server`,
    result: { before: { paused: !paused }, after: { ...looked.now } },
  };
}

async function whatIsKnown(args: Target, _plan: Plan, context: ActionContext): Promise<string> {
  const looked = await look(args, context);
  if (looked.kind === "impossible") return looked.because;
  return `${args.database} is ${looked.now.paused ? "paused" : "not paused"} at ${args.bouncer}`;
}

function impossible(because: string): { readonly kind: "impossible"; readonly because: string } {
  return { kind: "impossible", because };
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
