import { create } from "@bufbuild/protobuf";
import {
  type ConnectResponse,
  ConnectResponseSchema,
  OrderMode,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { beforeEach, describe, expect, test } from "vitest";
import type { OpsError } from "../kernel/errors.js";
import { nodeId } from "../kernel/ids.js";
import { HOUR, SECOND } from "../kernel/time.js";
import { type FakeSystem, fakeSystem } from "../platform/testing/fake-system.js";
import { type Outlet, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, type Session } from "./session.js";
import { newerStreamError, Sessions } from "./sessions.js";

const NODE = nodeId("n-1");
const START = 1_700_000_000_000;

/** A transport that takes as much as the test lets it. */
class FakeOutlet implements Outlet {
  readonly written: ConnectResponse[] = [];
  open = true;
  ended: { readonly reason: OpsError | undefined } | undefined;
  write(message: ConnectResponse): boolean {
    this.written.push(message);
    return this.open;
  }
  end(reason: OpsError | undefined): void {
    this.ended = { reason };
  }
}

let fake: FakeSystem;
let sessions: Sessions;

beforeEach(() => {
  fake = fakeSystem(START);
  sessions = new Sessions(fake.clock);
});

const cancel = (commandId: string, because = ""): ConnectResponse =>
  create(ConnectResponseSchema, { body: { case: "cancel", value: { commandId, because } } });

function open(outlet: Outlet = new FakeOutlet(), generation = 1, node = NODE): Session {
  const session = sessions.open({
    nodeId: node,
    nodeName: "db-1",
    generation,
    certificateExpiresAt: START + HOUR,
    outboxId: "o",
    outlet,
  });
  sessions.announce(session);
  return session;
}

/** Lets what was waiting for the clock run. */
const advance = async (by: number): Promise<void> => {
  fake.clock.advance(by);
  await Promise.resolve();
  await Promise.resolve();
};

describe("sending", () => {
  test("goes to a node that is connected here and was welcomed, and to no other", () => {
    const outlet = new FakeOutlet();
    expect(sessions.send(NODE, cancel("c"))).toBe("not-connected");
    const session = sessions.open({
      nodeId: NODE,
      nodeName: "db-1",
      generation: 1,
      certificateExpiresAt: START + HOUR,
      outboxId: "o",
      outlet,
    });
    expect(sessions.send(NODE, cancel("c"))).toBe("not-connected");
    expect(sessions.isConnected(NODE)).toBe(false);
    sessions.announce(session);
    expect(sessions.send(NODE, cancel("c"))).toBe("sent");
    expect(outlet.written).toHaveLength(1);
    expect(sessions.generation(NODE)).toBe(1);
  });

  test("queues behind a slow reader in order, and goes on when it reads", () => {
    const outlet = new FakeOutlet();
    outlet.open = false;
    const session = open(outlet);
    for (const id of ["a", "b", "c"]) expect(sessions.send(NODE, cancel(id))).toBe("sent");
    expect(outlet.written).toHaveLength(1);
    expect(sessions.figures()).toMatchObject({ queuedMessages: 2 });
    outlet.open = true;
    session.drained();
    expect(outlet.written.map(({ body }) => body.case === "cancel" && body.value.commandId)).toEqual([
      "a",
      "b",
      "c",
    ]);
    expect(sessions.figures()).toMatchObject({ queuedMessages: 0, queuedBytes: 0 });
  });

  test(`disconnects a reader for whom ${QUEUE_MESSAGES_MAX} messages wait`, () => {
    const outlet = new FakeOutlet();
    outlet.open = false;
    open(outlet);
    for (let n = 0; n <= QUEUE_MESSAGES_MAX; n++) expect(sessions.send(NODE, cancel("c"))).toBe("sent");
    expect(outlet.ended).toBeUndefined();
    expect(sessions.send(NODE, cancel("c"))).toBe("slow");
    expect(outlet.ended?.reason).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: expect.stringContaining('node "db-1" reads too slowly: 64 messages'),
    });
    expect(sessions.figures()).toMatchObject({ streams: 0, slow: 1 });
    expect(sessions.send(NODE, cancel("c"))).toBe("not-connected");
  });

  test("disconnects a reader for whom too many bytes wait", () => {
    const outlet = new FakeOutlet();
    outlet.open = false;
    open(outlet);
    sessions.send(NODE, cancel("first"));
    expect(sessions.send(NODE, cancel("c", "x".repeat(QUEUE_BYTES_MAX - 100)))).toBe("sent");
    expect(sessions.send(NODE, cancel("c", "x".repeat(100)))).toBe("slow");
  });
});

