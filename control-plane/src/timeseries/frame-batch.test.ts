import { describe, expect, test } from "vitest";
import { batchedBytes, FrameBatchWriter, readFrameBatch } from "./frame-batch.js";

const bytesOf = (...values: number[]): Uint8Array => new Uint8Array(Float64Array.from(values).buffer);

describe("a batch of frames", () => {
  test("gives back what was written, in order, also from an unaligned source", () => {
    const writer = new FrameBatchWriter(new ArrayBuffer(1_024));
    const shifted = new Uint8Array(17);
    shifted.set(bytesOf(4, 5), 1);
    writer.write(1, 2, 3, 1_800_000_000_000, bytesOf(1.5, -0, Number.NaN));
    writer.write(0xffffffff, 0, Number.MAX_SAFE_INTEGER, -1, new Uint8Array(0));
    writer.write(7, 8, 9, 10, shifted.subarray(1));
    const seen: unknown[] = [];
    readFrameBatch(writer.buffer, writer.length, (...frame) =>
      seen.push(frame.map((part) => (typeof part === "number" ? part : [...part]))),
    );
    expect(seen).toEqual([
      [1, 2, 3, 1_800_000_000_000, [1.5, -0, Number.NaN]],
      [0xffffffff, 0, Number.MAX_SAFE_INTEGER, -1, []],
      [7, 8, 9, 10, [4, 5]],
    ]);
  });

  test("is full when the next frame would not fit whole", () => {
    const writer = new FrameBatchWriter(new ArrayBuffer(batchedBytes(8) + batchedBytes(0)));
    writer.write(1, 1, 1, 1, bytesOf(1));
    expect([writer.hasRoomFor(0), writer.hasRoomFor(8)]).toEqual([true, false]);
  });
});
