/** Looks at the way from this host to declared services: the name, the connection, TLS, HTTP. Changes nothing. */
import { lookup } from "node:dns/promises";
import { get as httpGet } from "node:http";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import type { NetworkTarget } from "../permits/netcheck.js";
import type { Plan } from "../plans.js";

export const netcheck: Action<"netcheck"> = {
  name: "netcheck",

  async preview(args, { policy }): Promise<Previewed> {
    const targets = (policy.netcheck?.targets ?? []).filter(({ name }) => isMeant(args.target, name));
    const plan: Plan = {
      action: "netcheck",
      arguments: { target: args.target, timeoutMs: args.timeoutMs },
      targets: targets.map((target) => ({ ...target })),
      inverse: "nothing-to-undo",
    };
    const names = targets.map(({ name, host, port }) => `${name} (${host}:${port})`).join(", ");
    return { kind: "planned", plan, summary: `would look at the way to ${names || "nothing"}` };
  },

  observed(plan) {
    return { targets: plan["targets"] };
  },

  async run(args, plan, context): Promise<Done> {
    const planned = JSON.stringify(plan["targets"]);
    const targets = (context.policy.netcheck?.targets ?? []).filter(({ name }) => isMeant(args.target, name));
    if (JSON.stringify(targets) !== JSON.stringify(targets.map((target) => found(plan, target))))
      return failed(`the declared targets are others than when it was planned: ${planned.slice(0, 500)}`);
    const ways: Way[] = [];
    for (const target of targets) {
      if (context.signal.aborted) return failed(`it was stopped after ${ways.length} of ${targets.length}`);
      const way = await lookAtWay(target, args.timeoutMs, context);
      ways.push(way);
      context.say(`${target.name}: ${describe(way)}`, way.failedAt === null ? "stdout" : "stderr");
    }
    const bad = ways.filter(({ failedAt }) => failedAt !== null);
    return {
      succeeded: bad.length === 0,
      exitCode: bad.length === 0 ? 0 : 1,
      summary:
        bad.length === 0
          ? `all ${ways.length} services are reached`
          : `not reached: ${bad.map((way) => `${way.target} (${describe(way)})`).join("; ")}`.slice(0, 1500),
      result: { ways: ways.map((way) => ({ ...way })) },
    };
  },

  async afterInterruption(): Promise<string> {
    return "it only looks";
  },
};

type Step = "name" | "connection" | "tls" | "http";

/** What was found on the way; times in ms, null for what was not reached or not asked for. */
interface Way {
  readonly [key: string]: Json;
  readonly target: string;
  readonly address: string | null;
  readonly nameMs: number | null;
  readonly connectionMs: number | null;
  readonly tlsMs: number | null;
  readonly httpMs: number | null;
  readonly httpStatus: number | null;
  /** When the certificate ends, as it says itself. */
  readonly certificateEnds: string | null;
  readonly failedAt: Step | null;
  readonly because: string | null;
}

async function lookAtWay(target: NetworkTarget, timeoutMs: number, context: ActionContext): Promise<Way> {
  const way: { -readonly [K in keyof Way]: Way[K] } = {
    target: target.name,
    address: null,
    nameMs: null,
    connectionMs: null,
    tlsMs: null,
    httpMs: null,
    httpStatus: null,
    certificateEnds: null,
    failedAt: null,
    because: null,
  };
  const { clock } = context.system;
  let socket: Socket | undefined;
  let step: Step = "name";
  const timed = async <T>(next: Step, work: Promise<T>): Promise<T> => {
    step = next;
    const began = clock.monotonic();
    const value = await within(work, timeoutMs, context);
    way[`${next}Ms`] = Math.round((clock.monotonic() - began) * 10) / 10;
    return value;
  };
  try {
    way.address = (await timed("name", lookup(target.host))).address;
    socket = connectTcp({ host: way.address, port: target.port });
    await timed("connection", opened(socket, "connect"));
    if (target.tls) {
      const servername = isIP(target.host) === 0 ? target.host : "";
      const tls = connectTls({ socket, servername, host: target.host });
      socket = tls;
      await timed("tls", opened(tls, "secureConnect"));
      way.certificateEnds = endOf(tls);
    }
    if (target.httpPath !== undefined) {
      way.httpStatus = await timed("http", ask(target, target.httpPath, socket));
      if (way.httpStatus >= 500) throw new Error(`HTTP status ${way.httpStatus}`);
    }
  } catch (error) {
    way.failedAt = step;
    way.because = reasonOf(error).slice(0, 300);
  } finally {
    socket?.destroy();
  }
  return way;
}

function opened(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve());
    // Stays: an error after the end of the wait must not end the process.
    socket.on("error", reject);
  });
}

function endOf(tls: TLSSocket): string | null {
  const end: unknown = tls.getPeerCertificate().valid_to;
  return typeof end === "string" ? end.slice(0, 40) : null;
}

/** The status of a GET over a connection that is open already; the answer's body is not read. */
function ask(target: NetworkTarget, path: string, socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpGet({
      host: target.host,
      port: target.port,
      path,
      headers: { connection: "close" },
      createConnection: () => socket,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
  });
}

async function within<T>(work: Promise<T>, ms: number, { system, signal }: ActionContext): Promise<T> {
  let end = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    end = system.timers.after(ms, () => reject(new Error(`no answer within ${ms} ms`)));
    signal.addEventListener("abort", () => reject(new Error("it was stopped")), { once: true });
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    end();
  }
}

function found(plan: Plan, target: NetworkTarget): unknown {
  const targets: readonly unknown[] = Array.isArray(plan["targets"]) ? plan["targets"] : [];
  const was = targets.find((one) => Object(one).name === target.name);
  const { host, port, tls, httpPath } = Object(was) as Readonly<Record<string, unknown>>;
  return { name: target.name, host, port, tls, httpPath };
}

function isMeant(asked: string | undefined, name: string): boolean {
  return asked === undefined || asked === name;
}

function describe({ failedAt, because, address, connectionMs, httpStatus }: Way): string {
  if (failedAt !== null) return `${failedAt}: ${because}`;
  return `${address} in ${connectionMs} ms${httpStatus === null ? "" : `, HTTP ${httpStatus}`}`;
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