describe("acknowledging", () => {
  test("gathers for 50 ms, and only the highest counts", async () => {
    const outlet = new FakeOutlet();
    const session = open(outlet);
    session.acknowledgeFrames(7n);
    session.acknowledgeFrames(3n);
    session.acknowledgeCommand("c", OrderMode.RUN, 2);
    session.acknowledgeCommand("c", OrderMode.RUN, 1);
    session.acknowledgeCommand("c", OrderMode.PREVIEW, 1);
    await advance(49);
    expect(outlet.written).toEqual([]);
    await advance(1);
    expect(outlet.written).toMatchObject([
      {
        body: {
          case: "acknowledge",
          value: {
            framesThrough: 7n,
            commands: [
              { commandId: "c", throughSequence: 2, mode: OrderMode.RUN },
              { commandId: "c", throughSequence: 1, mode: OrderMode.PREVIEW },
            ],
          },
        },
      },
    ]);
  });

  test("takes one message, however long the reader was slow", async () => {
    const outlet = new FakeOutlet();
    outlet.open = false;
    const session = open(outlet);
    sessions.send(NODE, cancel("c"));
    for (let n = 1; n <= 1_000; n++) {
      session.acknowledgeFrames(BigInt(n));
      await advance(50);
    }
    expect(sessions.figures()).toMatchObject({ queuedMessages: 0 });
    outlet.open = true;
    session.drained();
    expect(outlet.written).toHaveLength(2);
    expect(outlet.written[1]).toMatchObject({ body: { value: { framesThrough: 1_000n } } });
  });
});

describe("a newer stream of a node", () => {
  test("ends the older one, whose end is told once and does not take the newer one away", () => {
    const first = new FakeOutlet();
    const ended: [number, string][] = [];
    sessions.onEnded((session, because) => ended.push([session.generation, because]));
    open(first, 1);
    open(new FakeOutlet(), 2);
    expect(first.ended?.reason).toMatchObject({ code: "ABORTED" });
    expect(ended).toEqual([[1, 'node "db-1" opened a newer stream']]);
    expect(sessions.generation(NODE)).toBe(2);
  });

  test("is not pushed out by an older one that comes late", () => {
    open(new FakeOutlet(), 2);
    expect(() => open(new FakeOutlet(), 1)).toThrow("has a newer stream (2)");
    expect(sessions.generation(NODE)).toBe(2);
  });

  test("on another replica ends only what is older", () => {
    const outlet = new FakeOutlet();
    open(outlet, 3);
    sessions.end(NODE, newerStreamError("db-1"), 3);
    expect(outlet.ended).toBeUndefined();
    sessions.end(NODE, newerStreamError("db-1"), 4);
    expect(outlet.ended?.reason).toMatchObject({ code: "ABORTED" });
  });
});

describe("a stream that is looked at", () => {
  test.each([
    { when: "its certificate ends now", at: HOUR, heard: HOUR, code: "UNAUTHENTICATED" },
    { when: "its certificate has 1 ms left", at: HOUR - 1, heard: HOUR - 1, code: undefined },
    { when: "it was silent for 30 s", at: 30 * SECOND, heard: 0, code: undefined },
    { when: "it was silent for longer", at: 30 * SECOND + 1, heard: 0, code: "DEADLINE_EXCEEDED" },
  ])("when $when: $code", async ({ at, heard, code }) => {
    const outlet = new FakeOutlet();
    const session = open(outlet);
    fake.clock.set(START + heard);
    session.touch();
    await sessions.check(START + at);
    expect(outlet.ended?.reason?.code).toBe(code);
  });

  test("lives on with a renewed certificate", async () => {
    const outlet = new FakeOutlet();
    const session = open(outlet);
    session.certificateExpiresAt = START + 2 * HOUR;
    fake.clock.set(START + HOUR);
    session.touch();
    await sessions.check(START + HOUR);
    expect(outlet.ended).toBeUndefined();
  });

  test("is ended when its reader takes nothing for 15 s while something waits", async () => {
    const outlet = new FakeOutlet();
    outlet.open = false;
    const session = open(outlet);
    sessions.send(NODE, cancel("a"));
    sessions.send(NODE, cancel("b"));
    fake.clock.set(START + 15 * SECOND + 1);
    session.touch();
    await sessions.check(START + 15 * SECOND);
    expect(outlet.ended).toBeUndefined();
    await sessions.check(START + 15 * SECOND + 1);
    expect(outlet.ended?.reason).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: 'node "db-1" read nothing for 15 s',
    });
    expect(sessions.figures().slow).toBe(1);
  });
});

describe("draining", () => {
  test("tells every agent to come back spread over time, then ends the streams and takes no more", async () => {
    const outlets = Array.from({ length: 450 }, () => new FakeOutlet());
    for (const [n, outlet] of outlets.entries()) open(outlet, 1, nodeId(`n-${n}`));
    const drained = sessions.drain("maintenance", SECOND);
    for (let n = 0; n < 100; n++) await advance(50);
    await drained;
    for (const { written, ended } of outlets) {
      expect(written).toMatchObject([
        {
          body: {
            case: "drain",
            value: { reconnectAfterMs: 1_000, jitterMs: 2_250, because: "maintenance" },
          },
        },
      ]);
      expect(ended?.reason).toMatchObject({ code: "UNAVAILABLE", message: "maintenance" });
    }
    expect(() => open()).toThrow("shutting down");
  });
});
