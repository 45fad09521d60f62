/** What remote writers say of metrics: type, help and unit, by name; kept in memory, for people to read. */
import { cleanText } from "../../kernel/clean-text.js";

export interface MetricNote {
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}

/** Metrics that are noted; the one noted longest ago makes room. */
const METRICS_MAX = 20_000;
const NAME_LENGTH_MAX = 256;
const HELP_LENGTH_MAX = 1_024;
const UNIT_LENGTH_MAX = 64;

export class MetricNotes {
  readonly #notes = new Map<string, MetricNote>();

  note(name: string, { type, help, unit }: MetricNote): void {
    if (name === "" || name.length > NAME_LENGTH_MAX) return;
    const known = this.#notes.get(name);
    if (known !== undefined && known.type === type && known.help === help && known.unit === unit) return;
    this.#notes.delete(name);
    const [oldest] = this.#notes.keys();
    if (this.#notes.size >= METRICS_MAX && oldest !== undefined) this.#notes.delete(oldest);
    this.#notes.set(name, {
      type,
      help: cleanText(help, HELP_LENGTH_MAX),
      unit: cleanText(unit, UNIT_LENGTH_MAX),
    });
  }

  of(name: string): MetricNote | undefined {
    return this.#notes.get(name);
  }
}
