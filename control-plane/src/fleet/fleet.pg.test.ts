import { create } from "@bufbuild/protobuf";
import { RevokeNodeRequestSchema } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { readEntries, verifyJournal } from "../journal/journal.module.js";
import { nodeId } from "../kernel/ids.js";
import { DAY, HOUR, SECOND } from "../kernel/time.js";
import { sql } from "../platform/postgres/sql.js";
import { findNamedNodes, findNode, readAdmission } from "./agents.store.js";
import { enrollAgent, renewCertificate } from "./enroll-agent.js";
import { StreamOpenings } from "./fleet.module.js";
import { FlakyDatabase } from "./testing/flaky-database.js";
import { context, DESCRIPTION, FleetHouse, START } from "./testing/fleet-house.js";

let house: FleetHouse;
beforeAll(async () => {
  house = await FleetHouse.open();
});
afterAll(() => house.close());
beforeEach(() => house.begin());

describe("enrolment", () => {
  test("gives an identity once for each token: of ten keys that use one at once, one gets it", async () => {
    const text = await house.token();
    const name = house.newName();
    const tries = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) =>
        enrollAgent(house.deps(), house.wish(text, `key ${name} ${n}`, name)),
      ),
    );
    const given = tries.filter((outcome) => outcome.status === "fulfilled");
    expect(given).toHaveLength(1);
    for (const outcome of tries) {
      if (outcome.status === "rejected") {
        expect(outcome.reason).toMatchObject({
          code: "UNAUTHENTICATED",
          message: "enroll: the join token was used already, by another key",
        });
      }
    }
    const node = await findNode(house.db.database, name);
    expect(node).toMatchObject({ liveness: "never-seen", certificateExpiresAt: START + DAY });
    expect(await house.entriesOf(node?.nodeId ?? nodeId(""))).toEqual(["node.enrolled"]);
  });

  test("is given again to the same key, whose answer was lost on the way", async () => {
    const text = await house.token();
    const name = house.newName();
    const first = await enrollAgent(house.deps(), house.wish(text, "key", name));
    const second = await enrollAgent(house.deps(), house.wish(text, "key", name));
    expect(second.nodeId).toBe(first.nodeId);
    expect(second.certificate.serial).not.toBe(first.certificate.serial);
  });

  test("of a lost node with a new key keeps the node and ends its old certificates", async () => {
    const first = await house.enrolled();
    await house.db.database.query(sql`update node set liveness = 'lost' where node_id = ${first.nodeId}`);
    const second = await enrollAgent(
      house.deps(),
      house.wish(await house.token(), "another key", first.nodeName),
    );
    expect(second.nodeId).toBe(first.nodeId);
    expect((await readAdmission(house.db.database, first.certificate.serial))?.certificateRevokedAt).toBe(
      START,
    );
    expect(
      (await readAdmission(house.db.database, second.certificate.serial))?.certificateRevokedAt,
    ).toBeUndefined();
  });

  test("of a live node's name with another key is refused, and the token can still be used", async () => {
    const first = await house.enrolled();
    await house.connect(first);
    const text = await house.token();
    await expect(
      enrollAgent(house.deps(), house.wish(text, "another key", first.nodeName)),
    ).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    await expect(
      enrollAgent(house.deps(), house.wish(text, "another key", house.newName())),
    ).resolves.toBeDefined();
  });

  test("without a name takes the host's, and adds to it when it is taken", async () => {
    const first = await enrollAgent(house.deps(), house.wish(await house.token(), "key a", ""));
    const second = await enrollAgent(house.deps(), house.wish(await house.token(), "key b", ""));
    expect(first.nodeName).toBe("h");
    expect(second.nodeName).toMatch(/^h-[0-9a-f]{6}$/);
  });

  test.each([
    { what: "no token", text: "", because: "malformed" },
    {
      what: "a token of another control plane",
      text: `mjt_${"0".repeat(16)}_${"a".repeat(43)}_${"0".repeat(64)}`,
      because: "for another control plane",
    },
    {
      what: "a token that was never made",
      text: `mjt_${"0".repeat(16)}_${"a".repeat(43)}_${"f".repeat(64)}`,
      because: "the join token is unknown",
    },
  ])("with $what is refused", async ({ text, because }) => {
    const refused = enrollAgent(house.deps(), house.wish(text, "key", house.newName()));
    await expect(refused).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await expect(refused).rejects.toThrow(because);
  });

  test("with a bad request leaves the token unused", async () => {
    const text = await house.token();
    const name = house.newName();
    await expect(enrollAgent(house.deps(), house.wish(text, "", name))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(enrollAgent(house.deps(), house.wish(text, "key", name))).resolves.toMatchObject({
      nodeName: name,
    });
  });

  test("renews over the stream, unless the node was revoked", async () => {
    const node = await house.enrolled();
    const csr = new TextEncoder().encode("next key");
    const renewed = await renewCertificate(house.deps(), node.nodeId, csr);
    expect(await readAdmission(house.db.database, renewed.serial)).toMatchObject({ name: node.nodeName });
    await house.fleet.api.revokeNode(create(RevokeNodeRequestSchema, { nodeId: node.nodeId }), context);
    await expect(renewCertificate(house.deps(), node.nodeId, csr)).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
    });
    expect((await readAdmission(house.db.database, renewed.serial))?.certificateRevokedAt).toBe(START);
  });
});

