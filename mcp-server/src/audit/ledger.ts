/**
 * The account of calls in the control plane's journal. A call that asks for a change is written before it is made, and
 * not made when it cannot be written. Answers are gathered and written together; while the control plane is away they
 * wait, and what there is no room for is counted.
 */
import type { ControlPlane } from "../control-plane/client.js";
import { messageOf, OpsError } from "../errors.js";
import type { Logger } from "../logger.js";
import type { System } from "../system.js";
import { formatTraceparent, spanBelow } from "../trace.js";
import type { CallRecord, EndedCall } from "./call-record.js";

export interface LedgerParts {
  readonly controlPlane: Pick<ControlPlane, "speakAs">;
  readonly system: System;
  readonly logger: Logger;
}

/** Answers are gathered this long, or until there are so many of one caller. */
const GATHER_MS = 250;
const BATCH_MAX = 200;
/** Answers that wait, of all callers. */
const WAITING_MAX = 5_000;
const RETRY_MS = { first: 500, last: 10_000 };
const STOP_WITHIN_MS = 2_000;

/** Errors after which the same answers will not be taken either. */
const FINAL: ReadonlySet<string> = new Set([
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
  "INVALID_ARGUMENT",
  "UNIMPLEMENTED",
]);

export class CallLedger {
  readonly #parts: LedgerParts;
  /** By the credential that they are written with. */
  readonly #waiting = new Map<string, EndedCall[]>();
  #count = 0;
  #lost = 0;
  #running: Promise<void> | undefined;
  readonly #end = new AbortController();
  /** Ends the gathering: there are enough. */
  #enough: (() => void) | undefined;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
  }

  /** Answers that could not be written since the start. */
  get lost(): number {
    return this.#lost;
  }

  get waiting(): number {
    return this.#count;
  }

  /** Writes that a change is about to be asked for. Throws UNAVAILABLE when it cannot be written. */
  async begin(credential: string, call: CallRecord): Promise<void> {
    try {
      await this.#write(credential, [{ ...call, phase: "begun" }]);
    } catch (error) {
      throw new OpsError(
        "UNAVAILABLE",
        `the call cannot be written in the journal, so nothing was asked for: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  /** Notes an answer; it is written soon. */
  end(credential: string, call: EndedCall): void {
    if (this.#count >= WAITING_MAX) {
      this.#lose(1, "too many answers wait for the journal");
      return;
    }
    const waiting = this.#waiting.get(credential);
    if (waiting === undefined) this.#waiting.set(credential, [call]);
    else if (waiting.push(call) >= BATCH_MAX) this.#enough?.();
    this.#count += 1;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Writes what waits, within two seconds. */
  async stop(): Promise<void> {
    this.#end.abort();
    const { clock } = this.#parts.system;
    const late = new AbortController();
    await Promise.race([this.#running, clock.sleep(STOP_WITHIN_MS, late.signal)]);
    late.abort();
    if (this.#count > 0) this.#lose(this.#count, "the server ends");
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts.system;
    let pause = RETRY_MS.first;
    while (this.#count > 0) {
      const enough = new AbortController();
      this.#enough = () => enough.abort();
      await clock.sleep(GATHER_MS, AbortSignal.any([enough.signal, this.#end.signal]));
      this.#enough = undefined;
      const failed = await this.#flush();
      if (!failed) {
        pause = RETRY_MS.first;
        continue;
      }
      if (this.#end.signal.aborted) return;
      await clock.sleep(pause, this.#end.signal);
      pause = Math.min(pause * 2, RETRY_MS.last);
    }
  }

  /** Answers whether something has to be tried again. */
  async #flush(): Promise<boolean> {
    let failed = false;
    for (const [credential, calls] of [...this.#waiting]) {
      while (calls.length > 0) {
        const batch = calls.slice(0, BATCH_MAX);
        try {
          await this.#write(
            credential,
            batch.map((call) => ({ ...call, phase: "ended" as const })),
          );
        } catch (error) {
          if (!(error instanceof OpsError) || !FINAL.has(error.code)) {
            failed = true;
            break;
          }
          this.#lose(batch.length, error.message);
        }
        calls.splice(0, batch.length);
        this.#count -= batch.length;
      }
      if (calls.length === 0) this.#waiting.delete(credential);
    }
    return failed;
  }

  #write(
    credential: string,
    calls: readonly (CallRecord & Partial<EndedCall> & { readonly phase: "begun" | "ended" })[],
  ): Promise<void> {
    const { controlPlane, system } = this.#parts;
    const traceparent = formatTraceparent(spanBelow(system.hex));
    return controlPlane.speakAs({ token: credential, traceparent }).mcp.journalCalls(calls);
  }

  #lose(count: number, because: string): void {
    this.#lost += count;
    this.#parts.logger.error("calls are missing in the journal", {
      calls: count,
      inAll: this.#lost,
      because,
    });
  }
}
