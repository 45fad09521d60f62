import { status } from "@grpc/grpc-js";
import { OrderMode } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { findNode } from "../fleet/fleet.module.js";
import { listCertificates, readHostState } from "../fleet/inventory.store.js";
import { revoke } from "../fleet/revoke-node.js";
import { readEntries } from "../journal/journal.module.js";
import { SYSTEM } from "../kernel/actor.js";
import { OpsError } from "../kernel/errors.js";
import { HOUR, SECOND } from "../kernel/time.js";
import { system } from "../platform/system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { AgentHouse, eventually, newRequest } from "./testing/agent-house.js";

let db: TestDatabase;
let house: AgentHouse;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.close());
beforeEach(async () => {
  house = await AgentHouse.open({ database: db.database });
});
afterEach(() => house.close());

let count = 0;
const newName = (): string => `node-${++count}`;
const kindsOf = async (nodeId: string): Promise<readonly string[]> =>
  (await readEntries(db.database, { subject: `node:${nodeId}`, limit: 100 })).map(({ kind }) => kind);

describe("a stream", () => {
  test("is welcomed after its hello: generation, resumption, heartbeat and order keys", async () => {
    const name = newName();
    const identity = await house.enroll(name);
    house.telemetry.resumeAfter = 41n;
    const agent = house.connect(identity);
    agent.say({
      case: "hello",
      value: {
        outboxId: "o",
        hostname: "db\u001b[31m-1",
        labels: { role: "db", "not a label": "x" },
        openCommandIds: ["c-1"],
      },
    });
    const welcome = await agent.hear("welcome");
    expect(welcome).toMatchObject({
      nodeId: identity.nodeId,
      sessionGeneration: 1n,
      heartbeatMs: 5_000,
      resumeAfterSequence: 41n,
    });
    expect(welcome.orderKeys).toHaveLength(1);
    expect(house.telemetry.opened).toEqual([{ id: identity.nodeId, name, outboxId: "o" }]);
    await eventually(() => house.desk.connections.length === 1);
    expect(house.desk.connections).toEqual([{ nodeId: identity.nodeId, open: ["c-1"] }]);
    expect(await findNode(db.database, name)).toMatchObject({
      liveness: "live",
      hostname: "db [31m-1",
      labels: { role: "db" },
      sessionGeneration: 1,
    });
    expect(await kindsOf(identity.nodeId)).toEqual(["node.enrolled", "node.live"]);
    agent.end();
    expect(await agent.over).toMatchObject({ code: status.OK });
  });

  test("that says something before its hello is ended", async () => {
    const agent = house.connect(await house.enroll(newName()));
    agent.say({ case: "heartbeat", value: {} });
    expect(await agent.over).toEqual({
      code: status.FAILED_PRECONDITION,
      details: "connect: the first message is heartbeat, expected hello",
    });
  });

  test("is ended by a second hello", async () => {
    const agent = await house.welcomed(await house.enroll(newName()));
    agent.say({ case: "hello", value: { outboxId: "o" } });
    expect(await agent.over).toMatchObject({ code: status.FAILED_PRECONDITION });
  });

  test("is ended by a newer one of the same node, and only that one counts from then on", async () => {
    const name = newName();
    const identity = await house.enroll(name);
    const first = await house.welcomed(identity);
    const second = await house.welcomed(identity);
    expect(await first.over).toEqual({
      code: status.ABORTED,
      details: `node "${name}" opened a newer stream`,
    });
    expect(house.fleet.sessions.generation(identity.nodeId)).toBe(2);
    expect(house.telemetry.closed).toBe(1);
    expect(
      house.fleet.sessions.send(identity.nodeId, { body: { case: "cancel", value: { commandId: "c" } } }),
    ).toBe("sent");
    expect(await second.hear("cancel")).toMatchObject({ commandId: "c" });
    expect(first.heard).toEqual([]);
  });

  test("that loses its connection is forgotten at once", async () => {
    const identity = await house.enroll(newName());
    const agent = await house.welcomed(identity);
    agent.cut();
    await eventually(() => !house.fleet.sessions.isConnected(identity.nodeId));
    expect(house.fleet.sessions.send(identity.nodeId, {})).toBe("not-connected");
    expect(house.telemetry.closed).toBe(1);
  });

  test("is sent away when the control plane stops, and new ones are refused", async () => {
    const identity = await house.enroll(newName());
    const agent = await house.welcomed(identity);
    const drained = house.link.drain();
    expect(await agent.hear("drain")).toMatchObject({ reconnectAfterMs: 1_000, jitterMs: 1_000 });
    expect(await agent.over).toMatchObject({ code: status.UNAVAILABLE });
    await drained;
    const late = house.connect(identity);
    late.say({ case: "hello", value: { outboxId: "o" } });
    expect(await late.over).toMatchObject({ code: status.UNAVAILABLE });
  });

  test("ends when the time-series room lost what it sent, so that it resumes", async () => {
    const agent = await house.welcomed(await house.enroll(newName()));
    house.telemetry.lose("the engine was restarted");
    expect(await agent.over).toEqual({ code: status.UNAVAILABLE, details: "the engine was restarted" });
  });
});

