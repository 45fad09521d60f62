/** Takes a server behind HAProxy out of the rotation, or puts it back; never the last ones that take requests. */
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { ArgumentsOf, BackendState } from "../command.js";
import type { DeclaredProxy } from "../permits/set-backend-state.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import { askHaproxy, type ProxiedServer, serversOf } from "./haproxy-socket.js";

type Arguments = ArgumentsOf<"set-backend-state">;
const pollMs = 100;

export const setBackendState: Action<"set-backend-state"> = {
  name: "set-backend-state",

  async preview(args, context): Promise<Previewed> {
    const looked = await look(args, context);
    if (looked.kind === "impossible") return looked;
    const { proxy, backend, server, state, waitSeconds } = args;
    const { now, before } = looked;
    const plan: Plan = {
      action: "set-backend-state",
      arguments: { proxy, backend, server, state, waitSeconds },
      before: { state: before, status: now.status },
      inverse: {
        action: "set-backend-state",
        arguments: { proxy, backend, server, state: before, waitSeconds },
      },
    };
    const summary = `would set ${backend}/${server} of ${proxy} from ${before} to ${state}; it has ${now.sessions} connections`;
    return { kind: "planned", plan, summary };
  },

  observed(plan) {
    return { state: Object(plan["before"]).state };
  },

  async run(args, plan, context): Promise<Done> {
    const looked = await look(args, context);
    if (looked.kind === "impossible") return failed(looked.because);
    const { before, proxy } = looked;
    if (before !== Object(plan["before"]).state)
      return failed(`${args.server} is ${before} now, not what it was when it was planned; nothing was done`);
    try {
      const said = await askHaproxy(
        proxy.socket,
        `set server ${args.backend}/${args.server} state ${args.state}`,
      );
      if (said.trim() !== "") return failed(`HAProxy: ${said.trim().slice(0, 300)}`);
      return await verify(args, before, context);
    } catch (error) {
      return failed(reasonOf(error));
    }
  },

  async afterInterruption(args, _plan, context): Promise<string> {
    const proxy = declared(context.policy.setBackendState?.proxies, args.proxy);
    const servers = proxy === undefined ? [] : await serversOf(proxy.socket, args.backend);
    const now = servers.find(({ server }) => server === args.server);
    return now === undefined
      ? `${args.backend}/${args.server} is not there`
      : `${args.backend}/${args.server} is ${stateOf(now)} with ${now.sessions} connections`;
  },
};

type Looked =
  | {
      readonly kind: "found";
      readonly proxy: DeclaredProxy;
      readonly now: ProxiedServer;
      readonly before: BackendState;
    }
  | { readonly kind: "impossible"; readonly because: string };

async function look(args: Arguments, { policy }: ActionContext): Promise<Looked> {
  const proxy = declared(policy.setBackendState?.proxies, args.proxy);
  if (proxy === undefined)
    return { kind: "impossible", because: `${args.proxy} is not declared on this host` };
  try {
    const servers = await serversOf(proxy.socket, args.backend);
    const now = servers.find(({ server }) => server === args.server);
    if (now === undefined)
      return { kind: "impossible", because: `HAProxy has no server ${args.backend}/${args.server}` };
    const left = servers.filter((one) => one.server !== args.server && takesRequests(one)).length;
    if (args.state !== "ready" && left < proxy.minReady) {
      const because = `${left} other servers of ${args.backend} take requests, ${proxy.minReady} have to`;
      return { kind: "impossible", because };
    }
    return { kind: "found", proxy, now, before: stateOf(now) };
  } catch (error) {
    return { kind: "impossible", because: `${args.proxy}: ${reasonOf(error)}` };
  }
}

/** Waits until HAProxy says so too, and for a drained server until its last connection has ended. */
async function verify(args: Arguments, before: BackendState, context: ActionContext): Promise<Done> {
  const proxy = declared(context.policy.setBackendState?.proxies, args.proxy);
  const { clock, timers } = context.system;
  const until = Math.min(context.deadline, clock.monotonic() + args.waitSeconds * 1000);
  for (;;) {
    const servers = await serversOf(proxy?.socket ?? "", args.backend);
    const now = servers.find(({ server }) => server === args.server);
    const sessions = now?.sessions ?? 0;
    const isSet = now !== undefined && stateOf(now) === args.state;
    const isEmpty = args.state === "ready" || sessions === 0;
    const result = {
      before,
      after: now === undefined ? null : stateOf(now),
      status: now?.status ?? "",
      sessions,
    };
    if (isSet && isEmpty) {
      const summary = `${args.backend}/${args.server}: ${before} → ${args.state}`;
      return { succeeded: true, exitCode: 0, summary, result };
    }
    if (clock.monotonic() >= until || context.signal.aborted) {
      const because = isSet
        ? `${args.backend}/${args.server} is ${args.state} and still has ${sessions} connections`
        : `${args.backend}/${args.server} is ${now?.status ?? "gone"}, not ${args.state}`;
      return { succeeded: false, exitCode: 1, summary: because, result: { ...result, because } };
    }
    await timers.sleep(pollMs, context.signal);
  }
}

function stateOf({ status }: ProxiedServer): BackendState {
  if (status.startsWith("MAINT")) return "maint";
  return status.startsWith("DRAIN") ? "drain" : "ready";
}

function takesRequests({ status }: ProxiedServer): boolean {
  return status.startsWith("UP") || status === "no check";
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
