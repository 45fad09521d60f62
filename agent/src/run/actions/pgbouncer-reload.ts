/** Has PgBouncer read its configuration again, and looks whether it did: it says RELOAD to a file that it cannot read too. */
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { DeclaredBouncer } from "../permits/pgbouncer.js";
import type { Plan } from "../plans.js";
import {
  type Both,
  type BouncerFile,
  bouncerOf,
  lookAtBoth,
  onConsole,
  readBouncerFile,
} from "./pgbouncer-console.js";

const settleMs = 3_000;
const pollMs = 100;

export const pgbouncerReload: Action<"pgbouncer-reload"> = {
  name: "pgbouncer-reload",

  async preview(args, context): Promise<Previewed> {
    const bouncer = bouncerOf(args.bouncer, context);
    if (bouncer === undefined)
      return { kind: "impossible", because: `${args.bouncer} is not declared on this host` };
    try {
      const file = await fileOf(bouncer);
      const { databases } = await onConsole(bouncer, lookAtBoth);
      const missing = (file?.databases ?? []).filter((name) => !databases.includes(name));
      const plan: Plan = {
        action: "pgbouncer-reload",
        arguments: { bouncer: args.bouncer },
        before: { databases, file: file?.sha256 ?? null },
        expected: [...(file?.databases ?? [])],
        inverse: "nothing-to-undo",
      };
      const more = missing.length > 0 ? `; the file has new databases: ${missing.join(", ")}` : "";
      return { kind: "planned", plan, summary: `would have ${args.bouncer} read its configuration${more}` };
    } catch (error) {
      return { kind: "impossible", because: `${args.bouncer}: ${reasonOf(error)}` };
    }
  },

  observed(plan) {
    return { file: Object(plan["before"]).file };
  },

  async run(args, plan, context): Promise<Done> {
    const bouncer = bouncerOf(args.bouncer, context);
    if (bouncer === undefined) return failed(`${args.bouncer} is not declared on this host any more`);
    try {
      const file = await fileOf(bouncer);
      if ((file?.sha256 ?? null) !== Object(plan["before"]).file)
        return failed(`${bouncer.configFile} is another file than when it was planned; nothing was done`);
      const before = await onConsole(bouncer, lookAtBoth);
      context.say(`reloading ${args.bouncer}`);
      await onConsole(bouncer, (client) => client.query("RELOAD"));
      return await verify(bouncer, file, before, context);
    } catch (error) {
      return failed(`${args.bouncer}: ${reasonOf(error)}`);
    }
  },

  async afterInterruption(args, _plan, context): Promise<string> {
    const bouncer = bouncerOf(args.bouncer, context);
    if (bouncer === undefined) return `${args.bouncer} is not declared any more`;
    const { databases } = await onConsole(bouncer, lookAtBoth);
    return `${args.bouncer} answers and has the databases ${databases.join(", ")}; reloading it again does no harm`;
  },
};

async function fileOf({ configFile }: DeclaredBouncer): Promise<BouncerFile | undefined> {
  return configFile === undefined ? undefined : readBouncerFile(configFile);
}

/** A reload is done a moment after it was answered. */
async function verify(
  bouncer: DeclaredBouncer,
  file: BouncerFile | undefined,
  before: Both,
  context: ActionContext,
): Promise<Done> {
  const { clock, timers } = context.system;
  const until = clock.monotonic() + settleMs;
  for (;;) {
    const after = await onConsole(bouncer, lookAtBoth);
    const missing = (file?.databases ?? []).filter((name) => !after.databases.includes(name));
    if (missing.length === 0) {
      const changed = [...after.settings].filter(([key, value]) => before.settings.get(key) !== value);
      const what = changed.map(
        ([key, value]) => `${key} ${before.settings.get(key) ?? "nothing"} → ${value}`,
      );
      return {
        succeeded: true,
        exitCode: 0,
        summary:
          `reloaded ${bouncer.name}: ${what.length === 0 ? "no setting changed" : what.join(", ")}`.slice(
            0,
            1500,
          ),
        result: { databases: [...after.databases], changed: what.slice(0, 200) },
      };
    }
    if (clock.monotonic() >= until || context.signal.aborted)
      return failed(`after the reload ${bouncer.name} does not have ${missing.join(", ")} of its file`);
    await timers.sleep(pollMs, context.signal);
  }
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
