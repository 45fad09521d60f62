import type { CollectClock } from "./ports.js";
import type { FoundCertificate, FoundProcess, FoundService, InventorySnapshot } from "./reading.js";

/** Parts come from sources that look at their own pace; what comes within this is one snapshot. */
const GATHER_MS = 250;

/** What is known of the host besides numbers, put together from sources that look at their own pace. */
export class InventoryBoard {
  readonly #clock: CollectClock;
  readonly #emit: (snapshot: InventorySnapshot) => void;
  #certificates: readonly FoundCertificate[] = [];
  #services: readonly FoundService[] = [];
  #processes: readonly FoundProcess[] = [];
  #cancel: (() => void) | undefined;

  constructor(clock: CollectClock, emit: (snapshot: InventorySnapshot) => void) {
    this.#clock = clock;
    this.#emit = emit;
  }

  certificates(found: readonly FoundCertificate[]): void {
    this.#certificates = found;
    this.#soon();
  }

  services(found: readonly FoundService[]): void {
    this.#services = found;
    this.#soon();
  }

  processes(found: readonly FoundProcess[]): void {
    this.#processes = found;
    this.#soon();
  }

  /** Ends: what was not said yet is not said. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #soon(): void {
    this.#cancel ??= this.#clock.after(GATHER_MS, () => {
      this.#cancel = undefined;
      this.#emit({
        takenAtMs: this.#clock.now(),
        certificates: this.#certificates,
        services: this.#services,
        processes: this.#processes,
      });
    });
  }
}
