/**
 * Reads a parsed document field by field and notes every fault instead of stopping at the first. Written by hand: a
 * schema library would cost the agent several megabytes of memory for a check that runs once.
 */

/** One thing wrong: where, what stood there, what was expected. */
export interface Fault {
  readonly path: string;
  readonly value: unknown;
  readonly expected: string;
}

/** A fault as a sentence. Values under a name that smells of a secret are not shown. */
export function describeFault(fault: Fault): string {
  const secret = /token|password|secret|url/i.test(fault.path);
  const shown =
    fault.value === undefined
      ? "nothing"
      : secret
        ? "(not shown)"
        : (JSON.stringify(fault.value) ?? "?").slice(0, 120);
  return `${fault.path}: found ${shown}, expected ${fault.expected}`;
}

/** A mapping being read. Unknown keys are faults, once {@link Fields.done} is called. */
export class Fields {
  readonly #record: Readonly<Record<string, unknown>>;
  readonly #seen = new Set<string>();

  constructor(
    value: unknown,
    readonly path: string,
    readonly faults: Fault[],
  ) {
    this.#record = isRecord(value) ? value : {};
    if (value !== undefined && value !== null && !isRecord(value)) {
      this.fault("", value, "a mapping of names to values");
    }
  }

  /** The raw value, marked as known. */
  raw(key: string): unknown {
    this.#seen.add(key);
    return this.#record[key] ?? undefined;
  }

  /** Whether the key stands in the document. */
  has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  /** Notes a fault at `key`. */
  fault(key: string, value: unknown, expected: string): void {
    this.faults.push({ path: this.at(key), value, expected });
  }

  /** The whole path of `key`. */
  at(key: string): string {
    return [this.path, key].filter((part) => part !== "").join(".") || "(document)";
  }

  text(key: string, fallback: string | undefined, expected: string, accepts?: RegExp): string | undefined {
    const value = this.raw(key);
    if (value === undefined) return fallback;
    if (typeof value === "string" && value !== "" && (accepts === undefined || accepts.test(value)))
      return value;
    this.fault(key, value, expected);
    return fallback;
  }

  integer(key: string, fallback: number, least: number, most: number): number {
    const value = this.raw(key);
    if (value === undefined) return fallback;
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    this.fault(key, value, `a whole number from ${least} to ${most}`);
    return fallback;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.raw(key);
    if (value === undefined) return fallback;
    if (typeof value === "boolean") return value;
    this.fault(key, value, "true or false");
    return fallback;
  }

  texts(key: string, expected: string, accepts?: RegExp): string[] {
    return this.list(key).flatMap((value, index) => {
      if (typeof value === "string" && value !== "" && (accepts === undefined || accepts.test(value)))
        return [value];
      this.fault(`${key}[${index}]`, value, expected);
      return [];
    });
  }

  list(key: string): readonly unknown[] {
    const value = this.raw(key);
    if (value === undefined) return [];
    if (Array.isArray(value)) return value;
    this.fault(key, value, "a list");
    return [];
  }

  /** A mapping inside this one; an absent one reads as empty. */
  within(key: string): Fields {
    return new Fields(this.raw(key), this.at(key), this.faults);
  }

  /** Each mapping of a list. */
  each(key: string): Fields[] {
    return this.list(key).map((value, index) => {
      const at = `${this.at(key)}[${index}]`;
      if (!isRecord(value)) this.faults.push({ path: at, value, expected: "a mapping of names to values" });
      return new Fields(isRecord(value) ? value : undefined, at, this.faults);
    });
  }

  textMap(key: string, name: RegExp, expected: string): Record<string, string> {
    const value = this.raw(key);
    const found: Record<string, string> = {};
    if (value === undefined) return found;
    if (!isRecord(value)) {
      this.fault(key, value, expected);
      return found;
    }
    for (const [label, text] of Object.entries(value)) {
      const plain = typeof text === "number" || typeof text === "boolean" ? String(text) : text;
      if (name.test(label) && typeof plain === "string" && plain.length <= 256) found[label] = plain;
      else this.fault(`${key}.${label}`, text, expected);
    }
    return found;
  }

  /** To be called last: every key that nobody asked for is a fault (a misspelt setting must not pass in silence). */
  done(): void {
    for (const key of Object.keys(this.#record)) {
      if (!this.#seen.has(key)) {
        this.fault(
          key,
          this.#record[key],
          `no such setting; known here: ${[...this.#seen].sort().join(", ")}`,
        );
      }
    }
  }
}

/** A plain mapping, as YAML or JSON gives it. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
