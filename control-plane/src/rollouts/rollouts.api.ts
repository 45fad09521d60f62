/** RolloutsService: proto message ↔ rollout. */
import {
  RolloutsService,
  type RolloutState as WireState,
} from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { cleanText } from "../kernel/clean-text.js";
import { messageOf, OpsError } from "../kernel/errors.js";
import { type Instant, SECOND } from "../kernel/time.js";
import { formatTraceparent } from "../kernel/trace.js";
import type { CallContext } from "../platform/call.js";
import type { Database } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { Clock } from "../platform/system.js";
import { parseExpr } from "../promql/parse.js";
import { isAtRest } from "./domain/next-rollout.js";
import { ROLLOUT_STATES, type Rollout } from "./domain/rollout.js";
import { matchTargets, type PlacedNode, readSpec } from "./read-request.api.js";
import { type RolloutDesk, rolloutChannel } from "./rollout-desk.js";
import { countTargets, readRollouts, readTargets } from "./rollouts.store.js";
import { countsOf, rolloutToWire, targetToWire } from "./rollouts-wire.api.js";

const WAIT_MS = { default: 5 * SECOND, max: 30 * SECOND } as const;
const PAGE = { default: 100, max: 1_000 } as const;
const REQUEST_ID_MAX = 64;
const REASON_MAX = 1_000;

/** While a rollout is watched, PostgreSQL is asked at least this often, should a live message be lost. */
const WATCH_INTERVAL = 2 * SECOND;

export interface RolloutsApiPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly live: Live;
  readonly desk: RolloutDesk;
  /** The nodes that are enrolled and not revoked. */
  readonly nodes: () => Promise<readonly PlacedNode[]>;
}

