/**
 * Programs in transient systemd units of their own: they outlive the agent, and its next life finds them by the command's
 * id and follows them to their end. Where systemd is not pid 1 there are none, and what runs dies with the agent.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import type { System } from "../system.js";
import { describeEnd } from "./actions/program-end.js";
import { type ProgramCall, type ProgramEnd, programEnvironment, type RunProgram } from "./process.js";

/** How a unit stands. */
export type UnitState =
  | { readonly kind: "running" }
  | { readonly kind: "ended"; readonly end: ProgramEnd }
  | { readonly kind: "absent" };

const askMs = 10_000;
const pollMs = 200;
/** A program may print more than is ever sent; what is read at once is bounded. */
const readBytes = 65_536;
const stopSeconds = 5;

/** Whether this host is run by systemd. */
export function runsSystemd(): boolean {
  return existsSync("/run/systemd/system");
}

/** So that a restart of the agent's own service does not take along what it started: a scope is another control group. */
export function inOwnScope(argv: readonly string[]): readonly string[] {
  return ["systemd-run", "--scope", "--quiet", "--collect", "--", ...argv];
}

export class TransientUnits {
  readonly #run: RunProgram;
  readonly #directory: string;
  readonly #system: System;

  /** @param directory where output is written; made for this user only */
  constructor(run: RunProgram, directory: string, system: System) {
    this.#run = run;
    this.#directory = directory;
    this.#system = system;
  }

  /** Runs programs of one command, each in a unit named after it and its turn. */
  programsOf(commandId: string): RunProgram {
    let turn = 0;
    return async (call) => {
      const unit = nameOf(commandId, ++turn);
      const started = await this.#start(unit, call);
      return started ?? this.follow(unit, call);
    };
  }

