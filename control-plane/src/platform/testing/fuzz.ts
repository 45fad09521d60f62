/** Tests with inputs that nobody thought of. Each says its seed, so that a run, also one that was killed, can be repeated. */
import fc from "fast-check";
import { test } from "vitest";
import { systemClock } from "../system.js";

const SEED = process.env["MAINSTAY_PROPERTY_SEED"];
/** So many times more inputs than in an ordinary run. */
const FACTOR = Number(process.env["MAINSTAY_FUZZ_FACTOR"] ?? 1);

/** `check` throws for an input that is not dealt with as promised. */
export function fuzz<T>(
  name: string,
  inputs: fc.Arbitrary<T>,
  check: (input: T) => void,
  runs: number,
): void {
  test(
    name,
    () => {
      const seed = SEED === undefined ? systemClock.now() % 2 ** 31 : Number(SEED);
      console.info(`MAINSTAY_PROPERTY_SEED=${seed}: ${name}`);
      fc.assert(
        fc.property(inputs, (input) => {
          check(input);
        }),
        { seed, numRuns: Math.ceil(runs * FACTOR) },
      );
    },
    60_000 * Math.max(1, FACTOR),
  );
}

/** Texts near to real ones: pieces of them cut out, doubled, put together, and with characters of no good in between. */
export function scraps(corpus: readonly string[], pieces: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...pieces) },
    { weight: 1, arbitrary: fc.string({ maxLength: 4, unit: "binary" }) },
    { weight: 1, arbitrary: fc.integer().map(String) },
  );
  const soup = fc.array(piece, { maxLength: 30 }).map((parts) => parts.join(""));
  const mutated = fc
    .tuple(fc.constantFrom(...corpus), fc.array(fc.tuple(fc.nat(), fc.nat(8), soup), { maxLength: 4 }))
    .map(([text, edits]) =>
      edits.reduce((now, [at, length, more]) => {
        const place = at % (now.length + 1);
        return now.slice(0, place) + more + now.slice(place + length);
      }, text),
    );
  return fc.oneof(soup, mutated);
}
