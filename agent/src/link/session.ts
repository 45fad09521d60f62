/**
 * What the link does next: a state and something that happened go in, the next state and what is to be done come out.
 * Pure; `connect.ts` carries it out.
 *
 *   waiting --(time)--> greeting --(Welcome)--> live --(Drain)--> leaving --(ended)--> waiting
 *
 * Any state but `stopped` goes back to waiting when its stream ends.
 */
import type {
  ConnectResponse,
  OrderKey,
  RenewResponse,
  SignedOrder,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import { type BackoffBounds, backoffMs, linkBackoff, slowBackoff } from "./backoff.js";

/** Where the link stands. Times are `now` values of the clock that only rises, in ms. */
export type LinkState =
  /** No stream; the next is opened at `until`. */
  | { readonly kind: "waiting"; readonly failures: number; readonly until: number }
  /** A stream is being opened and the greeting is out; without a Welcome by `until` it is given up. */
  | { readonly kind: "greeting"; readonly failures: number; readonly until: number }
  /** Frames and events flow. */
  | {
      readonly kind: "live";
      readonly failures: number;
      readonly since: number;
      readonly heartbeatMs: number;
      readonly generation: bigint;
    }
  /** The control plane asked to leave: nothing new is sent; cut at `until`, opened again at `reopenAt`. */
  | { readonly kind: "leaving"; readonly until: number; readonly reopenAt: number }
  /** For good. */
  | { readonly kind: "stopped" };

/** What happened. */
export type LinkInput =
  /** Time passed. `lastSentAt` is when anything was last sent on this stream. */
  | { readonly kind: "turn"; readonly lastSentAt: number }
  | { readonly kind: "received"; readonly message: ConnectResponse }
  /**
   * `places`: how many addresses are tried in turn, default 1; the wait grows once all were tried. `bounds`: of that
   * wait, where another try may help; default `linkBackoff`.
   */
  | {
      readonly kind: "ended";
      readonly code: number;
      readonly details: string;
      readonly places?: number;
      readonly bounds?: BackoffBounds;
    }
  | { readonly kind: "stop" };

/** What is to be done, in order. */
export type LinkEffect =
  | { readonly kind: "open" }
  | { readonly kind: "begin"; readonly resumeAfter: bigint; readonly serverTimeMs: number | undefined }
  | { readonly kind: "heartbeat" }
  | { readonly kind: "acknowledge-frames"; readonly through: bigint }
  | { readonly kind: "acknowledge-events"; readonly acknowledged: readonly AcknowledgedEvents[] }
  | { readonly kind: "order"; readonly order: SignedOrder }
  | { readonly kind: "cancel-order"; readonly commandId: string; readonly because: string }
  | { readonly kind: "renewed"; readonly renewed: RenewResponse }
  | { readonly kind: "order-keys"; readonly keys: readonly OrderKey[] }
  | { readonly kind: "failover"; readonly message: FailoverMessage }
  | { readonly kind: "announce-again" }
  | { readonly kind: "end-stream" }
  | { readonly kind: "cut-stream" }
  | {
      readonly kind: "say";
      readonly level: "info" | "warn" | "error";
      readonly sentence: string;
      readonly facts: Readonly<Record<string, string | number | bigint>>;
    };

/** Events of one command that the control plane has. */
export interface AcknowledgedEvents {
  readonly commandId: string;
  /** The numbers of the contract's OrderMode. */
  readonly mode: number;
  readonly through: number;
}

/** A stream that lived this long counts as a success: the next wait begins small again. */
const livedMs = 10_000;
/** A control plane that has just been started lets a fleet in one after another: each stands in line until its turn. */
const welcomeWithinMs = 30_000;
const leaveWithinMs = 5_000;
const heartbeatFloorMs = 500;
const heartbeatCeilingMs = 60_000;

/** gRPC codes that another try soon will not change: PERMISSION_DENIED, UNIMPLEMENTED, UNAUTHENTICATED. */
const hopeless: readonly number[] = [7, 12, 16];

/** The state at the start: the first try is spread too, because many agents start together after a power cut. */
export function firstState(now: number, draw: number): LinkState {
  return { kind: "waiting", failures: 0, until: now + backoffMs(0, draw) };
}

/** When the state wants its next turn; undefined when it waits for something else than time. */
export function nextTurnAt(state: LinkState, lastSentAt: number): number | undefined {
  switch (state.kind) {
    case "waiting":
    case "greeting":
    case "leaving":
      return state.until;
    case "live":
      return lastSentAt + state.heartbeatMs;
    case "stopped":
      return undefined;
  }
}

/** One step. `draw` is uniform in [0, 1). */
export function step(
  state: LinkState,
  input: LinkInput,
  now: number,
  draw: number,
): { readonly state: LinkState; readonly effects: readonly LinkEffect[] } {
  if (state.kind === "stopped") return { state, effects: [] };
  switch (input.kind) {
    case "stop":
      return {
        state: { kind: "stopped" },
        effects: state.kind === "waiting" ? [] : [{ kind: "end-stream" }],
      };
    case "turn":
      return onTurn(state, now, input.lastSentAt);
    case "ended":
      return onEnded(state, input, now, draw);
    case "received":
      return onMessage(state, input.message, now, draw);
  }
}

type Step = ReturnType<typeof step>;
type Running = Exclude<LinkState, { kind: "stopped" }>;

function onTurn(state: Running, now: number, lastSentAt: number): Step {
  switch (state.kind) {
    case "waiting":
      if (now < state.until) return { state, effects: [] };
      return {
        state: { kind: "greeting", failures: state.failures, until: now + welcomeWithinMs },
        effects: [{ kind: "open" }],
      };
    case "greeting":
      if (now < state.until) return { state, effects: [] };
      return {
        state,
        effects: [
          say("warn", "the control plane did not welcome this agent in time", {}),
          { kind: "cut-stream" },
        ],
      };
    case "live":
      return { state, effects: now - lastSentAt >= state.heartbeatMs ? [{ kind: "heartbeat" }] : [] };
    case "leaving":
      return { state, effects: now >= state.until ? [{ kind: "cut-stream" }] : [] };
  }
}

function onEnded(
  state: Running,
  { code, details, places = 1, bounds: usual = linkBackoff }: Extract<LinkInput, { kind: "ended" }>,
  now: number,
  draw: number,
): Step {
  if (state.kind === "waiting") return { state, effects: [] };
  if (state.kind === "leaving") {
    return { state: { kind: "waiting", failures: 0, until: state.reopenAt }, effects: [] };
  }
  const lived = state.kind === "live" && now - state.since >= livedMs;
  const failures = lived ? 0 : state.failures + 1;
  const bounds = hopeless.includes(code) ? slowBackoff : usual;
  const rounds = Math.floor((failures - 1) / places);
  const waitMs = backoffMs(lived ? 0 : rounds, draw, bounds);
  const level = hopeless.includes(code) ? "error" : "warn";
  const sentence = hopeless.includes(code)
    ? "the control plane refused this agent; a person has to look"
    : "the stream ended; it will be opened again";
  return {
    state: { kind: "waiting", failures, until: now + waitMs },
    effects: [say(level, sentence, { code, because: details.slice(0, 300), againInMs: waitMs, failures })],
  };
}

function onMessage(state: Running, message: ConnectResponse, now: number, draw: number): Step {
  const { body } = message;
  if (body.case === "welcome" && state.kind === "greeting") {
    const welcome = body.value;
    const heartbeatMs = Math.min(heartbeatCeilingMs, Math.max(heartbeatFloorMs, welcome.heartbeatMs || 5000));
    const generation = welcome.sessionGeneration;
    return {
      state: { kind: "live", failures: state.failures, since: now, heartbeatMs, generation },
      effects: [
        say("info", "the stream is open", {
          nodeId: welcome.nodeId,
          generation,
          resumeAfter: welcome.resumeAfterSequence,
        }),
        { kind: "order-keys", keys: welcome.orderKeys },
        {
          kind: "begin",
          resumeAfter: welcome.resumeAfterSequence,
          serverTimeMs: welcome.serverTime === undefined ? undefined : timestampMs(welcome.serverTime),
        },
      ],
    };
  }
  if (state.kind === "waiting" || body.case === undefined) return { state, effects: [] };
  if (state.kind === "greeting" || body.case === "welcome") {
    const sentence = "the control plane spoke out of turn";
    return { state, effects: [say("warn", sentence, { message: body.case }), { kind: "cut-stream" }] };
  }
  switch (body.case) {
    case "acknowledge":
      return {
        state,
        effects: [
          { kind: "acknowledge-frames", through: body.value.framesThrough },
          {
            kind: "acknowledge-events",
            acknowledged: body.value.commands.map(({ commandId, mode, throughSequence }) => ({
              commandId,
              mode,
              through: throughSequence,
            })),
          },
        ],
      };
    case "order":
      return { state, effects: [{ kind: "order", order: body.value }] };
    case "cancel":
      return {
        state,
        effects: [{ kind: "cancel-order", commandId: body.value.commandId, because: body.value.because }],
      };
    case "renewed":
      return { state, effects: [{ kind: "renewed", renewed: body.value }] };
    case "failover":
      return { state, effects: [{ kind: "failover", message: body.value }] };
    case "resendSeries":
      return {
        state,
        effects: [
          say("info", "all series are announced again", { because: body.value.because }),
          { kind: "announce-again" },
        ],
      };
    case "drain": {
      if (state.kind === "leaving") return { state, effects: [] };
      const { reconnectAfterMs, jitterMs, because } = body.value;
      const inMs = Math.min(600_000, reconnectAfterMs + Math.floor(jitterMs * draw));
      return {
        state: { kind: "leaving", until: now + leaveWithinMs, reopenAt: now + inMs },
        effects: [
          say("info", "the control plane asked this agent to come back later", { because, inMs }),
          { kind: "end-stream" },
        ],
      };
    }
  }
}

function timestampMs(at: { readonly seconds: bigint; readonly nanos: number }): number {
  return Number(at.seconds) * 1000 + Math.floor(at.nanos / 1e6);
}

function say(
  level: "info" | "warn" | "error",
  sentence: string,
  facts: Readonly<Record<string, string | number | bigint>>,
): LinkEffect {
  return { kind: "say", level, sentence, facts };
}