  /** The unit that an earlier life started for this command; the latest, when there are several. */
  async find(commandId: string): Promise<string | undefined> {
    const { text } = await this.#ask([
      ...["systemctl", "list-units", "--all", "--plain", "--no-legend", "--"],
      `mainstay-act-${commandId}-*.service`,
    ]);
    const units = text.split("\n").flatMap((line) => line.trim().split(/\s+/)[0] || []);
    const turnOf = (unit: string): number => Number(/-(\d+)\.service$/.exec(unit)?.[1] ?? 0);
    return units
      .filter((unit) => unit === nameOf(commandId, turnOf(unit)))
      .sort((a, b) => turnOf(b) - turnOf(a))[0];
  }

  /** Takes output as it comes, from its beginning, until the unit has ended; then nothing is left of it. */
  async follow(unit: string, { output, timeoutMs, signal }: Omit<ProgramCall, "argv">): Promise<ProgramEnd> {
    const { clock, timers } = this.#system;
    const until = clock.monotonic() + timeoutMs;
    const readers = (["stdout", "stderr"] as const).map((stream) => this.#reader(unit, stream, output));
    const readOn = async (): Promise<void> => {
      for (const read of readers) await read();
    };
    let stopped: "timeout" | "cancelled" | undefined;
    for (;;) {
      const state = await this.#look(unit);
      await readOn();
      if (state.kind !== "running") {
        await this.#forget(unit);
        if (stopped !== undefined) return { kind: "stopped", because: stopped };
        return state.kind === "ended"
          ? state.end
          : { kind: "not-started", because: `systemd does not know ${unit} any more` };
      }
      const late =
        clock.monotonic() >= until ? "timeout" : signal?.aborted === true ? "cancelled" : undefined;
      if (late !== undefined && stopped === undefined) {
        stopped = late;
        await this.#ask(["systemctl", "stop", "--no-ask-password", "--", unit]);
      } else await timers.sleep(pollMs, stopped === undefined ? signal : undefined);
    }
  }

  /** Undefined when it was started. */
  async #start(unit: string, { argv, timeoutMs }: ProgramCall): Promise<ProgramEnd | undefined> {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const properties = [
      "Type=exec",
      "KillMode=control-group",
      // Its exit code stays to be asked for.
      "RemainAfterExit=yes",
      `RuntimeMaxSec=${Math.ceil(timeoutMs / 1000)}`,
      `TimeoutStopSec=${stopSeconds}`,
      "WorkingDirectory=/",
      "UMask=0077",
      `StandardOutput=file:${this.#file(unit, "stdout")}`,
      `StandardError=file:${this.#file(unit, "stderr")}`,
    ];
    const { end, text } = await this.#ask([
      ...["systemd-run", "--quiet", "--no-ask-password", `--unit=${unit}`],
      ...properties.map((property) => `--property=${property}`),
      ...Object.entries(programEnvironment).map(([name, value]) => `--setenv=${name}=${value}`),
      "--",
      // systemd would put variables in their place.
      ...argv.map((word) => word.replaceAll("$", "$$$$")),
    ]);
    if (end.kind === "exited" && end.exitCode === 0) return undefined;
    await this.#forget(unit);
    return { kind: "not-started", because: `systemd-run: ${describeEnd(end)}: ${text.trim().slice(0, 300)}` };
  }

  async #look(unit: string): Promise<UnitState> {
    const names = "LoadState,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus";
    const { end, text } = await this.#ask(["systemctl", "show", `--property=${names}`, "--", unit]);
    // systemd that cannot be asked for a moment says nothing about the unit.
    return end.kind === "exited" && end.exitCode === 0 ? readState(text) : { kind: "running" };
  }

  async #forget(unit: string): Promise<void> {
    await this.#ask(["systemctl", "stop", "--no-ask-password", "--", unit]);
    await this.#ask(["systemctl", "reset-failed", "--no-ask-password", "--", unit]);
    for (const stream of ["stdout", "stderr"] as const) rmSync(this.#file(unit, stream), { force: true });
  }

  async #ask(argv: readonly string[]): Promise<{ readonly end: ProgramEnd; readonly text: string }> {
    let text = "";
    const output = (_stream: string, piece: string): void => {
      if (text.length < readBytes) text += piece;
    };
    return { end: await this.#run({ argv, timeoutMs: askMs, output }), text };
  }

  #file(unit: string, stream: "stdout" | "stderr"): string {
    return join(this.#directory, `${unit}.${stream}`);
  }

  /** Reads on where it stopped. */
  #reader(unit: string, stream: "stdout" | "stderr", output: ProgramCall["output"]): () => Promise<void> {
    const decoder = new StringDecoder("utf8");
    const bytes = Buffer.alloc(readBytes);
    let position = 0;
    return async () => {
      const file = await open(this.#file(unit, stream), "r").catch(() => undefined);
      if (file === undefined) return;
      try {
        for (;;) {
          const { bytesRead } = await file.read(bytes, 0, readBytes, position);
          if (bytesRead === 0) return;
          position += bytesRead;
          output(stream, decoder.write(bytes.subarray(0, bytesRead)));
        }
      } finally {
        await file.close();
      }
    };
  }
}

function nameOf(commandId: string, turn: number): string {
  return `mainstay-act-${commandId}-${turn}.service`;
}

/** Reads what `systemctl show` says of a unit that remains after its program's exit. */
export function readState(text: string): UnitState {
  const found = new Map(
    text.split("\n").map((line): [string, string] => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1).trim()];
    }),
  );
  if (found.get("LoadState") !== "loaded") return { kind: "absent" };
  const [active, sub] = [found.get("ActiveState"), found.get("SubState")];
  const isOver = sub === "exited" || sub === "dead" || active === "failed" || active === "inactive";
  if (!isOver) return { kind: "running" };
  if (found.get("Result") === "timeout")
    return { kind: "ended", end: { kind: "stopped", because: "timeout" } };
  const status = Number(found.get("ExecMainStatus") ?? 1);
  // 1 is an exit, 2 and 3 are ends by a signal (CLD_EXITED, CLD_KILLED, CLD_DUMPED).
  return found.get("ExecMainCode") === "1"
    ? { kind: "ended", end: { kind: "exited", exitCode: status } }
    : { kind: "ended", end: { kind: "killed", signal: `signal ${status}` } };
}
