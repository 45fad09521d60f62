/** What we write to another engine, read by what we take from other servers. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteWriter } from "../../../timeseries/domain/byte-writer.js";
import { writeSnappy } from "../../../timeseries/domain/snappy-block.js";
import { WriteRequest } from "../../../timeseries/domain/write-request.js";
import { MetricNotes } from "../metric-notes.js";
import { readVersion1 } from "./read-version-1.js";
import { SampleBatch } from "./sample-batch.js";
import { unpackSnappy } from "./snappy.js";
import { WireReader } from "./wire-reader.js";

const packed = (bytes: Uint8Array): Uint8Array => {
  const writer = new ByteWriter();
  writeSnappy(writer, bytes);
  return writer.take();
};

test("snappy: whatever is packed is unpacked to the same bytes", () => {
  const repetitive = fc
    .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 60 })), {
      maxLength: 60,
    })
    .map((pieces) =>
      Uint8Array.from(
        pieces.flatMap(([piece, times]) => Array.from({ length: times }, () => [...piece]).flat()),
      ),
    );
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 3_000 }), repetitive), (bytes) => {
      expect(Buffer.compare(unpackSnappy(packed(bytes), 1 << 24), bytes)).toBe(0);
    }),
  );
});

test("snappy: pieces longer than its window, and names that repeat", () => {
  const text = Array.from(
    { length: 20_000 },
    (_, i) => `node_cpu_seconds_total{cpu="${i % 16}",node="n${i % 97}"}`,
  );
  const bytes = new TextEncoder().encode(text.join());
  const small = packed(bytes);
  expect(Buffer.compare(unpackSnappy(small, bytes.length), bytes)).toBe(0);
  expect(small.length).toBeLessThan(bytes.length / 4);
});

test("a write request keeps labels, times and each value's bits, the staleness marker's too", () => {
  const request = new WriteRequest();
  const values = new Float64Array(4);
  const bits = new BigUint64Array(values.buffer);
  values.set([1.5, -0, Number.NEGATIVE_INFINITY]);
  bits[3] = 0x7ff0000000000002n;
  const times = [1_795_000_000_000, 1_795_000_015_000, 1_795_000_030_000, 1_795_000_045_000];
  request.add(["__name__", "a", "node", "aü€😀\ud800"], times, values, 0, 4);
  request.add(["__name__", "b"], times, values, 1, 2);
  request.add(["__name__", "nothing"], times, values, 2, 2);
  expect(request.samples).toBe(5);
  const body = unpackSnappy(request.take(), 1 << 20);
  expect([request.samples, request.bytes]).toEqual([0, 0]);

  const batch = new SampleBatch();
  const announced: (readonly string[])[] = [];
  const known = new Map<string, number>();
  const writer = {
    find: (key: string) => known.get(key),
    announce: (key: string, labels: readonly string[]) => {
      known.set(key, announced.length);
      return announced.push(labels) - 1;
    },
  };
  readVersion1(new WireReader(body), { writer, batch, notes: new MetricNotes() });
  expect(announced).toEqual([
    ["__name__", "a", "node", "aü€😀\ufffd"],
    ["__name__", "b"],
  ]);
  expect([...batch.series.slice(0, batch.count)]).toEqual([0, 0, 0, 0, 1]);
  expect([...batch.timestamps.slice(0, 5)]).toEqual([...times, times[1]]);
  expect([...new BigUint64Array(batch.values.buffer, 0, 5)]).toEqual([...bits, bits[1]]);
});