describe("who may connect", () => {
  test("not a node that was revoked: its stream is cut, and it is told so when it comes again", async () => {
    const name = newName();
    const identity = await house.enroll(name);
    const agent = await house.welcomed(identity);
    const began = performance.now();
    const { database, fleet } = house;
    await revoke({ database, system, sessions: fleet.sessions }, { node: name, reason: "sold", by: SYSTEM });
    const told = await agent.over;
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(told.code).toBe(status.PERMISSION_DENIED);
    expect(told.details).toMatch(new RegExp(`^certificate of node "${name}" was revoked at \\d{4}-`));
    const again = house.connect(identity);
    again.say({ case: "hello", value: { outboxId: "o" } });
    expect(await again.over).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: expect.stringMatching(/was revoked at .*: sold$/),
    });
  });

  test("not a node that was revoked on another replica: its stream here is cut within 2 s", async () => {
    await house.fleet.liveness.start();
    const other = await AgentHouse.open({ database: db.database });
    try {
      const name = newName();
      const identity = await house.enroll(name);
      const agent = await house.welcomed(identity);
      const began = performance.now();
      const { database, fleet } = other;
      await revoke({ database, system, sessions: fleet.sessions }, { node: name, reason: "", by: SYSTEM });
      expect(await agent.over).toMatchObject({ code: status.PERMISSION_DENIED });
      expect(performance.now() - began).toBeLessThan(2_000);
    } finally {
      await house.fleet.liveness.stop();
      await other.close();
    }
  });

  test("not with a certificate of another authority", async () => {
    const identity = await house.enroll(newName());
    const elsewhere = await AgentHouse.open({ database: db.database });
    const { csr, keyPem } = await newRequest();
    const { chainPem } = await elsewhere.authority.issueForNode(csr, identity.nodeId);
    await elsewhere.close();
    const agent = house.connect({ ...identity, keyPem, certificatePem: chainPem });
    agent.say({ case: "hello", value: { outboxId: "o" } });
    expect((await agent.over).code).toBe(status.UNAVAILABLE);
    expect(house.fleet.sessions.figures().opened).toBe(0);
  });

  test("not with a certificate that has expired", async () => {
    // A house that lives 25 hours ago gives certificates of a day; TLS looks at the real time.
    const clock = { ...system.clock, now: () => system.clock.now() - 25 * HOUR };
    const past = await AgentHouse.open({ database: db.database, clock });
    try {
      const agent = past.connect(await past.enroll(newName()));
      agent.say({ case: "hello", value: { outboxId: "o" } });
      expect((await agent.over).code).toBe(status.UNAVAILABLE);
      expect(past.fleet.sessions.figures().opened).toBe(0);
    } finally {
      await past.close();
    }
  });

  test("not with a certificate that the authority signed and the fleet does not know", async () => {
    const identity = await house.enroll(newName());
    const { csr, keyPem } = await newRequest();
    const { chainPem } = await house.authority.issueForNode(csr, identity.nodeId);
    const agent = house.connect({ ...identity, keyPem, certificatePem: chainPem });
    agent.say({ case: "hello", value: { outboxId: "o" } });
    expect(await agent.over).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: expect.stringContaining("not one that this control plane gave out"),
    });
  });
});

