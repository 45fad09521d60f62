import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import {
  type CommandEvent,
  CommandEventSchema,
  type ConnectRequest,
  type ConnectResponse,
  ConnectResponseSchema,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { FakeSystem } from "../testing/fake-system.js";
import type { Stream, StreamEvents } from "./channel.js";
import { Link } from "./connect.js";
import { Outbox } from "./outbox.js";
import type { EventFeed, LinkIdentity, LinkListener } from "./ports.js";

const home = mkdtempSync(join(tmpdir(), "mainstay-link-"));
afterAll(() => rmSync(home, { recursive: true }));
let directories = 0;

/** A stream whose other side is the test: it says when the next message may come. */
class HeldStream implements Stream {
  readonly sent: ConnectRequest[] = [];
  isCut = false;
  isEnded = false;
  /** While held, no send resolves. */
  held = false;
  #release: (() => void)[] = [];

  constructor(readonly events: StreamEvents) {}

  async send(message: ConnectRequest): Promise<void> {
    this.sent.push(message);
    if (!this.held) return;
    await new Promise<void>((resolve) => this.#release.push(resolve));
  }

  end(): void {
    this.isEnded = true;
    this.events.ended(0, "ended");
  }

  cancel(): void {
    if (this.isCut) return;
    this.isCut = true;
    this.events.ended(1, "cut");
  }

  letGo(): void {
    this.held = false;
    for (const release of this.#release.splice(0)) release();
  }

  kinds(): (string | undefined)[] {
    return this.sent.map(({ body }) => body.case);
  }

  say(body: ConnectResponse["body"]): void {
    this.events.received(create(ConnectResponseSchema, { body }));
  }

  order(): void {
    const nothing = new Uint8Array();
    const value = {
      $typeName: "mainstay.agent.v1.SignedOrder",
      order: nothing,
      keyId: "",
      signature: nothing,
    } as const;
    this.say({ case: "order", value });
  }

  welcome(resumeAfterSequence = 0n): void {
    this.say({
      case: "welcome",
      value: {
        $typeName: "mainstay.agent.v1.Welcome",
        nodeId: "n",
        sessionGeneration: 1n,
        heartbeatMs: 1000,
        resumeAfterSequence,
        orderKeys: [],
      },
    });
  }
}

class Feed implements EventFeed {
  readonly waiting: CommandEvent[] = [];
  rewinds = 0;
  #wake: () => void = () => undefined;
  next = (): CommandEvent | undefined => this.waiting.shift();
  rewind = (): void => {
    this.rewinds++;
  };
  acknowledge = (): void => undefined;
  onEvent = (wake: () => void): void => {
    this.#wake = wake;
  };
  put(commandId: string): void {
    this.waiting.push(create(CommandEventSchema, { commandId, sequence: 1 }));
    this.#wake();
  }
}

const links: Link[] = [];
afterEach(() => {
  links.length = 0;
});

function setUp(backlogBytesPerSecond = 1 << 20, places = 1) {
  const system = new FakeSystem();
  const outbox = Outbox.open(
    { directory: join(home, `o${++directories}`), bytesMax: 4 << 20, bootId: "b" },
    system.timers,
    system.draws.id,
    () => undefined,
  );
  const events = new Feed();
  const streams: HeldStream[] = [];
  const openedAt: number[] = [];
  const identity: LinkIdentity = {
    secure: () => ({ kind: "ready", secure: { caPem: "" } }),
    hello: () => ({
      agentVersion: "1",
      hostname: "h",
      bootId: "b",
      actions: [],
      labels: {},
      openCommandIds: [],
      intervalMs: 1000,
      policyHash: "",
      os: "",
      machineId: "",
    }),
  };
  let orders = 0;
  const listener: LinkListener = {
    order: () => {
      orders++;
    },
    cancelOrder: () => undefined,
    renewed: () => undefined,
    orderKeys: () => undefined,
    clockOffset: () => undefined,
    live: () => undefined,
  };
  const link = new Link({
    system,
    log: () => undefined,
    outbox,
    events,
    identity,
    listener,
    places,
    open: (_secure, on, place) => {
      openedAt.push(place);
      const stream = new HeldStream(on);
      streams.push(stream);
      return stream;
    },
    backlogBytesPerSecond,
  });
  links.push(link);
  const set = {
    series: [
      ["__name__", "a"],
      ["__name__", "b"],
    ],
  };
  const read = (timestampMs: number): void => outbox.put({ timestampMs, set, values: Float64Array.of(1, 2) });
  const stream = (): HeldStream => {
    const newest = streams.at(-1);
    if (newest === undefined) throw new Error("no stream was opened");
    return newest;
  };
  return { system, outbox, events, link, read, streams, stream, openedAt, ordered: () => orders };
}

/** Lets all promises that can go on do so. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the link", () => {
  test("greets, waits for the welcome, announces before it uses, and sends frames in order", async () => {
    const { system, link, read, stream } = setUp();
    read(1);
    read(2);
    link.start();
    system.turn(1000);
    await settle();
    expect(stream().kinds()).toEqual(["hello"]);
    stream().welcome();
    await settle();
    expect(stream().kinds()).toEqual(["hello", "series", "layout", "frame", "frame"]);
    read(3);
    await settle();
    expect(stream().kinds().slice(5)).toEqual(["frame"]);
  });

  test("tries each replica in turn, and goes on there after what is durable", async () => {
    const { system, link, read, stream, openedAt, outbox } = setUp(undefined, 2);
    for (const at of [1, 2, 3]) read(at);
    link.start();
    system.turn(1000);
    stream().events.ended(14, "another replica leads");
    system.turn(2000);
    stream().welcome(1n);
    await settle();
    expect(stream().kinds()).toEqual(["hello", "series", "layout", "frame", "frame"]);
    stream().events.ended(14, "killed");
    system.turn(2000);
    stream().welcome(1n);
    await settle();
    const frames = stream().sent.flatMap(({ body }) => (body.case === "frame" ? [body.value.sequence] : []));
    expect(frames).toEqual([2n, 3n]);
    expect(openedAt).toEqual([0, 1, 0]);
    expect(outbox.figures.frames).toBe(2);
  });

  test("goes on after what the control plane has", async () => {
    const { system, link, read, stream, outbox } = setUp();
    for (const at of [1, 2, 3]) read(at);
    link.start();
    system.turn(1000);
    stream().welcome(2n);
    await settle();
    const frames = stream().sent.flatMap(({ body }) => (body.case === "frame" ? [body.value.sequence] : []));
    expect(frames).toEqual([3n]);
    expect(outbox.figures.frames).toBe(1);
  });

  test("when the control plane has more than is here it begins a new run and sends what it has", async () => {
    const { system, link, read, streams, outbox } = setUp();
    read(1);
    const before = outbox.id;
    link.start();
    system.turn(1000);
    streams[0]?.welcome(50n);
    expect(streams[0]?.isCut).toBe(true);
    system.turn(1000);
    await settle();
    const hello = streams[1]?.sent[0]?.body;
    expect(hello?.case === "hello" && hello.value.outboxId).not.toBe(before);
    streams[1]?.welcome(0n);
    await settle();
    expect(streams[1]?.kinds()).toContain("frame");
  });

  test("to one who does not read no more than one message is under way, whatever comes up", async () => {
    const { system, link, read, events, stream } = setUp();
    link.start();
    system.turn(1000);
    stream().welcome();
    await settle();
    stream().held = true;
    const sent = stream().sent.length;
    for (let at = 1; at <= 500; at++) read(at);
    for (let count = 0; count < 50; count++) events.put(`c${count}`);
    for (let count = 0; count < 500; count++) {
      system.turn(1000);
      await settle();
    }
    expect(stream().sent.length).toBe(sent + 1);
    stream().letGo();
    await settle();
    expect(stream().sent.length).toBeGreaterThan(sent + 500);
    // Of 500 heartbeats only a few had room to wait.
    expect(
      stream()
        .kinds()
        .filter((kind) => kind === "heartbeat").length,
    ).toBeLessThanOrEqual(64);
  });

  test("a backlog flows at its pace, and a result does not wait behind it", async () => {
    const { system, link, read, events, stream } = setUp(160);
    for (let at = 1; at <= 100; at++) read(at);
    link.start();
    system.turn(1000);
    stream().welcome();
    await settle();
    const frames = (): number =>
      stream()
        .kinds()
        .filter((kind) => kind === "frame").length;
    expect(frames()).toBe(10);
    events.put("c");
    system.turn(50);
    await settle();
    expect(stream().kinds()).toContain("commandEvent");
    for (let count = 0; count < 50; count++) {
      system.turn(20);
      await settle();
    }
    expect(frames()).toBeGreaterThan(18);
    expect(frames()).toBeLessThan(25);
  });

  test("says that it lives only when nothing else was said", async () => {
    const { system, link, read, stream } = setUp();
    link.start();
    system.turn(1000);
    stream().welcome();
    await settle();
    const heartbeats = (): number =>
      stream()
        .kinds()
        .filter((kind) => kind === "heartbeat").length;
    for (let at = 0; at < 10; at++) {
      read(at);
      await settle();
      system.turn(500);
      await settle();
    }
    expect(heartbeats()).toBe(0);
    for (let count = 0; count < 6; count++) {
      system.turn(500);
      await settle();
    }
    expect(heartbeats()).toBeGreaterThanOrEqual(2);
  });

  test("every new stream gets its own names and all events again", async () => {
    const { system, link, read, streams, events } = setUp();
    read(1);
    link.start();
    system.turn(1000);
    streams[0]?.welcome();
    await settle();
    streams[0]?.cancel();
    system.turn(1000);
    streams[1]?.welcome();
    await settle();
    expect(streams[1]?.kinds()).toEqual(["hello", "series", "layout", "frame"]);
    expect(events.rewinds).toBe(2);
  });

  test.each([3_600_000, -3_600_000])(
    "a clock that is set by %s ms is learnt anew by a new stream, before any order is judged by it",
    async (by) => {
      const { system, link, streams, ordered } = setUp();
      link.start();
      system.turn(1000);
      streams[0]?.welcome();
      await settle();
      streams[0]?.order();
      expect(ordered()).toBe(1);
      system.wallSetBy = by;
      streams[0]?.order();
      expect(ordered()).toBe(1);
      expect(streams[0]?.isCut).toBe(true);
      system.turn(1000);
      streams[1]?.welcome();
      streams[1]?.order();
      expect(ordered()).toBe(2);
      expect(streams).toHaveLength(2);
    },
  );

  test("a clock that drifts is no clock that was set", async () => {
    const { system, link, streams } = setUp();
    link.start();
    system.turn(1000);
    streams[0]?.welcome();
    for (let beat = 0; beat < 30; beat++) {
      system.wallSetBy += 500;
      system.turn(1000);
      await settle();
    }
    expect(streams).toHaveLength(1);
    system.wallSetBy += 3_000;
    system.turn(1000);
    await settle();
    expect(streams[0]?.isCut).toBe(true);
  });

  test("what an old stream still says counts no more", async () => {
    const { system, link, streams } = setUp();
    link.start();
    system.turn(1000);
    streams[0]?.cancel();
    system.turn(1000);
    streams[0]?.events.ended(14, "late");
    streams[0]?.welcome();
    expect(streams).toHaveLength(2);
    expect(link.figures.state).toBe("greeting");
  });
});
