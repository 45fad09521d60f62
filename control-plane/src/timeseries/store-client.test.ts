import { describe, expect, test } from "vitest";
import { IN_FLIGHT_BYTES_MAX, StoreClient } from "./store-client.js";
import type { StoreListener } from "./store-port.js";
import type { StoreRequest } from "./store-protocol.js";

const VALUES = new Uint8Array(8 * 1_000);

/** A client whose other side answers when the test says so. */
function opened() {
  const posted: StoreRequest[] = [];
  let listener: StoreListener | undefined;
  const client = new StoreClient(
    (heard) => {
      listener = heard;
      return { post: (request) => void posted.push(request), close: async () => {} };
    },
    () => {},
  );
  const workOff = (bytes: number): void => listener?.response({ kind: "taken", bytes, buffer: undefined });
  const fill = (): void => {
    for (let sequence = 1; !client.busy; sequence++) client.frame(1, 1, sequence, sequence, VALUES);
  };
  return { client, posted, workOff, fill };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("those that wait for room", () => {
  test("are told in their order, some in each turn, and all in the end", async () => {
    const { client, workOff, fill } = opened();
    fill();
    const told: number[] = [];
    for (let waiting = 0; waiting < 1_000; waiting++) void client.ready().then(() => told.push(waiting));
    await turn();
    expect(told).toEqual([]);
    workOff(IN_FLIGHT_BYTES_MAX / 2);
    await Promise.resolve();
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(200);
    for (let turns = 0; turns < 50 && told.length < 1_000; turns++) await turn();
    expect(told).toEqual(Array.from({ length: 1_000 }, (_, waiting) => waiting));
  });

  test("wait on when the first of them use the room up", async () => {
    const { client, workOff, fill } = opened();
    fill();
    let told = 0;
    const wait = (): void =>
      void client.ready().then(() => {
        told++;
        fill();
      });
    for (let waiting = 0; waiting < 1_000; waiting++) wait();
    workOff(IN_FLIGHT_BYTES_MAX / 2);
    for (let turns = 0; turns < 5; turns++) await turn();
    expect(told).toBeLessThan(200);
    workOff(IN_FLIGHT_BYTES_MAX / 2);
    for (let turns = 0; turns < 5; turns++) await turn();
    expect(told).toBeGreaterThan(64);
  });

  test("hear it when the other side is gone", async () => {
    const { client, fill } = opened();
    fill();
    const waiting = client.ready();
    const failed = expect(waiting).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await client.close();
    await failed;
  });
});

test("a batch between announcements is short, a batch of a fleet is long", () => {
  const { client, posted } = opened();
  const lengths = (): number[] =>
    posted.splice(0).flatMap((request) => (request.kind === "frames" ? [request.buffer.byteLength] : []));
  const announce = { kind: "announce", session: 1, series: [], bytes: 0 } as const;
  for (let sequence = 1; sequence < 4; sequence++) {
    client.frame(1, 1, sequence, sequence, new Uint8Array(800));
    client.notify(announce);
  }
  expect(lengths()).toEqual([16 * 1024, 16 * 1024, 16 * 1024]);
  for (let sequence = 4; sequence < 700; sequence++)
    client.frame(1, 1, sequence, sequence, new Uint8Array(800));
  client.notify(announce);
  expect(lengths().at(-1)).toBe(256 * 1024);
});
