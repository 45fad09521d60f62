import { spawn } from "node:child_process";
import { once } from "node:events";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as sleep } from "node:timers/promises";
import { LogFile } from "./log-file.mjs";
import { oneLine, parseLogLine, summarise } from "./log-line.mjs";
import { CannotStart } from "./preflight.mjs";

/**
 * What to run.
 * @typedef {{
 *   name: string,
 *   args: readonly string[],
 *   env: Record<string, string | undefined>,
 *   logFile: string,
 *   readySentence: string | undefined,
 * }} Plan
 *   name: for people, such as "control plane". args: for Node. env: all of it.
 *   readySentence: the log line that says that it is up; undefined when it need not be waited for.
 * @typedef {Record<string, unknown>} Facts
 */

/** A line without an end is cut there: what a program writes is never kept without bound. */
const lineMax = 256 * 1024;
/** The same sentence is shown once in this time; all of them are in the log file. */
const repeatAfterMs = 60_000;
const sentencesMax = 200;
const lastWordMs = 300;

/** One of the programs that `npm start` runs, in a process group of its own so that Ctrl-C leaves the order to us. */
export class Program {
  /**
   * @param {Plan} plan
   * @param {(line: string) => void} show takes a warning or an error of the program, as one line
   */
  constructor(plan, show) {
    this.plan = plan;
    this.show = show;
    this.log = new LogFile(plan.logFile);
    this.child = spawn(process.execPath, [...plan.args], {
      env: plan.env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    /** @type {Promise<string>} resolves when it ended, with how */
    this.ended = new Promise((resolve) => {
      this.child.once("error", (error) => resolve(`could not be started: ${error.message}`));
      // Not "close": something that the program started may hold its output open for longer than it lives.
      this.child.once("exit", (code, signal) => {
        setImmediate(() =>
          resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
        );
      });
    });
    /** @type {(facts: Facts) => void} */
    this.#isReady = () => {};
    /** @type {Promise<Facts>} */
    this.becameReady = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    this.#readLines(this.child.stdout);
    this.#readLines(this.child.stderr);
  }

  /** @type {(facts: Facts) => void} */
  #isReady;
  /** @type {string | undefined} */
  #lastError;
  #lastText = "";
  /** @type {Map<string, number>} sentence to when it was shown */
  #shown = new Map();

  get pid() {
    return this.child.pid;
  }

  /** Why it ended as far as it said so itself, and where to read more. */
  get lastWords() {
    const words = this.#lastError ?? this.#lastText;
    return `${words === "" ? "it said nothing" : words}; its log is ${this.plan.logFile}`;
  }

  /** @param {import("node:stream").Readable} stream */
  #readLines(stream) {
    const decoder = new StringDecoder("utf8");
    let rest = "";
    stream.on("data", (/** @type {Buffer} */ data) => {
      this.log.write(data);
      const lines = (rest + decoder.write(data)).split("\n");
      rest = (lines.pop() ?? "").slice(-lineMax);
      for (const line of lines) this.#take(line);
    });
    stream.on("end", () => this.#take(rest));
    // A pipe that breaks ends with the program, which is noticed by itself.
    stream.on("error", () => {});
  }

  /** @param {string} text */
  #take(text) {
    const line = parseLogLine(text);
    if (line === undefined) {
      // An uncaught error ends with a stack and Node's version: the reason stands above them.
      if (/^(?:\w*Error|Uncaught)\b/.test(text)) this.#lastError = oneLine(text);
      if (text.trim() !== "") this.#lastText = oneLine(text);
      return;
    }
    if (line.sentence === this.plan.readySentence) this.#isReady(line.facts);
    if (line.level !== "warn" && line.level !== "error") return;
    if (line.level === "error") this.#lastError = summarise(line);
    const now = performance.now();
    const shownAt = this.#shown.get(line.sentence);
    if (shownAt !== undefined && now - shownAt < repeatAfterMs) return;
    if (this.#shown.size >= sentencesMax) this.#shown.clear();
    this.#shown.set(line.sentence, now);
    const shown = `${this.plan.name}: ${line.level === "warn" ? "warning: " : ""}${summarise(line)}`;
    // An error may be a last word, and then it is told as the reason of the end: once is enough.
    setTimeout(() => this.#running && this.show(shown), lastWordMs).unref();
  }

  get #running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /**
   * Waits until it says that it is ready. Throws CannotStart when it ends before that, or takes too long.
   * @param {number} timeoutMs
   * @param {AbortSignal} stopping the person does not want to wait any more
   * @returns {Promise<Facts>}
   */
  async whenReady(timeoutMs, stopping) {
    const done = new AbortController();
    const signal = AbortSignal.any([stopping, done.signal]);
    try {
      return await Promise.race([
        this.becameReady,
        this.ended.then((how) => {
          throw new CannotStart(`the ${this.plan.name} ${how} before it was ready: ${this.lastWords}`);
        }),
        sleep(timeoutMs, undefined, { signal }).then(() => {
          const seconds = Math.round(timeoutMs / 1000);
          throw new CannotStart(`the ${this.plan.name} was not ready within ${seconds} s: ${this.lastWords}`);
        }),
      ]);
    } finally {
      done.abort();
    }
  }

  /**
   * Asks it to end, waits, and ends it with all it started when it does not.
   * @param {number} patienceMs
   * @returns {Promise<void>}
   */
  async stop(patienceMs) {
    const { child } = this;
    if (child.pid !== undefined && this.#running) {
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      const done = new AbortController();
      const late = sleep(patienceMs, "late", { signal: done.signal }).catch(() => "stopped");
      if ((await Promise.race([exit, late])) === "late") {
        this.show(`${this.plan.name}: did not stop within ${Math.round(patienceMs / 1000)} s and was ended`);
        killGroup(child.pid);
        await exit;
      }
      done.abort();
    }
    this.log.close();
  }

  /** Ends it and all it started at once. */
  kill() {
    if (this.child.pid !== undefined && this.#running) killGroup(this.child.pid);
  }
}

/** @param {number} leader */
function killGroup(leader) {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // It ended by itself in between.
  }
}
