/** Whether this process takes work: from the moment its doors are open until it begins to stop. */
export class Serving {
  #serving = false;
  readonly #heard = new Set<() => void>();

  isServing(): boolean {
    return this.#serving;
  }

  set(serving: boolean): void {
    this.#serving = serving;
    for (const wake of [...this.#heard]) wake();
  }

  /** What it is now, and each change, until the signal aborts. */
  async *changes(signal: AbortSignal): AsyncGenerator<boolean> {
    let last: boolean | undefined;
    while (!signal.aborted) {
      if (last !== this.#serving) {
        last = this.#serving;
        yield last;
        continue;
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#heard.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#heard.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
  }
}
