/** The control plane's switch for AI clients, asked at most once a second by whoever calls. */
import type { SwitchView } from "../control-plane/mcp.js";
import { OpsError } from "../errors.js";
import type { Clock } from "../system.js";

const LOOK_MS = 1_000;

const ON: SwitchView = { state: "on", because: "", setBy: "" };

export class SwitchWatch {
  readonly #clock: Clock;
  #last: SwitchView = ON;
  #at = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get current(): SwitchView {
    return this.#last;
  }

  /**
   * Throws PERMISSION_DENIED, saying who switched it off and why, when such calls are refused now. A control plane that
   * cannot be asked leaves the switch as it was; the call itself will find that it is away.
   */
  async check(effect: "read" | "write", ask: () => Promise<SwitchView>): Promise<void> {
    if (this.#clock.monotonic() - this.#at >= LOOK_MS) {
      this.#asking ??= this.#look(ask).finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
    }
    const { state, because, setBy } = this.#last;
    if (state === "on" || (state === "read-only" && effect === "read")) return;
    const what = state === "off" ? "calls" : "changes";
    throw new OpsError("PERMISSION_DENIED", `${what} by AI clients are switched off by ${setBy}: ${because}`);
  }

  async #look(ask: () => Promise<SwitchView>): Promise<void> {
    try {
      this.#last = await ask();
    } catch {
      return;
    } finally {
      this.#at = this.#clock.monotonic();
    }
  }
}