describe("what an agent says", () => {
  test("reaches the time-series room in order, and is acknowledged when it is durable", async () => {
    const identity = await house.enroll(newName());
    const agent = await house.welcomed(identity, "outbox-9");
    agent.say({ case: "series", value: { series: [{ ref: 1, labels: ["__name__", "up"] }] } });
    agent.say({ case: "layout", value: { layoutId: 1, refs: [1] } });
    for (let n = 1; n <= 500; n++) {
      agent.say({ case: "frame", value: { sequence: BigInt(n), layoutId: 1, values: new Uint8Array(8) } });
    }
    await eventually(() => house.telemetry.frames.length === 500);
    expect(house.telemetry.announced).toEqual([["__name__", "up"]]);
    expect(house.telemetry.frames.map(({ sequence }) => Number(sequence))).toEqual(
      Array.from({ length: 500 }, (_, n) => n + 1),
    );
    house.telemetry.durable(identity.nodeId, "another-outbox", 900n);
    house.telemetry.durable(identity.nodeId, "outbox-9", 200n);
    house.telemetry.durable(identity.nodeId, "outbox-9", 450n);
    expect(await agent.hear("acknowledge")).toMatchObject({ framesThrough: 450n, commands: [] });
  });

  test("waits in the agent while the time-series room is busy, and goes on after", async () => {
    const agent = await house.welcomed(await house.enroll(newName()));
    house.telemetry.answer = "busy";
    const frame = (n: number): boolean =>
      agent.say({
        case: "frame",
        value: { sequence: BigInt(n), layoutId: 1, values: new Uint8Array(65_536) },
      });
    for (let n = 1; n <= 100; n++) frame(n);
    await system.clock.sleep(300);
    expect(house.telemetry.frames).toEqual([]);
    house.telemetry.takeAgain();
    await eventually(() => house.telemetry.frames.length === 100);
  });

  test("is asked for again, once, when a layout is not known", async () => {
    const agent = await house.welcomed(await house.enroll(newName()));
    house.telemetry.answer = "unknown-layout";
    for (let n = 1; n <= 5; n++) {
      agent.say({ case: "frame", value: { sequence: BigInt(n), layoutId: 7 } });
    }
    await agent.hear("resendSeries");
    agent.say({ case: "layout", value: { layoutId: 7, refs: [] } });
    agent.say({ case: "frame", value: { sequence: 6n, layoutId: 7 } });
    await agent.hear("resendSeries");
    expect(agent.heard).toEqual([]);
  });

  test("of a command is stored in order and then acknowledged; a failure that passes is tried again here", async () => {
    const identity = await house.enroll(newName());
    const agent = await house.welcomed(identity);
    house.desk.failures = [new OpsError("UNAVAILABLE", "PostgreSQL is away")];
    for (let sequence = 1; sequence <= 200; sequence++) {
      agent.say({
        case: "commandEvent",
        value: { commandId: "c", sequence, mode: OrderMode.RUN, event: { case: "started", value: {} } },
      });
    }
    let through = 0;
    while (through < 200) {
      const { commands } = await agent.hear("acknowledge");
      expect(commands).toHaveLength(1);
      expect(commands[0]).toMatchObject({ commandId: "c", mode: OrderMode.RUN });
      through = commands[0]?.throughSequence ?? 0;
    }
    expect(house.desk.events.map(({ event }) => event.sequence)).toEqual(
      Array.from({ length: 200 }, (_, n) => n + 1),
    );
    expect(house.desk.events.every(({ from }) => from === identity.nodeId)).toBe(true);
  });

  test("of a command is not acknowledged past an event that cannot be stored", async () => {
    const agent = await house.welcomed(await house.enroll(newName()));
    house.desk.failures = [new OpsError("INTERNAL", "a fault of ours")];
    const say = (commandId: string, sequence: number): boolean =>
      agent.say({ case: "commandEvent", value: { commandId, sequence, mode: OrderMode.RUN } });
    say("broken", 1);
    say("broken", 2);
    say("sound", 1);
    const { commands } = await agent.hear("acknowledge");
    expect(commands).toMatchObject([{ commandId: "sound", throughSequence: 1 }]);
  });

  test("of its host is cleaned, bounded and stored", async () => {
    const identity = await house.enroll(newName());
    const agent = await house.welcomed(identity);
    const seconds = 253_402_300_799n * 1_000n;
    agent.say({
      case: "inventory",
      value: {
        hash: "h1",
        certificates: [
          {
            source: "file:/a\u0000.pem",
            subject: "CN=\u202ea",
            names: ["a"],
            notAfter: { seconds: 1_900_000_000n },
          },
          { source: "tls://b:443", notAfter: { seconds } },
          { source: "file:/c.pem", readError: "permission denied" },
        ],
        services: [{ name: "nginx.service", activeState: "failed", subState: "failed" }],
        processes: [{ pid: 1, name: "init", cpuRatio: Number.NaN, residentBytes: 12n, user: "root" }],
      },
    });
    const all = { nodeId: identity.nodeId, expiresBefore: undefined, after: undefined, limit: 10 };
    await eventually(async () => (await listCertificates(db.database, all)).length === 3);
    const found = await listCertificates(db.database, all);
    expect(found.map(({ source, subject, notAfter }) => [source, subject, notAfter])).toEqual([
      ["file:/a .pem", "CN= a", 1_900_000_000_000],
      ["tls://b:443", "", 253_402_300_799_000],
      ["file:/c.pem", "", undefined],
    ]);
    expect(await readHostState(db.database, identity.nodeId)).toEqual({
      services: [{ name: "nginx.service", activeState: "failed", subState: "failed" }],
      processes: [{ pid: 1, name: "init", cpuRatio: 0, residentBytes: 12, user: "root" }],
    });
  });

  test("for a new certificate is answered over the stream, which goes on; the new one opens the next", async () => {
    const name = newName();
    const identity = await house.enroll(name);
    const agent = await house.welcomed(identity);
    const { csr, keyPem } = await newRequest();
    agent.say({ case: "renew", value: { csr } });
    const renewed = await agent.hear("renewed");
    expect(renewed.caPem).toBe(identity.caPem);
    agent.say({ case: "heartbeat", value: {} });
    expect(house.fleet.sessions.isConnected(identity.nodeId)).toBe(true);
    const next = await house.welcomed({ ...identity, keyPem, certificatePem: renewed.certificatePem });
    expect(await agent.over).toMatchObject({ code: status.ABORTED });
    expect(await kindsOf(identity.nodeId)).toEqual(["node.enrolled", "node.live", "node.renewed"]);
    next.say({ case: "renew", value: { csr: new Uint8Array(9) } });
    expect(await next.over).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: "certificate request: csr is not a PKCS#10 request in DER",
    });
  });
});

