/**
 * Work that ends in a transaction, done together: what comes while the last was stored goes in one. Alone it does not
 * wait for others. Nothing is bounded here; each who adds waits for the answer, and they are bounded.
 */

export interface GatherOptions<T, R> {
  /** At most so many in one go. */
  readonly together: number;
  /** At most so many goes at a time. */
  readonly atOnce: number;
  /** Done as one or not at all; an answer for each, in their order. */
  readonly work: (items: readonly T[]) => Promise<readonly R[]>;
}

interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (answer: R) => void;
  readonly reject: (error: unknown) => void;
}

export class Gather<T, R> {
  readonly #options: GatherOptions<T, R>;
  readonly #waiting: Waiting<T, R>[] = [];
  #working = 0;

  constructor(options: GatherOptions<T, R>) {
    this.#options = options;
  }

  /** Resolves when it is done. When several fail together each is tried again alone, so that one fault is one's own. */
  add(item: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#working < this.#options.atOnce) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#working++;
    // Those that are told in the same turn go together too.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#do(this.#waiting.splice(0, this.#options.together));
    this.#working--;
  }

  async #do(batch: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const answers = await this.#options.work(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as R);
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const one of batch) await this.#do([one]);
    }
  }
}
