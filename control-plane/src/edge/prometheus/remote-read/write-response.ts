/** `prometheus.ReadResponse`, written by hand. */
import { compareText } from "../../../kernel/labels.js";
import type { SeriesPoints } from "../../../promql/value.js";

/** Tag, length, tag, double, tag and up to ten bytes of time. */
const SAMPLE_BYTES_MAX = 2 + 9 + 11;

export function writeReadResponse(results: readonly (readonly SeriesPoints[])[]): Uint8Array {
  return Buffer.concat(
    results.flatMap((series) => field(1, Buffer.concat(series.flatMap((one) => field(1, seriesBytes(one)))))),
  );
}

function seriesBytes({ labels, timestamps, values }: SeriesPoints): Uint8Array {
  const names = Object.keys(labels).sort(compareText);
  const parts = names.flatMap((name) =>
    field(1, Buffer.concat([...textField(1, name), ...textField(2, labels[name] ?? "")])),
  );
  const samples = Buffer.allocUnsafe(timestamps.length * SAMPLE_BYTES_MAX);
  let at = 0;
  for (let index = 0; index < timestamps.length; index++) {
    const start = at;
    at += 2;
    samples[at++] = (1 << 3) | 1;
    at = samples.writeDoubleLE(values[index] as number, at);
    samples[at++] = 2 << 3;
    at = writeVarint(samples, at, timestamps[index] as number);
    samples[start] = (2 << 3) | 2;
    samples[start + 1] = at - start - 2;
  }
  return Buffer.concat([...parts, samples.subarray(0, at)]);
}

const textField = (number: number, text: string): Uint8Array[] => field(number, Buffer.from(text, "utf8"));

function field(number: number, bytes: Uint8Array): Uint8Array[] {
  const head = Buffer.alloc(11);
  head[0] = (number << 3) | 2;
  return [head.subarray(0, writeVarint(head, 1, bytes.length)), bytes];
}

/** Times before 1970 take ten bytes, as the format has it. */
function writeVarint(into: Uint8Array, at: number, value: number): number {
  let rest = BigInt.asUintN(64, BigInt(value));
  if (value >= 0) {
    let small = value;
    for (; small >= 128; small = Math.floor(small / 128)) into[at++] = (small % 128) | 128;
    into[at++] = small;
    return at;
  }
  for (; rest >= 128n; rest >>= 7n) into[at++] = Number(rest & 127n) | 128;
  into[at++] = Number(rest);
  return at;
}
