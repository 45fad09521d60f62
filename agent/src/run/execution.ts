/** One command from its start to its end: runs the action, sends its output, and says how it ended. */
import { type Log, reasonOf } from "../log.js";
import type { System } from "../system.js";
import type { ActionContext, Done } from "./action.js";
import { type Actions, adopting, observe, preview, run } from "./actions.js";
import type { Json } from "./canonical.js";
import { canonicalJson } from "./canonical.js";
import type { ActionArguments, EventBody, Outcome, VerifiedOrder } from "./command.js";
import { driftSince, restsOnState } from "./drift.js";
import type { Journal } from "./journal.js";
import { BoundedOutput } from "./output.js";
import type { Plan, Plans } from "./plans.js";
import type { LocalPolicy } from "./policy.js";
import { type RunProgram, runProgram, startDetached } from "./process.js";
import { redactText } from "./redact.js";
import { inOwnScope, type TransientUnits } from "./transient-unit.js";

/** What an execution needs. */
export interface ExecutionParts {
  readonly system: System;
  readonly log: Log;
  readonly journal: Journal;
  readonly plans: Plans;
  readonly policy: LocalPolicy;
  readonly actions: Actions;
  /** The control plane's time, in ms since the epoch. */
  readonly serverNow: () => number;
  /** Undefined where systemd does not run the host. */
  readonly units: TransientUnits | undefined;
}

type Ending = Extract<EventBody, { kind: "finished" }>;

const outputEveryMs = 100;
/** A journal that took longer than this to note the beginning makes the look before it an old one. */
const lookAgainMs = 1_000;
/** How long the look before a run may take. */
const lookMs = 60_000;
/** How long an action may take to notice that it is to stop, before its end is told without it. */
const stopGraceMs = 15_000;

/** A command on its way. `stop` may be called at any time, also before `start`. */
export class Execution {
  readonly #parts: ExecutionParts;
  readonly #stop = new AbortController();
  #programs: RunProgram | undefined;
  #stopped: { readonly outcome: Outcome; readonly because: string } | undefined;

  constructor(
    parts: ExecutionParts,
    readonly order: VerifiedOrder,
    readonly args: ActionArguments,
  ) {
    this.#parts = parts;
  }

  /** Asks it to stop; the first reason counts. */
  stop(outcome: Outcome, because: string): void {
    this.#stopped ??= { outcome, because };
    this.#stop.abort();
  }

  /** Whether what it runs lives on without the agent, and is found again by the next life. */
  get outlivesAgent(): boolean {
    const { units, actions } = this.#parts;
    return units !== undefined && this.order.mode === "run" && adopting(actions, this.args) !== undefined;
  }

  /**
   * Runs it and resolves when its end is in the journal.
   * @param adopted the unit that an earlier life started, to be followed instead of beginning anew
   */
  async start(adopted?: string): Promise<void> {
    const { journal, system, log } = this.#parts;
    const { commandId, mode, action, timeoutMs, outputBytesMax } = this.order;
    const drift = mode === "run" && adopted === undefined ? await this.#drift() : [];
    if (drift.length > 0) {
      const detail = drift.join("; ").slice(0, 2000);
      log("warn", "a plan was not carried out: the world has changed since", { commandId, action, detail });
      return journal.append(commandId, mode, { kind: "refused", because: "drifted", detail });
    }
    const begun =
      adopted === undefined ? journal.append(commandId, mode, { kind: "started" }) : Promise.resolve();
    // What is to be done once must be known to have begun. A preview touches nothing, and may be made again.
    const looked = system.clock.monotonic();
    if (mode === "run") await begun;
    const late = mode === "run" && adopted === undefined ? await this.#tooLate(looked) : undefined;
    if (late !== undefined) return journal.append(commandId, mode, finished("failed", 1, late));
    const output = new BoundedOutput(outputBytesMax, ({ stream, offset, data, skippedBytes }) => {
      const body: EventBody = { kind: "output", stream, offset, data: data.toString("base64"), skippedBytes };
      journal
        .append(commandId, mode, body)
        .catch((error: unknown) =>
          log("error", "output was not journalled", { commandId, because: reasonOf(error) }),
        );
    });
    const flushing = system.timers.every(outputEveryMs, () => output.flush());
    const clock = system.timers.after(timeoutMs, () =>
      this.stop("timed-out", `it took longer than ${timeoutMs} ms`),
    );
    const started = system.clock.monotonic();
    let ending: Ending;
    try {
      ending = await Promise.race([this.#act(output, started + timeoutMs, adopted), this.#stopsToo()]);
    } catch (error) {
      ending = finished("failed", 1, `${action} failed: ${reasonOf(error)}`);
    } finally {
      clock();
      flushing();
    }
    output.end();
    await journal.append(commandId, mode, this.#asStopped(ending));
    const tookMs = Math.round(system.clock.monotonic() - started);
    log("info", "a command ended", {
      commandId,
      mode,
      action,
      outcome: this.#stopped?.outcome ?? ending.outcome,
      tookMs,
    });
  }

  async #act(output: BoundedOutput, deadline: number, adopted?: string): Promise<Ending> {
    const { actions, plans } = this.#parts;
    let said = false;
    const context = this.#context(deadline, (text, stream = "stdout") => {
      output.write(stream, `${text}\n`);
      // The first word goes at once, for somebody waits for it; the others are gathered.
      if (!said) output.flush();
      said = true;
    });
    if (this.#stop.signal.aborted) return finished("cancelled", 1, "it was stopped before it began");
    if (this.order.mode === "preview") {
      const previewed = await preview(actions, this.args, context);
      if (previewed.kind === "impossible") return finished("failed", 1, previewed.because);
      if (this.#stop.signal.aborted)
        return finished("cancelled", 1, "the preview was stopped, there is no plan");
      return { ...finished("succeeded", 0, previewed.summary), planHash: plans.save(previewed.plan) };
    }
    const plan = plans.find(this.order.planHash);
    if (plan === undefined)
      return finished("failed", 1, `the plan ${this.order.planHash} is not here any more`);
    const done =
      adopted === undefined
        ? await run(actions, this.args, plan, context)
        : await this.#adopt(adopted, plan, context);
    return {
      ...finished(done.succeeded ? "succeeded" : "failed", done.exitCode, done.summary),
      resultJson: canonicalJson(redactLeaves(done.result)),
      planHash: this.order.planHash,
    };
  }

  #context(deadline: number, say: ActionContext["say"]): ActionContext {
    const { policy, system, units } = this.#parts;
    return {
      policy,
      system,
      signal: this.#stop.signal,
      deadline,
      say,
      runProgram: units !== undefined && this.outlivesAgent ? this.#inUnits(units) : runProgram,
      startDetached: (argv) => startDetached(units === undefined ? argv : inOwnScope(argv)),
    };
  }

  #inUnits(units: TransientUnits): RunProgram {
    this.#programs ??= units.programsOf(this.order.commandId);
    return this.#programs;
  }

