/**
 * systemd as far as transient units need it, simulated: `systemd-run` starts real processes that write to real files, and
 * `systemctl` tells of them and stops them. Units live as long as this object, whatever becomes of those who started them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { ProgramEnd, RunProgram } from "../run/process.js";

interface Unit {
  readonly child: ChildProcess;
  readonly argv: readonly string[];
  readonly properties: ReadonlyMap<string, string>;
  state: string;
}

const done: ProgramEnd = { kind: "exited", exitCode: 0 };

export class SimulatedSystemd {
  readonly units = new Map<string, Unit>();
  /** What was started, in order. */
  readonly started: (readonly string[])[] = [];

  readonly run: RunProgram = async ({ argv, output }) => {
    const [program, verb] = argv;
    const name = argv.at(-1) ?? "";
    if (program === "systemd-run") return this.#start(argv);
    if (verb === "list-units") {
      const stem = name.replace("*.service", "");
      const names = [...this.units.keys()].filter((unit) => unit.startsWith(stem));
      output("stdout", names.map((unit) => `${unit} loaded active running simulated\n`).join(""));
    } else if (verb === "show") {
      const unit = this.units.get(name);
      output("stdout", unit === undefined ? "LoadState=not-found\n" : `LoadState=loaded\n${unit.state}\n`);
    } else if (verb === "stop") await this.#stop(name);
    else if (verb === "reset-failed") this.units.delete(name);
    return done;
  };

  /** Ends what tests left running. */
  async end(): Promise<void> {
    for (const name of [...this.units.keys()]) await this.#stop(name);
  }

  #start(argv: readonly string[]): ProgramEnd {
    const options = argv.slice(0, argv.indexOf("--"));
    const command = argv.slice(argv.indexOf("--") + 1).map((word) => word.replaceAll("$$", "$"));
    const optionOf = (prefix: string): string =>
      options.find((option) => option.startsWith(prefix))?.slice(prefix.length) ?? "";
    const properties = new Map(
      options.flatMap((option): [string, string][] => {
        const [, key, value] = /^--property=(\w+)=(.*)$/.exec(option) ?? [];
        return key === undefined ? [] : [[key, value ?? ""]];
      }),
    );
    const files = ["Output", "Error"].map((which) =>
      openSync((properties.get(`Standard${which}`) ?? "").replace(/^file:/, ""), "a", 0o600),
    );
    const [program = "", ...rest] = command;
    this.started.push(command);
    const child = spawn(program, rest, {
      detached: true,
      stdio: ["ignore", files[0] ?? "ignore", files[1] ?? "ignore"],
    });
    for (const file of files) closeSync(file);
    const unit: Unit = { child, argv: command, properties, state: "ActiveState=active\nSubState=running" };
    this.units.set(optionOf("--unit="), unit);
    child.once("error", () => {
      unit.state = "ActiveState=failed\nSubState=failed\nExecMainCode=1\nExecMainStatus=203";
    });
    child.once("exit", (code, signal) => {
      unit.state =
        signal !== null
          ? "ActiveState=failed\nSubState=failed\nResult=signal\nExecMainCode=2\nExecMainStatus=9"
          : `ActiveState=${code === 0 ? "active" : "failed"}\nSubState=${code === 0 ? "exited" : "failed"}\nExecMainCode=1\nExecMainStatus=${code}`;
    });
    return done;
  }

  async #stop(name: string): Promise<void> {
    const { child, state } = this.units.get(name) ?? {};
    if (child === undefined) return;
    if (state?.includes("SubState=running") === true) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      try {
        process.kill(-(child.pid ?? 0), "SIGKILL");
      } catch {
        // It ended by itself.
      }
      await ended;
    } else if (state?.includes("ActiveState=active") === true) this.units.delete(name);
  }
}