export function rolloutsApi(
  ports: RolloutsApiPorts,
): ServiceImplementation<typeof RolloutsService, CallContext> {
  const { database, clock, live, desk } = ports;

  const need = async (id: string): Promise<Rollout> => {
    const rollout = await desk.read(id);
    if (rollout === undefined) throw new OpsError("NOT_FOUND", `there is no rollout "${cleanText(id, 100)}"`);
    return rollout;
  };
  const whole = async (rollout: Rollout) => {
    const targets = await readTargets(database, rollout.id);
    return { rollout: rolloutToWire(rollout, countsOf(targets)), targets: targets.map(targetToWire) };
  };
  const headOf = async (rollout: Rollout) => ({ rollout: (await whole(rollout)).rollout });

  /** Listens for a rollout's news from now on, so that none falls between a look and a wait. */
  const listen = (id: string, signal: AbortSignal) => {
    let wake = new AbortController();
    const stop = live.subscribe(rolloutChannel(id), () => wake.abort());
    return {
      stop,
      wait: async (ms: number): Promise<void> => {
        await clock.sleep(ms, AbortSignal.any([wake.signal, signal]));
        wake = new AbortController();
      },
    };
  };

  return {
    async planRollout(request, context) {
      if (request.requestId === "" || request.requestId.length > REQUEST_ID_MAX)
        throw new OpsError(
          "INVALID_ARGUMENT",
          `request_id has ${request.requestId.length} characters, expected 1 to ${REQUEST_ID_MAX}`,
        );
      if (request.waitMs > WAIT_MS.max)
        throw new OpsError("INVALID_ARGUMENT", `wait_ms is ${request.waitMs}, at most ${WAIT_MS.max}`);
      const { spec, expiresInMs, selector } = readSpec(request.spec);
      if (spec.gate.expr !== "") checkExpr(spec.gate.expr);
      let rollout = await desk.plan({
        requestId: request.requestId,
        spec,
        targets: matchTargets(selector, await ports.nodes()),
        requestedBy: context.caller.actor,
        roles: context.caller.roles,
        expiresInMs,
        traceparent: formatTraceparent(context.trace),
      });
      const deadline = clock.monotonic() + (request.waitMs === 0 ? WAIT_MS.default : request.waitMs);
      const news = listen(rollout.id, context.signal);
      try {
        while (rollout.state === "planning" && !context.signal.aborted && clock.monotonic() < deadline) {
          rollout = await need(rollout.id);
          if (rollout.state === "planning")
            await news.wait(Math.min(WATCH_INTERVAL, deadline - clock.monotonic()));
        }
      } finally {
        news.stop();
      }
      return whole(rollout);
    },

    async applyRollout({ rolloutId, planHash }, { caller }) {
      return headOf(await desk.apply(rolloutId, caller.actor, planHash));
    },
    async approveRollout({ rolloutId, planHash, reason }, { caller }) {
      const vote = { by: caller.actor, roles: caller.roles, planHash, reason: bounded(reason) };
      return headOf(await desk.approve(rolloutId, vote));
    },
    async rejectRollout({ rolloutId, reason }, { caller }) {
      return headOf(await desk.reject(rolloutId, caller.actor, bounded(reason)));
    },
    async pauseRollout({ rolloutId, reason }, { caller }) {
      return headOf(await desk.pause(rolloutId, caller.actor, bounded(reason)));
    },
    async resumeRollout({ rolloutId, reason }, { caller }) {
      return headOf(await desk.resume(rolloutId, caller.actor, bounded(reason)));
    },
    async abortRollout({ rolloutId, reason }, { caller }) {
      return headOf(await desk.abort(rolloutId, caller.actor, bounded(reason)));
    },

    async getRollout(request) {
      return whole(await need(request.rolloutId));
    },

    async listRollouts(request) {
      const size = request.page?.size ?? 0;
      if (size > PAGE.max)
        throw new OpsError("INVALID_ARGUMENT", `page.size is ${size}, at most ${PAGE.max}`);
      const limit = size === 0 ? PAGE.default : size;
      const before = readToken(request.page?.token ?? "");
      const state = stateFromWire(request.state);
      const rollouts = await readRollouts(database, {
        limit,
        ...(state === undefined ? {} : { state }),
        ...(before === undefined ? {} : { before }),
      });
      const counts = await countTargets(
        database,
        rollouts.map(({ id }) => id),
      );
      const last = rollouts.at(-1);
      return {
        rollouts: rollouts.map((rollout) => rolloutToWire(rollout, counts.get(rollout.id) ?? new Map())),
        nextToken: last !== undefined && rollouts.length === limit ? `${last.requestedAt}/${last.id}` : "",
      };
    },

    async *watchRollout({ rolloutId }, { signal }) {
      let told = "";
      const news = listen(rolloutId, signal);
      try {
        while (!signal.aborted) {
          const rollout = await need(rolloutId);
          const targets = await readTargets(database, rolloutId);
          const counts = countsOf(targets);
          const change = JSON.stringify([rollout, [...counts]]);
          if (change !== told) yield { rollout: rolloutToWire(rollout, counts) };
          told = change;
          if (isAtRest(rollout, targets)) return;
          await news.wait(WATCH_INTERVAL);
        }
      } finally {
        news.stop();
      }
    },
  };
}

const stateFromWire = (state: WireState) => (state === 0 ? undefined : ROLLOUT_STATES[state - 1]);

function checkExpr(expr: string): void {
  try {
    parseExpr(expr);
  } catch (error) {
    throw new OpsError("INVALID_ARGUMENT", `plan a rollout: spec.gate.expr: ${messageOf(error)}`);
  }
}

function bounded(reason: string): string {
  if (reason.length > REASON_MAX)
    throw new OpsError("INVALID_ARGUMENT", `reason has ${reason.length} characters, at most ${REASON_MAX}`);
  return reason;
}

function readToken(token: string): { readonly requestedAt: Instant; readonly id: string } | undefined {
  if (token === "") return undefined;
  const [time, id] = token.split("/");
  const requestedAt = Number(time);
  if (id !== undefined && Number.isSafeInteger(requestedAt)) return { requestedAt, id };
  throw new OpsError(
    "INVALID_ARGUMENT",
    `page.token is "${cleanText(token, 80)}", expected the next_token of an answer`,
  );
}
