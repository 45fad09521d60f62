/** What happens when, in the virtual time of the simulator: a binary heap, earliest first, first in first out. */
interface Entry {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

export class Agenda {
  #heap: Entry[] = [];
  #order = 0;
  now = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** `delay` in virtual ms, 0 or more. */
  after(delay: number, act: () => void): void {
    this.#order += 1;
    const entry: Entry = { at: this.now + delay, order: this.#order, act };
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const other = heap[above];
      if (other === undefined || !isBefore(entry, other)) break;
      heap[index] = other;
      index = above;
    }
    heap[index] = entry;
  }

  /** Does the next thing; false when there is none before `until`. */
  step(until: number): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > until) return false;
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) sink(heap, last);
    this.now = first.at;
    first.act();
    return true;
  }
}

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

function sink(heap: Entry[], entry: Entry): void {
  let index = 0;
  for (;;) {
    let below = index * 2 + 1;
    let child = heap[below];
    if (child === undefined) break;
    const right = heap[below + 1];
    if (right !== undefined && isBefore(right, child)) {
      below += 1;
      child = right;
    }
    if (!isBefore(child, entry)) break;
    heap[index] = child;
    index = below;
  }
  heap[index] = entry;
}
