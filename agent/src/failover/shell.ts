/**
 * Runs the agent's part of failover: hands events to the reducer one after another, makes durable what it keeps, and only
 * then carries out what it wants. Decides nothing itself.
 */
import { bootAgent, stepAgent } from "@mainstay/proto/failover/agent";
import {
  type AgentEffect,
  type AgentEvent,
  type AgentKept,
  type AgentState,
  type AgentStep,
  describe,
} from "@mainstay/proto/failover/agent-state";
import type { Message, NodeState } from "@mainstay/proto/failover/messages";
import type { FailoverPolicy } from "@mainstay/proto/failover/policy";
import type { Instant, NodeId, VoterId } from "@mainstay/proto/failover/words";
import { type Log, reasonOf } from "../log.js";
import type { Timers } from "../system.js";

export interface ShellParts {
  readonly policy: FailoverPolicy;
  readonly node: NodeId;
  readonly first: AgentKept;
  readonly boot: number;
  /** CLOCK_MONOTONIC: the guard reads the same. */
  readonly monotonic: () => Instant;
  readonly timers: Timers;
  readonly log: Log;
  /** Durable when it returns. */
  readonly keep: (kept: AgentKept) => void;
  readonly send: (to: VoterId, message: Message) => void;
  readonly perform: (effect: Exclude<AgentEffect, { kind: "send" }>) => void;
  /** Nothing can be kept any more: end the database. */
  readonly fence: () => void;
}

const TICK_MS = 50;

export class FailoverShell {
  readonly #parts: ShellParts;
  #state: AgentState | undefined;
  #kept: AgentKept | undefined;
  /** Events that came up while another was carried out. */
  readonly #waiting: AgentEvent[] = [];
  #stepping = false;
  #over = false;
  #stopTicking = (): void => {};
  #said = "";

  constructor(parts: ShellParts) {
    this.#parts = parts;
  }

  start(): void {
    const { policy, node, first, boot, monotonic, timers } = this.#parts;
    this.#kept = first;
    this.#stepping = true;
    this.#carryOut(bootAgent(policy, node, first, boot, monotonic()));
    this.#stepping = false;
    this.#drain();
    this.#stopTicking = timers.every(TICK_MS, () => this.take({ kind: "tick" }));
  }

  stop(): void {
    this.#over = true;
    this.#stopTicking();
  }

  /** How the node is, as the control plane is told. */
  get figures(): (NodeState & { readonly database: AgentState["database"] }) | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    return { ...describe(this.#parts.policy, state, this.#parts.monotonic()), database: state.database };
  }

  get kept(): AgentKept | undefined {
    return this.#kept;
  }

  take(event: AgentEvent): void {
    if (this.#over) return;
    this.#waiting.push(event);
    if (!this.#stepping && this.#state !== undefined) this.#drain();
  }

  #drain(): void {
    this.#stepping = true;
    try {
      for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
        if (this.#state === undefined || this.#over) return;
        this.#carryOut(stepAgent(this.#parts.policy, this.#state, event, this.#parts.monotonic()));
        if (event.kind !== "tick" && event.kind !== "progress") this.#tellOf(event);
      }
    } finally {
      this.#stepping = false;
    }
  }

  #because = "";

  #carryOut(step: AgentStep): void {
    const { keep, send, perform, fence, log } = this.#parts;
    this.#because = step.because;
    if (step.state.kept !== this.#kept) {
      try {
        keep(step.state.kept);
      } catch (error) {
        // What is not durable must not be acted on, and what was granted before may not be outlived unseen.
        log("error", "failover cannot keep what it promises: the database is ended", {
          because: reasonOf(error),
        });
        this.stop();
        fence();
        return;
      }
      this.#kept = step.state.kept;
    }
    this.#state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === "send") send(effect.to, effect.message);
      else perform(effect);
    }
  }

  /** Each turn once; leases are renewed, and what others say is passed on, several times a second. */
  #tellOf(event: AgentEvent): void {
    const what = event.kind === "message" ? event.message.kind : event.kind;
    if (what.startsWith("lease-") || what === "covered" || what === "relay") return;
    const said = `${what}: ${this.#because}`;
    if (said === this.#said) return;
    this.#said = said;
    this.#parts.log("info", "failover", { event: what, because: this.#because });
  }
}
