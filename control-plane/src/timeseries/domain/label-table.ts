/**
 * Label pairs as small integers: every name and every value is held once, and a series is a list of pair ids. This is
 * what makes an active series cost bytes rather than objects.
 */
import { Posting } from "./posting.js";

interface LabelName {
  readonly name: string;
  /** Pair id by value. */
  readonly pairs: Map<string, number>;
}

export class LabelTable {
  readonly #names = new Map<string, LabelName>();
  readonly #nameOf: string[] = [];
  readonly #valueOf: string[] = [];
  readonly #postings: (Posting | undefined)[] = [];
  readonly #free: number[] = [];

  /** The pair's id; made when new. */
  intern(name: string, value: string): number {
    let known = this.#names.get(name);
    if (known === undefined) {
      known = { name, pairs: new Map() };
      this.#names.set(name, known);
    }
    const pair = known.pairs.get(value);
    if (pair !== undefined) return pair;
    const id = this.#free.pop() ?? this.#nameOf.length;
    this.#nameOf[id] = known.name;
    this.#valueOf[id] = value;
    this.#postings[id] = new Posting();
    known.pairs.set(value, id);
    return id;
  }

  nameOf(pair: number): string {
    return this.#nameOf[pair] as string;
  }

  valueOf(pair: number): string {
    return this.#valueOf[pair] as string;
  }

  /** The series that carry the pair. */
  posting(pair: number): Posting {
    return this.#postings[pair] as Posting;
  }

  /** The pair's id, if any series ever had it. */
  find(name: string, value: string): number | undefined {
    return this.#names.get(name)?.pairs.get(value);
  }

  /** All pairs of a name, by value. */
  pairsOf(name: string): ReadonlyMap<string, number> {
    return this.#names.get(name)?.pairs ?? NO_PAIRS;
  }

  /** All names in use. */
  names(): Iterable<string> {
    return this.#names.keys();
  }

  /** Lets a pair go that no series carries any more. */
  release(pair: number): void {
    const name = this.nameOf(pair);
    const known = this.#names.get(name);
    known?.pairs.delete(this.valueOf(pair));
    if (known?.pairs.size === 0) this.#names.delete(name);
    this.#nameOf[pair] = "";
    this.#valueOf[pair] = "";
    this.#postings[pair] = undefined;
    this.#free.push(pair);
  }
}

const NO_PAIRS: ReadonlyMap<string, number> = new Map();