test("nodes are found by id and by name, many at once; of a name, the one that is not revoked, else the last that was", async () => {
  const [a, b, gone] = [await house.enrolled(), await house.enrolled(), await house.enrolled()];
  const { database } = house.db;
  const revoked = (at: number) => sql`update node set revoked_at = ${new Date(at)}, name = ${b.nodeName}
    where node_id = ${gone.nodeId}`;
  await database.query(revoked(START));
  const found = await findNamedNodes(database, [a.nodeId, b.nodeName, gone.nodeId, "nobody", a.nodeId]);
  expect([...found].map(([wanted, { nodeId: id }]) => [wanted, id]).sort()).toEqual(
    [
      [a.nodeId, a.nodeId],
      [b.nodeName, b.nodeId],
      [gone.nodeId, gone.nodeId],
    ].sort(),
  );
  await database.query(sql`update node set revoked_at = ${new Date(START - 1)} where node_id = ${b.nodeId}`);
  expect((await findNode(database, b.nodeName))?.nodeId).toBe(gone.nodeId);
  expect(await findNode(database, "nobody")).toBeUndefined();
});

describe("liveness", () => {
  test("a node that falls silent is late, then lost within 15 s, then live when heard again", async () => {
    const node = await house.enrolled();
    const { session } = await house.connect(node);
    const upOf = () => house.ups.filter(({ labels }) => labels["node"] === node.nodeName).at(-1);
    await house.look(1_000);
    expect(upOf()).toMatchObject({
      labels: { __name__: "up", job: "mainstay-agent", instance: node.nodeName },
      value: 1,
    });
    for (let at = 2_000; at <= 10_000; at += 1_000) await house.look(at);
    expect(await house.livenessOf(node.nodeId)).toBe("live");
    await house.look(11_000);
    expect(await house.livenessOf(node.nodeId)).toBe("late");
    expect(upOf()).toMatchObject({ value: 0, timestampMs: START + 11_000 });
    for (let at = 12_000; at <= 14_000; at += 1_000) await house.look(at);
    expect(await house.livenessOf(node.nodeId)).toBe("lost");
    house.fake.clock.set(START + 20_000);
    session.touch();
    for (let at = 20_000; at <= 21_000; at += 1_000) await house.look(at);
    expect(await house.livenessOf(node.nodeId)).toBe("live");
    expect(await house.entriesOf(node.nodeId)).toEqual([
      "node.enrolled",
      "node.live",
      "node.late",
      "node.lost",
      "node.live",
    ]);
    expect(upOf()).toMatchObject({ value: 1 });
    expect(await verifyJournal(house.db.database)).toMatchObject({ kind: "intact" });
  });

  test("a control plane that was away itself blames no node for it", async () => {
    const node = await house.enrolled();
    const { session } = await house.connect(node);
    await house.look(1_000);
    await house.look(60_000);
    expect(await house.livenessOf(node.nodeId)).toBe("live");
    session.touch();
    await house.look(61_000);
    expect(await house.livenessOf(node.nodeId)).toBe("live");
  });

  test("what cannot be stored now is stored later, by the time it was seen", async () => {
    const flaky = new FlakyDatabase(house.db.url);
    const other = house.newFleet(flaky);
    const node = await house.enrolled();
    await house.connect(node, other);
    await house.look(1_000, other);
    flaky.away = true;
    for (let at = 2_000; at <= 20_000; at += 1_000) {
      await expect(house.look(at, other)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    }
    expect(await house.livenessOf(node.nodeId)).toBe("live");
    flaky.away = false;
    await house.look(21_000, other);
    expect(await house.livenessOf(node.nodeId)).toBe("lost");
    await flaky.close();
  });

  test.each([HOUR, -HOUR])(
    "our own clock set by %i ms accuses nobody, and agents come again to learn it",
    async (by) => {
      const node = await house.enrolled();
      const { session } = await house.connect(node);
      const run = () => house.fleet.liveness.run(house.fake.clock.now());
      await run();
      house.fake.clock.advance(SECOND);
      house.fake.clock.jump(by);
      const running = run();
      // Until it has come again nothing is sent to it: it would judge by a time that is wrong.
      await vi.waitFor(() => expect(house.fleet.sessions.isConnected(node.nodeId)).toBe(false));
      session.end(undefined);
      house.fake.clock.advance(SECOND);
      await running;
      expect(await house.livenessOf(node.nodeId)).toBe("live");
      const pass = async (seconds: number): Promise<void> => {
        for (let second = 0; second < seconds; second++) {
          house.fake.clock.advance(SECOND);
          await run();
        }
      };
      await pass(8);
      expect(await house.livenessOf(node.nodeId)).toBe("live");
      await pass(8);
      expect(await house.livenessOf(node.nodeId)).toBe("lost");
      house.fake.clock.jump(-by);
    },
  );

  test("nobody is lost who may stand in line at the door, for five minutes at most", async () => {
    const gone = house.newFleet();
    const node = await house.enrolled();
    await gone.liveness.start();
    await house.connect(node, gone);
    await gone.liveness.stop();
    await house.db.database.query(sql`
      update replica set beat_at = beat_at - interval '10 s' where replica_id = ${gone.replicaId}`);
    await house.db.database.query(sql`delete from lease`);
    house.fake.clock.set(Date.now());
    const heir = house.newFleet();
    const began = house.fake.clock.now();
    let crowdedFor = 0;
    heir.liveness.excuse(() => began + crowdedFor);
    await heir.liveness.start();
    await heir.liveness.loop.stop();
    const lookAt = async (after: number, crowded: number): Promise<string | undefined> => {
      crowdedFor = crowded;
      house.fake.clock.set(began + after);
      await heir.liveness.run(house.fake.clock.now());
      return house.livenessOf(node.nodeId);
    };
    for (let after = 4_000; after <= 300_000; after += 4_000) expect(await lookAt(after, after)).toBe("live");
    await lookAt(310_000, 310_000);
    expect(await lookAt(314_000, 314_000)).toBe("lost");
  });

  test("the nodes of a replica that went away are given 30 s to come back, then they are lost", async () => {
    const gone = house.newFleet();
    const node = await house.enrolled();
    const moved = await house.enrolled();
    await gone.liveness.start();
    await house.connect(node, gone);
    await house.connect(moved, gone);
    await gone.liveness.stop();
    await house.db.database.query(sql`
      update replica set beat_at = beat_at - interval '10 s' where replica_id = ${gone.replicaId}`);
    await house.db.database.query(sql`delete from lease`);
    // Replicas beat by the database's clock, so this part runs on the real one.
    house.fake.clock.set(Date.now());
    const heir = house.newFleet();
    const began = house.fake.clock.now();
    await heir.liveness.start();
    await heir.liveness.loop.stop();
    await house.connect(moved, heir);
    const lookAt = async (after: number): Promise<void> => {
      house.fake.clock.set(began + after);
      heir.sessions.get(moved.nodeId)?.touch();
      await heir.liveness.run(house.fake.clock.now());
    };
    for (const after of [4_000, 8_000, 30_000, 40_000]) await lookAt(after);
    expect(await house.livenessOf(node.nodeId)).toBe("live");
    await lookAt(44_000);
    expect(await house.livenessOf(node.nodeId)).toBe("lost");
    expect((await findNode(house.db.database, node.nodeId))?.livenessBecause).toContain(
      "the replica of the control plane",
    );
    expect(await house.livenessOf(moved.nodeId)).toBe("live");
    expect(house.ups.filter(({ labels }) => labels["node"] === node.nodeName).at(-1)).toMatchObject({
      value: 0,
    });
    await heir.liveness.stop();
  });

  test("a stream that was overtaken on another replica, unheard, is ended when its time is noted", async () => {
    const node = await house.enrolled();
    const { ends, session } = await house.connect(node);
    const other = house.newFleet();
    await house.connect(node, other);
    expect(ends).toEqual([]);
    house.fake.clock.set(START + 14_000);
    session.touch();
    await house.look(15_000);
    expect(ends).toMatchObject([{ code: "ABORTED" }]);
  });

  test("of two thousand nodes that fall silent at once is stored in one look", async () => {
    await house.db.database.query(sql`
      insert into node (node_id, name, key_hash, enrolled_at, liveness, liveness_since, session_generation, replica_id)
      select 'many-' || n, 'many-' || n, 'k', now(), 'live', now(), 1, ${house.fleet.replicaId}
      from generate_series(1, 2000) n`);
    for (let n = 1; n <= 2_000; n++) {
      house.fleet.sessions.open({
        nodeId: nodeId(`many-${n}`),
        nodeName: `many-${n}`,
        generation: 1,
        certificateExpiresAt: START + DAY,
        outboxId: "o",
        outlet: { write: () => true, end: () => {} },
      });
    }
    await house.look(1_000);
    for (let at = 2_000; at <= 13_000; at += 1_000) await house.look(at);
    const began = performance.now();
    await house.look(14_000);
    expect(performance.now() - began).toBeLessThan(5_000);
    const [row] = await house.db.database.query<{ lost: string }>(sql`
      select count(*) as lost from node where node_id like 'many-%' and liveness = 'lost'`);
    expect(Number(row?.lost)).toBe(2_000);
    await house.db.database.query(sql`delete from node where node_id like 'many-%'`);
  });
});

describe("streams that begin at once", () => {
  test("are stored each with its own word, a node's second after its first, and none for a revoked node", async () => {
    const nodes = await Promise.all(Array.from({ length: 8 }, () => house.enrolled()));
    const [twice, gone] = nodes;
    if (twice === undefined || gone === undefined) throw new Error("nobody enrolled");
    await house.fleet.api.revokeNode(create(RevokeNodeRequestSchema, { nodeId: gone.nodeId }), context);
    const openings = new StreamOpenings(house.db.database);
    const opened = await Promise.allSettled(
      [...nodes, twice].map(({ nodeId, nodeName }) =>
        openings.open(
          { nodeId, nodeName, replicaId: house.fleet.replicaId, peer: "127.0.0.1:1" },
          { ...DESCRIPTION, hostname: `host of ${nodeName}`, actions: [nodeName, "b"], labels: { nodeName } },
          house.fake.clock.now(),
        ),
      ),
    );
    expect(opened.map((each) => (each.status === "fulfilled" ? each.value : each.reason.code))).toEqual([
      { generation: 1, before: "never-seen" },
      "PERMISSION_DENIED",
      ...nodes.slice(2).map(() => ({ generation: 1, before: "never-seen" })),
      { generation: 2, before: "live" },
    ]);
    for (const { nodeId, nodeName } of nodes.slice(2)) {
      expect(await findNode(house.db.database, nodeId)).toMatchObject({
        hostname: `host of ${nodeName}`,
        actions: [nodeName, "b"],
        labels: { nodeName },
        liveness: "live",
        replicaId: house.fleet.replicaId,
      });
      const entries = await readEntries(house.db.database, { subject: `node:${nodeId}`, limit: 9 });
      expect(entries.map(({ kind }) => kind)).toEqual(["node.enrolled", "node.live"]);
    }
  });

  test("that PostgreSQL refuses do not take the others along", async () => {
    const [good, bad] = await Promise.all([house.enrolled(), house.enrolled()]);
    const openings = new StreamOpenings(house.db.database);
    const openOne = ({ nodeId, nodeName }: typeof good, hostname: string) =>
      openings.open(
        { nodeId, nodeName, replicaId: house.fleet.replicaId, peer: "127.0.0.1:1" },
        { ...DESCRIPTION, hostname },
        house.fake.clock.now(),
      );
    // The first is stored alone; the next two wait for it and go together.
    const opened = await Promise.allSettled([openOne(good, "h"), openOne(bad, "\0"), openOne(good, "h")]);
    expect(opened.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});
