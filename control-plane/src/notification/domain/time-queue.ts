/** What is to come, in order of time; of the same time in the order in which it was added. A binary heap. */
import type { Instant } from "../../kernel/time.js";

interface Entry<T> {
  readonly at: Instant;
  readonly order: number;
  readonly item: T;
}

export class TimeQueue<T> {
  readonly #heap: Entry<T>[] = [];
  #count = 0;

  push(at: Instant, item: T): void {
    const entry = { at, order: this.#count++, item };
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as Entry<T>;
      if (!isBefore(entry, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = entry;
  }

  /** Undefined: nothing is to come. */
  pop(): { readonly at: Instant; readonly item: T } | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const below =
        right < heap.length && isBefore(heap[right] as Entry<T>, heap[left] as Entry<T>) ? right : left;
      if (!isBefore(heap[below] as Entry<T>, last)) break;
      heap[index] = heap[below] as Entry<T>;
      index = below;
    }
    heap[index] = last;
    return first;
  }
}

const isBefore = <T>(a: Entry<T>, b: Entry<T>): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);
