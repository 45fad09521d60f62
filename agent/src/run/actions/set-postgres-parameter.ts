/** Changes one setting of PostgreSQL (ALTER SYSTEM and a reload), and knows whether that is enough. */
import type { Client } from "pg";
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import type { ArgumentsOf } from "../command.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import { withDatabase } from "./database-session.js";
import { loadTime, readSetting, type Setting, settled, whyNotThisValue } from "./postgres-setting.js";

type Arguments = ArgumentsOf<"set-postgres-parameter">;

export const setPostgresParameter: Action<"set-postgres-parameter"> = {
  name: "set-postgres-parameter",

  async preview(args, context): Promise<Previewed> {
    const { database, parameter, value } = args;
    try {
      const now = await onDatabase(args, context, (client) => readSetting(client, parameter));
      if (now === undefined)
        return { kind: "impossible", because: `${database}: PostgreSQL knows no setting ${parameter}` };
      const why = whyNotThisValue(now, value);
      if (why !== undefined) return { kind: "impossible", because: `${database}: ${why}` };
      const needsRestart = now.context === "postmaster";
      const standbysFirst =
        needsRestart && !now.inRecovery && now.standbys > 0 && mustNotBeLess.has(parameter);
      const plan: Plan = {
        action: "set-postgres-parameter",
        arguments: { database, parameter, value },
        before: shown(now),
        needsRestart,
        onlyNewSessions: now.context.endsWith("backend"),
        standbysFirst,
        inverse: {
          action: "set-postgres-parameter",
          arguments: orderOf({ database, parameter, value: now.fileValue ?? undefined }),
        },
      };
      const summary = [
        `would ${value === undefined ? `reset ${parameter}` : `set ${parameter} to ${value}`} on ${database}, now ${now.shown}`,
        ...(needsRestart ? ["it needs a restart to count"] : []),
        ...(standbysFirst ? [`${now.standbys} standbys must have it before this server does`] : []),
      ].join("; ");
      return { kind: "planned", plan, summary };
    } catch (error) {
      return { kind: "impossible", because: `${database}: ${reasonOf(error)}` };
    }
  },

  observed(plan) {
    const { shown, fileValue } = Object(plan["before"]) as Record<string, Json>;
    return { shown, fileValue };
  },

  async run(args, plan, context): Promise<Done> {
    try {
      const changed = await onDatabase(args, context, (client) => change(client, args, plan, context));
      if (changed.kind === "failed") return failed(changed.because);
      // A session that was there before may hold to a value of its own: what counts is what a new one finds.
      const after = await onDatabase(args, context, (client) =>
        settled(client, args.parameter, args.value, changed.loadedBefore, context),
      );
      if (after.kind === "settled") return succeeded(args, after.setting, after.needsRestart);
      const back = await onDatabase(args, context, (client) =>
        write(client, args.parameter, changed.before.fileValue ?? undefined),
      ).then(
        () => "the old value is back in the file",
        (error: unknown) => `the old value could not be put back: ${reasonOf(error)}`,
      );
      return failed(`${args.parameter}: ${after.because}; ${back}`);
    } catch (error) {
      return failed(`${args.database}: ${args.parameter}: ${reasonOf(error)}`);
    }
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const now = await onDatabase(args, context, (client) => readSetting(client, args.parameter));
    if (now === undefined) return `PostgreSQL knows no setting ${args.parameter} any more`;
    const same = isAsPlanned(plan, now) ? "as it was when it was planned" : "changed since the plan";
    return `${args.parameter} is ${now.shown}, in the file ${now.fileValue ?? "not set"}: ${same}${now.pendingRestart ? "; it waits for a restart" : ""}`;
  },
};

/** Settings that a standby must have at least as high as its primary, or it stops. */
const mustNotBeLess = new Set([
  "max_connections",
  "max_locks_per_transaction",
  "max_prepared_transactions",
  "max_wal_senders",
  "max_worker_processes",
]);

type Changed =
  | { readonly kind: "changed"; readonly before: Setting; readonly loadedBefore: string }
  | { readonly kind: "failed"; readonly because: string };

async function change(
  client: Client,
  { parameter, value }: Arguments,
  plan: Plan,
  context: ActionContext,
): Promise<Changed> {
  const before = await readSetting(client, parameter);
  if (before === undefined || !isAsPlanned(plan, before)) {
    return {
      kind: "failed",
      because: `${parameter} is ${before?.shown ?? "not there"} now, not what it was when it was planned; nothing was done`,
    };
  }
  if (context.signal.aborted) return { kind: "failed", because: "it was stopped before it began" };
  const loadedBefore = await loadTime(client);
  await write(client, parameter, value);
  context.say(
    value === undefined ? `reset ${parameter}` : `set ${parameter} to ${value}, was ${before.shown}`,
  );
  return { kind: "changed", before, loadedBefore };
}

/** ALTER SYSTEM takes no parameters; name and value are quoted by the driver, and the name was one of a list before. */
async function write(client: Client, parameter: string, value: string | undefined): Promise<void> {
  const name = parameter
    .split(".")
    .map((part) => client.escapeIdentifier(part))
    .join(".");
  await client.query(
    value === undefined
      ? `ALTER SYSTEM RESET ${name}`
      : `ALTER SYSTEM SET ${name} = ${client.escapeLiteral(value)}`,
  );
  await client.query("SELECT pg_reload_conf()");
}

function onDatabase<T>(
  args: Arguments,
  { policy }: ActionContext,
  act: (client: Client) => Promise<T>,
): Promise<T> {
  // Plain: a setting that the driver asks for itself would hide what the server has.
  return withDatabase(declared(policy.setPostgresParameter?.databases, args.database), act, {
    plain: true,
  });
}

/** As an order says it: what is not set is reset. */
function orderOf({ database, parameter, value }: Omit<Arguments, "action">): Plan["arguments"] {
  return value === undefined ? { database, parameter, reset: true } : { database, parameter, value };
}

function isAsPlanned(plan: Plan, now: Setting): boolean {
  const before = Object(plan["before"]) as Readonly<Record<string, unknown>>;
  return before["shown"] === now.shown && before["fileValue"] === now.fileValue;
}

function shown({ shown, fileValue, unit, context, pendingRestart, source }: Setting): Plan["arguments"] {
  return { shown, fileValue, unit, context, pendingRestart, source };
}

function succeeded({ parameter }: Arguments, after: Setting, needsRestart: boolean): Done {
  const rest = needsRestart ? `; it waits for a restart, until then it stays ${after.shown}` : "";
  return {
    succeeded: true,
    exitCode: 0,
    summary: `${parameter} is ${after.fileValue ?? after.shown}${rest}`,
    result: { after: shown(after), needsRestart },
  };
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
