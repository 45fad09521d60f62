import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OpsError } from "../../../kernel/errors.js";
import { fuzz } from "../../../platform/testing/fuzz.js";
import { MetricNotes } from "../metric-notes.js";
import { encodeVersion1, encodeVersion2, field, varint } from "../testing/encode-write.js";
import { LABEL_TEXTS_MAX, OVERLONG } from "./label-bounds.js";
import { readVersion1 } from "./read-version-1.js";
import { readVersion2 } from "./read-version-2.js";
import { SampleBatch } from "./sample-batch.js";
import { packSnappy, unpackSnappy } from "./snappy.js";
import { WireReader } from "./wire-reader.js";

const UNPACKED_MAX = 32 * 1024 * 1024;

/** Reads a message as the door does; answers the labels of each series that was announced. */
function read(version: 1 | 2, message: Uint8Array) {
  const announced: (readonly string[])[] = [];
  const keys = new Map<string, number>();
  const batch = new SampleBatch();
  const writer = {
    find: (key: string) => keys.get(key),
    announce: (key: string, labels: readonly string[]) => {
      keys.set(key, announced.length);
      return announced.push(labels) - 1;
    },
  };
  const sink = { writer, batch, notes: new MetricNotes() };
  (version === 1 ? readVersion1 : readVersion2)(new WireReader(message), sink);
  return { announced, count: batch.count, keys: [...keys.keys()] };
}

const good = [
  {
    labels: ["__name__", "up", "job", "a"],
    samples: [{ at: 1, value: 1 }],
    type: 2,
    help: "h",
    histograms: 1,
  },
  { labels: ["__name__", "x", "é", "\u0000"], samples: [{ at: -1, value: Number.NaN }] },
];
const messages = [encodeVersion1(good), encodeVersion2(good)];

/** Bytes near to a request: some changed, some left out, some put in. */
const mutated = fc
  .tuple(
    fc.constantFrom(...messages),
    fc.array(fc.tuple(fc.nat(), fc.nat(4), fc.uint8Array({ maxLength: 6 })), { maxLength: 5 }),
  )
  .map(([message, edits]) =>
    edits.reduce<Uint8Array>((now, [at, gone, more]) => {
      const place = at % (now.length + 1);
      return Buffer.concat([now.subarray(0, place), more, now.subarray(place + gone)]);
    }, message),
  );

const onlyRefused = (work: () => unknown): void => {
  try {
    work();
  } catch (error) {
    if (!(error instanceof OpsError)) throw error;
    expect(error.code).toBe("INVALID_ARGUMENT");
  }
};

describe("requests that no sender sends", () => {
  fuzz(
    "are read or refused, in both versions",
    fc.tuple(fc.constantFrom(1 as const, 2 as const), fc.oneof(mutated, fc.uint8Array({ maxLength: 200 }))),
    ([version, message]) => onlyRefused(() => read(version, message)),
    10_000,
  );

  fuzz(
    "are unpacked or refused, whatever snappy's lengths say",
    mutated.chain((message) =>
      fc.tuple(fc.constant(packSnappy(message)), fc.nat(), fc.uint8Array({ maxLength: 4 })),
    ),
    ([packed, at, more]) => {
      const place = at % (packed.length + 1);
      const bytes = Buffer.concat([packed.subarray(0, place), more, packed.subarray(place + 1)]);
      onlyRefused(() => read(1, unpackSnappy(bytes, UNPACKED_MAX)));
    },
    10_000,
  );

  test("a small block that says it unpacks to gigabytes is refused before there is room for it", () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(() =>
      unpackSnappy(Buffer.concat([varint(4_000_000_000), Buffer.alloc(20)]), UNPACKED_MAX),
    ).toThrow("too large");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  });
});

const sample = field(2, Buffer.concat([Buffer.from([0x09]), Buffer.alloc(8), Buffer.from([0x10, 1])]));

describe("a label bomb", () => {
  test("of a million labels on one series is one refused series, not two million texts", () => {
    const message = field(1, Buffer.concat([Buffer.alloc(2_000_000, Buffer.from([0x0a, 0x00])), sample]));
    const { announced, keys } = read(1, message);
    expect(announced).toEqual([OVERLONG]);
    expect(keys.join("").length).toBeLessThan(100);
  });

  test("of ten thousand short labels is cut where it is too much anyway", () => {
    const message = field(1, Buffer.concat([Buffer.alloc(20_000, Buffer.from([0x0a, 0x00])), sample]));
    expect(read(1, message).announced[0]).toHaveLength(LABEL_TEXTS_MAX);
  });

  test("of a name of ten megabytes, or one that is named a million times, becomes no text of gigabytes", () => {
    const huge = Buffer.alloc(10_000_000, "a");
    const version1 = field(
      1,
      Buffer.concat([field(1, Buffer.concat([field(1, huge), field(2, huge)])), sample]),
    );
    expect(read(1, version1).announced).toEqual([OVERLONG]);
    const symbols = Buffer.concat([field(4, Buffer.alloc(0)), field(4, huge)]);
    const refs = field(1, Buffer.alloc(1_000_000, 1));
    const version2 = Buffer.concat([symbols, field(5, Buffer.concat([refs, sample]))]);
    const { announced, keys } = read(2, version2);
    expect(announced).toEqual([OVERLONG]);
    expect(keys.join("").length).toBeLessThan(100);
  });

  test("of a hundred thousand series in one request is read in one pass", () => {
    const series = Array.from({ length: 100_000 }, (_, n) => ({
      labels: ["__name__", "bomb", "n", String(n)],
      samples: [{ at: 1, value: n }],
    }));
    expect(read(1, encodeVersion1(series)).count).toBe(100_000);
  });
});
