/** `io.prometheus.write.v2.Request`: remote write 2.0, whose texts stand once in a table before the series. */
import { OpsError } from "../../../kernel/errors.js";
import { LABEL_TEXTS_MAX, LABELS_LENGTH_MAX, OVERLONG, OVERLONG_KEY } from "./label-bounds.js";
import { METRIC_TYPES, readSample } from "./read-version-1.js";
import type { SampleSink } from "./sample-batch.js";
import { BYTES, VARINT, type WireReader } from "./wire-reader.js";

/** Texts of one request. */
const SYMBOLS_MAX = 1_000_000;

/** Reads a whole request. Throws INVALID_ARGUMENT for what is none. */
export function readVersion2(reader: WireReader, sink: SampleSink): void {
  const { length } = reader;
  const symbols: string[] = [];
  while (reader.at < length) {
    const tag = reader.varint();
    if (tag === ((4 << 3) | BYTES)) {
      if (symbols.length >= SYMBOLS_MAX) {
        throw new OpsError(
          "INVALID_ARGUMENT",
          `remote write: more than ${SYMBOLS_MAX} symbols in one request`,
        );
      }
      symbols.push(reader.text(reader.end(length)));
    } else if (tag === ((5 << 3) | BYTES)) readSeries(reader, reader.end(length), symbols, sink);
    else reader.skip(tag & 7, length);
  }
}

function symbolAt(symbols: readonly string[], ref: number): string {
  const symbol = symbols[ref];
  if (symbol !== undefined) return symbol;
  throw new OpsError("INVALID_ARGUMENT", `remote write: symbol ${ref} of a table of ${symbols.length}`);
}

const LABELS = (1 << 3) | BYTES;
const SAMPLE = (2 << 3) | BYTES;
const HISTOGRAM = (3 << 3) | BYTES;
const EXEMPLAR = (4 << 3) | BYTES;
const METADATA = (5 << 3) | BYTES;

function readSeries(reader: WireReader, end: number, symbols: readonly string[], sink: SampleSink): void {
  const { batch, notes, writer } = sink;
  const labels = new LabelTexts(symbols);
  let series: number | undefined;
  while (reader.at < end) {
    const tag = reader.varint();
    if (tag === LABELS) {
      const packedEnd = reader.end(end);
      while (reader.at < packedEnd) labels.add(reader.varint());
    } else if (tag === ((1 << 3) | VARINT)) labels.add(reader.varint());
    else if (tag === SAMPLE) {
      if (series === undefined) {
        const key = labels.key();
        series = writer.find(key) ?? writer.announce(key, labels.texts);
      }
      readSample(reader, reader.end(end), batch, batch.add(series));
    } else if (tag === METADATA) {
      const note = readMetadata(reader, reader.end(end), symbols);
      const name = labels.texts[labels.texts.indexOf("__name__") + 1];
      if (name !== undefined) notes.note(name, note);
    } else {
      if (tag === HISTOGRAM) batch.histograms++;
      else if (tag === EXEMPLAR) batch.exemplars++;
      reader.skip(tag & 7, end);
    }
  }
}

/** The texts of one series' labels, as long as they are within bounds. */
class LabelTexts {
  readonly #symbols: readonly string[];
  #texts: string[] = [];
  #length = 0;
  #overlong = false;

  constructor(symbols: readonly string[]) {
    this.#symbols = symbols;
  }

  add(ref: number): void {
    const text = symbolAt(this.#symbols, ref);
    this.#length += text.length;
    if (this.#texts.length >= LABEL_TEXTS_MAX || this.#length > LABELS_LENGTH_MAX) this.#overlong = true;
    else this.#texts.push(text);
  }

  get texts(): readonly string[] {
    return this.#overlong ? OVERLONG : this.#texts;
  }

  key(): string {
    // No text of version 1's form begins so.
    return this.#overlong
      ? OVERLONG_KEY
      : `2\u0000${this.#texts.map((text) => `${text.length}:${text}`).join("")}`;
  }
}

function readMetadata(reader: WireReader, end: number, symbols: readonly string[]) {
  let type = 0;
  let help = "";
  let unit = "";
  while (reader.at < end) {
    const tag = reader.varint();
    if (tag === ((1 << 3) | VARINT)) type = reader.varint();
    else if (tag === ((3 << 3) | VARINT)) help = symbolAt(symbols, reader.varint());
    else if (tag === ((4 << 3) | VARINT)) unit = symbolAt(symbols, reader.varint());
    else reader.skip(tag & 7, end);
  }
  return { type: METRIC_TYPES[type] ?? "unknown", help, unit };
}
