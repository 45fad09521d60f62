/**
 * Remote write 1.0's request (https://prometheus.io/docs/specs/prw/remote_write_spec/), built field by field: a list of
 * series, each with its labels and samples. Values are copied as bytes, so that the staleness marker keeps its payload.
 */
import type { Instant } from "../../kernel/time.js";
import { ByteWriter } from "./byte-writer.js";
import { writeSnappy } from "./snappy-block.js";

const SERIES = 0x0a;
const LABEL = 0x0a;
const SAMPLE = 0x12;
const NAME = 0x0a;
const VALUE = 0x12;
const SAMPLE_VALUE = 0x09;
const SAMPLE_TIME = 0x10;

/** Gathers series until they are taken; used again and again. */
export class WriteRequest {
  samples = 0;
  readonly #body = new ByteWriter();
  readonly #series = new ByteWriter();
  readonly #inner = new ByteWriter();
  readonly #packed = new ByteWriter();

  /** Bytes so far, before compression. */
  get bytes(): number {
    return this.#body.length;
  }

  /**
   * Samples `start` to `end` (exclusive) of one series.
   *
   * @param labels sorted by name: name, value, name, value
   */
  add(
    labels: readonly string[],
    timestamps: ArrayLike<Instant>,
    values: Float64Array,
    start: number,
    end: number,
  ): void {
    if (start >= end) return;
    const series = this.#series;
    series.length = 0;
    for (let index = 0; index + 1 < labels.length; index += 2) {
      this.#inner.length = 0;
      text(this.#inner, NAME, labels[index] as string);
      text(this.#inner, VALUE, labels[index + 1] as string);
      nested(series, LABEL, this.#inner);
    }
    const bytes = new DataView(values.buffer, values.byteOffset);
    for (let index = start; index < end; index++) {
      const sample = this.#inner;
      sample.length = 0;
      sample.byte(SAMPLE_VALUE);
      // Not as a number: arithmetic may forget which NaN it was. Typed arrays are little-endian where this runs.
      for (let byte = 0; byte < 8; byte++) sample.byte(bytes.getUint8(index * 8 + byte));
      sample.byte(SAMPLE_TIME);
      sample.varint(timestamps[index] as number);
      nested(series, SAMPLE, sample);
    }
    nested(this.#body, SERIES, series);
    this.samples += end - start;
  }

  /** The compressed request; the next one begins. */
  take(): Uint8Array {
    const body = this.#body.take();
    this.samples = 0;
    this.#packed.length = 0;
    writeSnappy(this.#packed, body);
    return this.#packed.take();
  }
}

const letters = new ByteWriter();

function text(writer: ByteWriter, tag: number, value: string): void {
  letters.length = 0;
  writeUtf8(letters, value);
  nested(writer, tag, letters);
}

/** Half of a pair becomes U+FFFD, as everywhere. */
function writeUtf8(writer: ByteWriter, value: string): void {
  for (let index = 0; index < value.length; index++) {
    let code = value.charCodeAt(index);
    if (code < 0x80) {
      writer.byte(code);
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      code = value.codePointAt(index) as number;
      if (code >= 0x10000) index++;
      else code = 0xfffd;
    }
    if (code < 0x800) writer.byte(0xc0 | (code >>> 6));
    else {
      if (code < 0x10000) writer.byte(0xe0 | (code >>> 12));
      else {
        writer.byte(0xf0 | (code >>> 18));
        writer.byte(0x80 | ((code >>> 12) & 63));
      }
      writer.byte(0x80 | ((code >>> 6) & 63));
    }
    writer.byte(0x80 | (code & 63));
  }
}

function nested(writer: ByteWriter, tag: number, inner: ByteWriter): void {
  writer.byte(tag);
  writer.varint(inner.length);
  writer.append(inner.bytes.subarray(0, inner.length));
}

/** What goes with each request. */
export const WRITE_HEADERS = {
  "content-type": "application/x-protobuf",
  "content-encoding": "snappy",
  "x-prometheus-remote-write-version": "0.1.0",
} as const;
