/** How fast a backlog may flow: so many bytes a second, a second's worth at once. Pure but for what it remembers. */
export class Pace {
  readonly #bytesPerSecond: number;
  #left: number;
  #at: number | undefined;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#left = bytesPerSecond;
  }

  /** Whether anything is left at `now` (ms that only rise). A large frame may overdraw; the next waits longer. */
  mayGo(now: number): boolean {
    this.#refill(now);
    return this.#left > 0;
  }

  /** Takes bytes. */
  spend(bytes: number, now: number): void {
    this.#refill(now);
    this.#left -= bytes;
  }

  #refill(now: number): void {
    const passed = this.#at === undefined ? 0 : Math.max(0, now - this.#at);
    this.#at = now;
    this.#left = Math.min(this.#bytesPerSecond, this.#left + (passed * this.#bytesPerSecond) / 1000);
  }
}
