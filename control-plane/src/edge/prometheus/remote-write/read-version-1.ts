/** `prometheus.WriteRequest`: remote write 1.0. */
import { OpsError } from "../../../kernel/errors.js";
import { LABEL_TEXTS_MAX, LABELS_LENGTH_MAX, OVERLONG, OVERLONG_KEY } from "./label-bounds.js";
import { type SampleBatch, type SampleSink } from "./sample-batch.js";
import { BYTES, FIXED64, VARINT, type WireReader } from "./wire-reader.js";

/** Metric types by number. */
export const METRIC_TYPES = [
  "unknown",
  "counter",
  "gauge",
  "histogram",
  "gaugehistogram",
  "summary",
  "info",
  "stateset",
];

/** Reads a whole request. Throws INVALID_ARGUMENT for what is none. */
export function readVersion1(reader: WireReader, sink: SampleSink): void {
  const { length } = reader;
  while (reader.at < length) {
    const tag = reader.varint();
    if (tag === ((1 << 3) | BYTES)) readSeries(reader, reader.end(length), sink);
    else if (tag === ((3 << 3) | BYTES)) readMetadata(reader, reader.end(length), sink);
    else reader.skip(tag & 7, length);
  }
}

const LABEL = (1 << 3) | BYTES;
const SAMPLE = (2 << 3) | BYTES;
const EXEMPLAR = (3 << 3) | BYTES;
const HISTOGRAM = (4 << 3) | BYTES;

function readSeries(reader: WireReader, end: number, sink: SampleSink): void {
  const { batch } = sink;
  const from = reader.at;
  let labelsEnd = from;
  let series: number | undefined;
  while (reader.at < end) {
    const start = reader.at;
    const tag = reader.varint();
    if (tag === LABEL) {
      // The fields of a message may come in any order; nobody sends anything before or between the labels.
      if (start !== labelsEnd) throw misplaced();
      reader.at = reader.end(end);
      labelsEnd = reader.at;
    } else if (tag === SAMPLE) {
      series ??= findSeries(reader, from, labelsEnd, sink);
      readSample(reader, reader.end(end), batch, batch.add(series));
    } else {
      if (tag === HISTOGRAM) batch.histograms++;
      else if (tag === EXEMPLAR) batch.exemplars++;
      reader.skip(tag & 7, end);
    }
  }
}

const misplaced = (): OpsError =>
  new OpsError("INVALID_ARGUMENT", "remote write: a series' labels do not come first and together");

/** The bytes of the labels are the series' key: whoever sends it again sends the same. */
function findSeries(reader: WireReader, from: number, to: number, { writer }: SampleSink): number {
  if (to - from > LABELS_LENGTH_MAX)
    return writer.find(OVERLONG_KEY) ?? writer.announce(OVERLONG_KEY, OVERLONG);
  const key = reader.key(from, to);
  const known = writer.find(key);
  if (known !== undefined) return known;
  const labels: string[] = [];
  const { at } = reader;
  reader.at = from;
  while (reader.at < to && labels.length < LABEL_TEXTS_MAX) {
    reader.varint();
    const end = reader.end(to);
    let name = "";
    let value = "";
    while (reader.at < end) {
      const tag = reader.varint();
      if (tag === ((1 << 3) | BYTES)) name = reader.text(reader.end(end));
      else if (tag === ((2 << 3) | BYTES)) value = reader.text(reader.end(end));
      else reader.skip(tag & 7, end);
    }
    labels.push(name, value);
  }
  reader.at = at;
  return writer.announce(key, labels);
}

/** A sample is the same message in both versions. */
export function readSample(reader: WireReader, end: number, batch: SampleBatch, index: number): void {
  while (reader.at < end) {
    const tag = reader.varint();
    if (tag === ((1 << 3) | FIXED64)) reader.fixed64(batch.bytes, index * 8, end);
    else if (tag === ((2 << 3) | VARINT)) batch.timestamps[index] = reader.signed();
    else reader.skip(tag & 7, end);
  }
}

function readMetadata(reader: WireReader, end: number, { notes }: SampleSink): void {
  let type = 0;
  let name = "";
  let help = "";
  let unit = "";
  while (reader.at < end) {
    const tag = reader.varint();
    if (tag === ((1 << 3) | VARINT)) type = reader.varint();
    else if (tag === ((2 << 3) | BYTES)) name = reader.text(reader.end(end));
    else if (tag === ((4 << 3) | BYTES)) help = reader.text(reader.end(end));
    else if (tag === ((5 << 3) | BYTES)) unit = reader.text(reader.end(end));
    else reader.skip(tag & 7, end);
  }
  notes.note(name, { type: METRIC_TYPES[type] ?? "unknown", help, unit });
}
