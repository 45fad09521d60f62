/** A sorted list of series ids: all series that carry one label pair. */
export class Posting {
  #ids: Int32Array = new Int32Array(2);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The ids, ascending; a view that is valid until the next change. */
  get ids(): Int32Array {
    return this.#ids.subarray(0, this.#length);
  }

  /** Adds an id that is not in the list. New ids are the highest most of the time, and then this is an append. */
  add(id: number): void {
    if (this.#length === this.#ids.length) {
      const grown = new Int32Array(Math.ceil(this.#length * 1.5) + 1);
      grown.set(this.#ids);
      this.#ids = grown;
    }
    let at = this.#length;
    if (at > 0 && id < (this.#ids[at - 1] as number)) {
      at = lowerBound(this.#ids, this.#length, id);
      this.#ids.copyWithin(at + 1, at, this.#length);
    }
    this.#ids[at] = id;
    this.#length++;
  }

  /** Removes all ids for which `gone` holds. */
  removeWhere(gone: (id: number) => boolean): void {
    let kept = 0;
    for (let index = 0; index < this.#length; index++) {
      const id = this.#ids[index] as number;
      if (!gone(id)) this.#ids[kept++] = id;
    }
    this.#length = kept;
    if (kept < this.#ids.length / 4) this.#ids = this.#ids.slice(0, Math.max(2, kept));
  }
}

/** The first index whose id is not below `id`. */
export function lowerBound(ids: Int32Array, length: number, id: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] as number) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The ids in both lists. Walks the shorter one and searches the other when they differ much. */
export function intersect(a: Int32Array, b: Int32Array): Int32Array {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  const both = new Int32Array(short.length);
  let count = 0;
  if (short.length * 16 < long.length) {
    for (const id of short) {
      const at = lowerBound(long, long.length, id);
      if (at < long.length && long[at] === id) both[count++] = id;
    }
    return both.subarray(0, count);
  }
  let i = 0;
  let j = 0;
  while (i < short.length && j < long.length) {
    const left = short[i] as number;
    const right = long[j] as number;
    if (left === right) {
      both[count++] = left;
      i++;
      j++;
    } else if (left < right) i++;
    else j++;
  }
  return both.subarray(0, count);
}

/** The ids in any of the lists, each once. */
export function union(lists: readonly Int32Array[]): Int32Array {
  if (lists.length === 1) return lists[0] as Int32Array;
  let total = 0;
  for (const list of lists) total += list.length;
  const all = new Int32Array(total);
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  all.sort();
  let count = 0;
  for (let index = 0; index < total; index++) {
    if (count === 0 || all[index] !== all[count - 1]) all[count++] = all[index] as number;
  }
  return all.subarray(0, count);
}
