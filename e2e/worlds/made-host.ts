/** A host with the agent's real runner, journal and policy on it, under a clock that is turned by hand. */
import type { SignedOrder } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { Fields } from "../../agent/src/fields.js";
import type { Action } from "../../agent/src/run/action.js";
import { type Actions, allActions, plannedArguments } from "../../agent/src/run/actions.js";
import { canonicalJson, sha256Hex } from "../../agent/src/run/canonical.js";
import { Journal } from "../../agent/src/run/journal.js";
import type { Plan } from "../../agent/src/run/plans.js";
import { readPolicy } from "../../agent/src/run/policy.js";
import { Runner } from "../../agent/src/run/runner.js";
import type { System } from "../../agent/src/system.js";
import { FakeSystem } from "../../agent/src/testing/fake-system.js";
import { MadeDisk, MadeLines } from "./made-disk.js";

export const NODE = "n";
/** The one directory that the host's own policy lets be cleaned. */
export const ALLOWED = "/srv/spool";

/** A clock that is wrong by more than this is not put right by what the control plane says. */
const OFFSET_MAX = 15 * 60_000;

/** Something that was done to the host, once each time. */
export interface Effect {
  readonly path: string;
  readonly at: number;
  /** The world that the plan saw, and the one that it was done to. */
  readonly seen: number;
  readonly world: number;
  readonly knewTheTime: boolean;
}

export interface OrderKey {
  readonly keyId: string;
  readonly spki: string;
}

interface Life {
  readonly lines: MadeLines;
  readonly time: FakeSystem;
  readonly journal: Journal;
  readonly runner: Runner;
  isOver: boolean;
}

export class MadeHost {
  readonly disk = new MadeDisk();
  readonly effects: Effect[] = [];
  /** Actions that were begun and are at work. */
  atWork = 0;
  mostAtWork = 0;
  /** How often an action found another world although the agent had looked just before. */
  outrun = 0;
  /** How far the host's clock is from the truth, in ms. */
  skew = 0;
  /** Whether the host knows how late it is: its clock was right when it started, or a stream has told it since. */
  knowsTheTime = true;
  #clockOffset = 0;
  readonly #worlds = new Map<string, number>();
  readonly #plans = new Map<string, string>();
  readonly #key: OrderKey;
  readonly #now: () => number;
  #finishing: (() => void)[] = [];
  #life: Life | undefined;

  constructor(key: OrderKey, now: () => number) {
    this.#key = key;
    this.#now = now;
  }

  get journal(): Journal | undefined {
    return this.#life?.journal;
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#life?.runner.counts ?? {};
  }

  /** The host's own clock. */
  wall(): number {
    return this.#now() + this.skew;
  }

  async start(): Promise<void> {
    if (this.#life !== undefined) return;
    const lines = new MadeLines(this.disk);
    const time = new FakeSystem();
    const { timers, draws } = time;
    const system: System = {
      clock: { now: () => this.wall(), monotonic: () => time.clock.monotonic() },
      timers,
      draws,
    };
    const content = { values: this.disk.lines.map((line): unknown => JSON.parse(line)), damagedLines: 0 };
    const log = (): void => undefined;
    const journal = await Journal.on({ file: lines, content }, system, log, (hash) => this.#plans.get(hash));
    const ended = { isOver: false };
    const policy = readPolicy(
      new Fields({ cleanDirectory: { roots: [ALLOWED], minAgeSeconds: 60 } }, "actions", []),
    );
    const runner = new Runner({
      ...{ system, log, journal, policy, units: undefined },
      actions: this.#actions(ended),
      plans: { save: (plan) => this.#savePlan(plan), find: (hash) => this.#findPlan(hash) },
      orderKeys: () => [this.#key],
      nodeId: () => NODE,
      clockOffsetMs: () => this.#clockOffset,
    });
    this.#clockOffset = 0;
    this.knowsTheTime = this.skew === 0;
    this.#life = Object.assign(ended, { lines, time, journal, runner });
    void runner.recover();
  }

  /** Kill -9. `reached` of the writes that were on their way are on the disk. */
  kill(reached: number): void {
    if (this.#life === undefined) return;
    this.#life.isOver = true;
    this.#life.lines.die(reached);
    this.#life = undefined;
    this.#finishing = [];
    this.atWork = 0;
  }

  /** A stream begins, over which the control plane says how late it is. */
  connect(serverTime: number): void {
    this.#clockOffset = serverTime - this.wall();
    this.knowsTheTime = Math.abs(this.#clockOffset) <= OFFSET_MAX;
    this.#life?.journal.rewind();
  }

  /** Somebody sets the host's clock. */
  setClock(skew: number): void {
    // Before the first stream of a life there is nothing to hold on to.
    if (this.#clockOffset === 0 && skew !== 0) this.knowsTheTime = false;
    this.skew = skew;
  }

  order(signed: SignedOrder): void {
    this.#life?.runner.order(signed);
  }

  cancel(commandId: string, because: string): void {
    this.#life?.runner.cancel(commandId, because);
  }

  /** Time passes for what runs; the truth is the world's own. */
  turn(ms: number): void {
    this.#life?.time.turn(ms);
  }

  setDisk(state: MadeDisk["state"]): void {
    this.disk.state = state;
  }

  /** What the disk held is durable. */
  sync(): void {
    this.#life?.lines.sync();
  }

  /** What is at work comes to its end. */
  finish(): void {
    for (const finish of this.#finishing.splice(0)) finish();
  }

  change(path: string, world: number): void {
    this.#worlds.set(path, world);
  }

  worldOf(path: string): number {
    return this.#worlds.get(path) ?? 0;
  }

  #savePlan(plan: Plan): string {
    const text = canonicalJson(plan);
    const hash = sha256Hex(text);
    this.#plans.set(hash, text);
    return hash;
  }

  #findPlan(hash: string): Plan | undefined {
    const text = this.#plans.get(hash);
    return text === undefined ? undefined : (JSON.parse(text) as Plan);
  }

  #actions(life: { readonly isOver: boolean }): Actions {
    const cleaning: Action<"clean-directory"> = {
      name: "clean-directory",
      preview: async (args) => ({
        kind: "planned",
        summary: `would clean ${args.path}`,
        plan: {
          action: "clean-directory",
          arguments: plannedArguments(args),
          world: this.worldOf(args.path),
          inverse: "irreversible",
        },
      }),
      observed: (plan) => ({ world: plan["world"] }),
      run: async (args, plan, context) => {
        const [seen, world] = [Number(plan["world"]), this.worldOf(args.path)];
        if (life.isOver) return new Promise(() => undefined);
        if (seen !== world) {
          this.outrun++;
          return { succeeded: false, exitCode: 1, summary: "another world than planned", result: {} };
        }
        this.effects.push({ path: args.path, at: this.#now(), seen, world, knewTheTime: this.knowsTheTime });
        this.mostAtWork = Math.max(this.mostAtWork, ++this.atWork);
        context.say(`cleaning ${args.path}`);
        await new Promise<void>((resolve) => {
          this.#finishing.push(resolve);
          context.signal.addEventListener("abort", () => resolve(), { once: true });
        });
        if (life.isOver) return new Promise(() => undefined);
        this.atWork--;
        return { succeeded: !context.signal.aborted, exitCode: 0, summary: "cleaned", result: {} };
      },
      afterInterruption: async () => "somebody has to look",
    };
    return { ...allActions, "clean-directory": cleaning };
  }
}