describe("an agent that does not read", () => {
  test("is disconnected when its queue is full, though it never reads the reason", async () => {
    const identity = await house.enroll(newName());
    const agent = await house.welcomed(identity);
    agent.stopReading();
    const { sessions } = house.fleet;
    const order = new Uint8Array(16_384);
    let sent = 0;
    while (sessions.send(identity.nodeId, { body: { case: "order", value: { order } } }) === "sent") {
      sent += 1;
      if (sent % 8 === 0) await system.clock.sleep(1);
      expect(sent).toBeLessThan(1_000);
    }
    expect(sent).toBeGreaterThan(10);
    expect(sessions.figures()).toMatchObject({ streams: 0, slow: 1, queuedMessages: 0, queuedBytes: 0 });
    // By force: the reset reaches an agent that reads no data.
    expect((await agent.over).code).not.toBe(status.OK);
  });

  test("keeps nobody else waiting", async () => {
    const stuck = await house.enroll(newName());
    const other = await house.enroll(newName());
    const agent = await house.welcomed(stuck);
    agent.stopReading();
    const lively = await house.welcomed(other);
    const order = new Uint8Array(16_384);
    for (let n = 0; n < 30; n++)
      house.fleet.sessions.send(stuck.nodeId, { body: { case: "order", value: { order } } });
    house.fleet.sessions.send(other.nodeId, { body: { case: "cancel", value: { commandId: "c" } } });
    await lively.hear("cancel", SECOND);
  });
});
