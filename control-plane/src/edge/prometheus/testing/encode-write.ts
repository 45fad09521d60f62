/** Remote write requests as tests make them, in both versions. */
import { packSnappy } from "../remote-write/snappy.js";

export interface WrittenSeries {
  /** Name and value in turn. */
  readonly labels: readonly string[];
  readonly samples: readonly { readonly at: number; readonly value: number }[];
  /** Empty histograms that go along. */
  readonly histograms?: number;
  readonly type?: number;
  readonly help?: string;
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

export const field = (number: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);

const textField = (number: number, text: string): Buffer => field(number, Buffer.from(text));

const numberField = (number: number, value: number): Buffer =>
  Buffer.concat([varint(number << 3), varint(value)]);

function sample({ at, value }: WrittenSeries["samples"][number]): Buffer {
  const double = Buffer.alloc(8);
  if (Number.isNaN(value)) double.writeBigUInt64LE(0x7ff0000000000002n);
  else double.writeDoubleLE(value);
  return Buffer.concat([Buffer.from([0x09]), double, numberField(2, at)]);
}

/** `NaN` is written as the staleness marker. */
export function encodeVersion1(series: readonly WrittenSeries[]): Uint8Array {
  const parts = series.map(({ labels, samples, histograms = 0 }) => {
    const pairs: Buffer[] = [];
    for (let at = 0; at < labels.length; at += 2) {
      pairs.push(
        field(1, Buffer.concat([textField(1, labels[at] ?? ""), textField(2, labels[at + 1] ?? "")])),
      );
    }
    const rest = Array.from({ length: histograms }, () => field(4, Buffer.alloc(0)));
    return field(1, Buffer.concat([...pairs, ...samples.map((one) => field(2, sample(one))), ...rest]));
  });
  const metadata = series.flatMap(({ labels, type, help }) =>
    type === undefined
      ? []
      : [
          field(
            3,
            Buffer.concat([
              numberField(1, type),
              textField(2, labels[labels.indexOf("__name__") + 1] ?? ""),
              textField(4, help ?? ""),
            ]),
          ),
        ],
  );
  return Buffer.concat([...parts, ...metadata]);
}

export function encodeVersion2(series: readonly WrittenSeries[]): Uint8Array {
  const symbols = [...new Set(["", ...series.flatMap(({ labels, help }) => [...labels, help ?? ""])])];
  const refOf = (text: string): Buffer => varint(symbols.indexOf(text));
  const parts = series.map(({ labels, samples, type, help, histograms = 0 }) => {
    const note = Buffer.concat([numberField(1, type ?? 0), numberField(3, symbols.indexOf(help ?? ""))]);
    return field(
      5,
      Buffer.concat([
        field(1, Buffer.concat(labels.map(refOf))),
        ...samples.map((one) => field(2, sample(one))),
        ...Array.from({ length: histograms }, () => field(3, Buffer.alloc(0))),
        ...(type === undefined ? [] : [field(5, note)]),
      ]),
    );
  });
  return Buffer.concat([...symbols.map((symbol) => textField(4, symbol)), ...parts]);
}

/** What a sender posts to `/api/v1/write`. */
export function writeRequest(version: 1 | 2, series: readonly WrittenSeries[]) {
  const proto = version === 1 ? "prometheus.WriteRequest" : "io.prometheus.write.v2.Request";
  return {
    method: "POST",
    headers: {
      "content-type": `application/x-protobuf;proto=${proto}`,
      "content-encoding": "snappy",
      "x-prometheus-remote-write-version": version === 1 ? "0.1.0" : "2.0.0",
    },
    body: Buffer.from(packSnappy(version === 1 ? encodeVersion1(series) : encodeVersion2(series))),
  };
}