  async #adopt(unit: string, plan: Plan, context: ActionContext): Promise<Done> {
    const { units, actions, system } = this.#parts;
    const adopt = adopting(actions, this.args);
    if (units === undefined || adopt === undefined) throw new Error(`${unit} cannot be adopted`);
    context.say(`the agent was restarted; ${unit} is followed, its output from the beginning`);
    const timeoutMs = Math.max(1_000, context.deadline - system.clock.monotonic());
    const end = await units.follow(unit, {
      timeoutMs,
      signal: context.signal,
      output: (stream, text) => context.say(text.trimEnd(), stream),
    });
    // The rest of its programs take the turns after those that the earlier life took.
    return adopt(plan, { ...context, runProgram }, end);
  }

  /** Why it is not to be done any more, once its beginning is in the journal: a disk that was full may have taken hours. */
  async #tooLate(looked: number): Promise<string | undefined> {
    const { system, serverNow } = this.#parts;
    if (serverNow() >= this.order.expiresAt)
      return "it waited for the disk until it expired; nothing was done";
    if (system.clock.monotonic() - looked < lookAgainMs) return undefined;
    const drift = await this.#drift();
    return drift.length === 0
      ? undefined
      : `it waited for the disk, and the world has changed meanwhile; nothing was done: ${drift.join("; ")}`;
  }

  /** What has changed of what the plan rests on. Looks only; a look that fails is a change: nothing is done blindly. */
  async #drift(): Promise<readonly string[]> {
    const { actions, plans, system } = this.#parts;
    const plan = plans.find(this.order.planHash);
    if (plan === undefined || !restsOnState(plan) || this.#stop.signal.aborted) return [];
    const deadline = system.clock.monotonic() + Math.min(lookMs, this.order.timeoutMs);
    try {
      const now = await observe(
        actions,
        this.args,
        this.#context(deadline, () => undefined),
      );
      return this.#stop.signal.aborted ? [] : driftSince(plan, now);
    } catch (error) {
      return [`it cannot be looked at: ${reasonOf(error)}`];
    }
  }

  /** Resolves a while after the stop, for an action that does not notice. */
  async #stopsToo(): Promise<Ending> {
    await new Promise<void>((resolve) => {
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await this.#parts.system.timers.sleep(stopGraceMs);
    return finished(
      "failed",
      1,
      "the action did not notice that it was to stop; what it still does is not known",
    );
  }

  /** A stopped command ended as what stopped it, unless it was done all the same. */
  #asStopped(ending: Ending): Ending {
    if (this.#stopped === undefined || ending.outcome === "succeeded") return ending;
    const { outcome, because } = this.#stopped;
    return { ...ending, outcome, summary: `${because}: ${ending.summary}`.slice(0, 2000) };
  }
}

function finished(outcome: Outcome, exitCode: number, summary: string): Ending {
  return {
    kind: "finished",
    outcome,
    exitCode,
    summary: redactText(summary).slice(0, 2000),
    resultJson: "",
    planHash: "",
  };
}

function redactLeaves(value: Json): Json {
  if (typeof value === "string") return redactText(value);
  if (Array.isArray(value)) return value.map(redactLeaves);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, redactLeaves(member)]));
  }
  return value;
}
