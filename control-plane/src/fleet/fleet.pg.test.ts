import { create } from "@bufbuild/protobuf";
import {
  CreateJoinTokenRequestSchema,
  GetNodeRequestSchema,
  ListCertificatesRequestSchema,
  ListNodesRequestSchema,
  RevokeNodeRequestSchema,
  Liveness as WireLiveness,
} from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readEntries, verifyJournal } from "../journal/journal.module.js";
import { SYSTEM } from "../kernel/actor.js";
import { OpsError } from "../kernel/errors.js";
import { type NodeId, nodeId } from "../kernel/ids.js";
import { DAY, HOUR, SECOND } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import { silentLogger } from "../platform/logger.js";
import { sql } from "../platform/postgres/sql.js";
import { sha256Hex, systemDraws } from "../platform/system.js";
import { type FakeSystem, fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { findNode, readAdmission } from "./agents.store.js";
import type { Certifier } from "./certifier.js";
import type { Inventory } from "./domain/inventory.js";
import { enrollAgent, makeJoinToken, renewCertificate } from "./enroll-agent.js";
import { createFleet, type Fleet, StreamOpenings } from "./fleet.module.js";
import { certificateFigures, saveInventory } from "./inventory.store.js";
import { FlakyDatabase } from "./testing/flaky-database.js";
import type { UpSample } from "./up-series.js";

const START = Date.UTC(2026, 10, 22);
const context: CallContext = {
  caller: { actor: { kind: "human", name: "ada" }, roles: ["admin"], tokenId: "t" },
  trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true },
  signal: new AbortController().signal,
};
const DESCRIPTION = {
  agentVersion: "1.0.0",
  hostname: "h",
  os: "linux",
  machineId: "m",
  bootId: "b",
  labels: {},
  actions: ["clean-directory"],
  policyHash: "p",
};

let db: TestDatabase;
let fake: FakeSystem;
let fleet: Fleet;
let ups: UpSample[];
let count = 0;

/** An authority whose requests are the names of keys. */
const certifier: Certifier = {
  certificatePem: "PEM",
  fingerprint: "f".repeat(64),
  inspect: async (csr) => {
    if (csr.length === 0) throw new OpsError("INVALID_ARGUMENT", "csr is empty");
    return { keyHash: sha256Hex(csr) };
  },
  issueForNode: async () => ({
    serial: `4${systemDraws.hex(31)}`,
    chainPem: "PEM",
    issuedAt: fake.clock.now(),
    expiresAt: fake.clock.now() + DAY,
  }),
};

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.close());
beforeEach(() => {
  fake = fakeSystem(START);
  fleet = newFleet();
});

const deps = () => ({
  database: db.database,
  system: { clock: fake.clock, draws: systemDraws },
  certifier,
});

function newFleet(database = db.database): Fleet {
  ups = [];
  const taken = ups;
  return createFleet({
    ...deps(),
    database,
    logger: silentLogger,
    append: (samples) => void taken.push(...samples),
  });
}

const newName = (): string => `node-${++count}`;
const token = async (nodeName = ""): Promise<string> =>
  (await makeJoinToken(deps(), { nodeName, validFor: 0, by: SYSTEM })).text;
const wish = (joinToken: string, key: string, nodeName: string) => ({
  joinToken,
  csr: new TextEncoder().encode(key),
  nodeName,
  hostname: "h.example",
  agentVersion: "1",
  from: "127.0.0.1:9",
});
const enrolled = async (name = newName(), key = `key of ${name}`) =>
  enrollAgent(deps(), wish(await token(), key, name));

/** The node's stream on this replica, as the agents' door opens it. */
async function connect(node: { readonly nodeId: NodeId; readonly nodeName: string }, on = fleet) {
  const opened = await new StreamOpenings(db.database).open(
    { ...node, replicaId: on.replicaId, peer: "127.0.0.1:1" },
    DESCRIPTION,
    fake.clock.now(),
  );
  const ends: (OpsError | undefined)[] = [];
  const session = on.sessions.open({
    ...node,
    generation: opened.generation,
    certificateExpiresAt: fake.clock.now() + DAY,
    outboxId: "o",
    outlet: { write: () => true, end: (reason) => void ends.push(reason) },
  });
  on.sessions.announce(session);
  return { session, ends };
}

/** One look at the fleet, `after` ms from the start. */
async function look(after: number, at = fleet): Promise<void> {
  fake.clock.set(START + after);
  await at.liveness.run(fake.clock.now());
}

const livenessOf = async (id: NodeId) => (await findNode(db.database, id))?.liveness;
const entriesOf = async (id: NodeId) =>
  (await readEntries(db.database, { subject: `node:${id}`, limit: 100 })).map(({ kind }) => kind);

describe("enrolment", () => {
  test("gives an identity once for each token: of ten keys that use one at once, one gets it", async () => {
    const text = await token();
    const name = newName();
    const tries = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) => enrollAgent(deps(), wish(text, `key ${name} ${n}`, name))),
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
    const node = await findNode(db.database, name);
    expect(node).toMatchObject({ liveness: "never-seen", certificateExpiresAt: START + DAY });
    expect(await entriesOf(node?.nodeId ?? nodeId(""))).toEqual(["node.enrolled"]);
  });

  test("is given again to the same key, whose answer was lost on the way", async () => {
    const text = await token();
    const name = newName();
    const first = await enrollAgent(deps(), wish(text, "key", name));
    const second = await enrollAgent(deps(), wish(text, "key", name));
    expect(second.nodeId).toBe(first.nodeId);
    expect(second.certificate.serial).not.toBe(first.certificate.serial);
  });

  test("of a lost node with a new key keeps the node and ends its old certificates", async () => {
    const first = await enrolled();
    await db.database.query(sql`update node set liveness = 'lost' where node_id = ${first.nodeId}`);
    const second = await enrollAgent(deps(), wish(await token(), "another key", first.nodeName));
    expect(second.nodeId).toBe(first.nodeId);
    expect((await readAdmission(db.database, first.certificate.serial))?.certificateRevokedAt).toBe(START);
    expect(
      (await readAdmission(db.database, second.certificate.serial))?.certificateRevokedAt,
    ).toBeUndefined();
  });

  test("of a live node's name with another key is refused, and the token can still be used", async () => {
    const first = await enrolled();
    await connect(first);
    const text = await token();
    await expect(enrollAgent(deps(), wish(text, "another key", first.nodeName))).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    await expect(enrollAgent(deps(), wish(text, "another key", newName()))).resolves.toBeDefined();
  });

  test("without a name takes the host's, and adds to it when it is taken", async () => {
    const first = await enrollAgent(deps(), wish(await token(), "key a", ""));
    const second = await enrollAgent(deps(), wish(await token(), "key b", ""));
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
    const refused = enrollAgent(deps(), wish(text, "key", newName()));
    await expect(refused).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await expect(refused).rejects.toThrow(because);
  });

  test("with a bad request leaves the token unused", async () => {
    const text = await token();
    const name = newName();
    await expect(enrollAgent(deps(), wish(text, "", name))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(enrollAgent(deps(), wish(text, "key", name))).resolves.toMatchObject({ nodeName: name });
  });

  test("renews over the stream, unless the node was revoked", async () => {
    const node = await enrolled();
    const csr = new TextEncoder().encode("next key");
    const renewed = await renewCertificate(deps(), node.nodeId, csr);
    expect(await readAdmission(db.database, renewed.serial)).toMatchObject({ name: node.nodeName });
    await fleet.api.revokeNode(create(RevokeNodeRequestSchema, { nodeId: node.nodeId }), context);
    await expect(renewCertificate(deps(), node.nodeId, csr)).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
    });
    expect((await readAdmission(db.database, renewed.serial))?.certificateRevokedAt).toBe(START);
  });
});

describe("liveness", () => {
  test("a node that falls silent is late, then lost within 15 s, then live when heard again", async () => {
    const node = await enrolled();
    const { session } = await connect(node);
    const upOf = () => ups.filter(({ labels }) => labels["node"] === node.nodeName).at(-1);
    await look(1_000);
    expect(upOf()).toMatchObject({
      labels: { __name__: "up", job: "mainstay-agent", instance: node.nodeName },
      value: 1,
    });
    for (let at = 2_000; at <= 10_000; at += 1_000) await look(at);
    expect(await livenessOf(node.nodeId)).toBe("live");
    await look(11_000);
    expect(await livenessOf(node.nodeId)).toBe("late");
    expect(upOf()).toMatchObject({ value: 0, timestampMs: START + 11_000 });
    for (let at = 12_000; at <= 14_000; at += 1_000) await look(at);
    expect(await livenessOf(node.nodeId)).toBe("lost");
    fake.clock.set(START + 20_000);
    session.touch();
    for (let at = 20_000; at <= 21_000; at += 1_000) await look(at);
    expect(await livenessOf(node.nodeId)).toBe("live");
    expect(await entriesOf(node.nodeId)).toEqual([
      "node.enrolled",
      "node.live",
      "node.late",
      "node.lost",
      "node.live",
    ]);
    expect(upOf()).toMatchObject({ value: 1 });
    expect(await verifyJournal(db.database)).toMatchObject({ kind: "intact" });
  });

  test("a control plane that was away itself blames no node for it", async () => {
    const node = await enrolled();
    const { session } = await connect(node);
    await look(1_000);
    await look(60_000);
    expect(await livenessOf(node.nodeId)).toBe("live");
    session.touch();
    await look(61_000);
    expect(await livenessOf(node.nodeId)).toBe("live");
  });

  test("what cannot be stored now is stored later, by the time it was seen", async () => {
    const flaky = new FlakyDatabase(db.url);
    const other = newFleet(flaky);
    const node = await enrolled();
    await connect(node, other);
    await look(1_000, other);
    flaky.away = true;
    for (let at = 2_000; at <= 20_000; at += 1_000) {
      await expect(look(at, other)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    }
    expect(await livenessOf(node.nodeId)).toBe("live");
    flaky.away = false;
    await look(21_000, other);
    expect(await livenessOf(node.nodeId)).toBe("lost");
    await flaky.close();
  });

  test("the nodes of a replica that went away are given 30 s to come back, then they are lost", async () => {
    const gone = newFleet();
    const node = await enrolled();
    const moved = await enrolled();
    await gone.liveness.start();
    await connect(node, gone);
    await connect(moved, gone);
    await gone.liveness.stop();
    await db.database.query(sql`
      update replica set beat_at = beat_at - interval '10 s' where replica_id = ${gone.replicaId}`);
    await db.database.query(sql`delete from lease`);
    // Replicas beat by the database's clock, so this part runs on the real one.
    fake.clock.set(Date.now());
    const heir = newFleet();
    const began = fake.clock.now();
    await heir.liveness.start();
    await heir.liveness.loop.stop();
    await connect(moved, heir);
    const lookAt = async (after: number): Promise<void> => {
      fake.clock.set(began + after);
      heir.sessions.get(moved.nodeId)?.touch();
      await heir.liveness.run(fake.clock.now());
    };
    for (const after of [4_000, 8_000, 30_000, 40_000]) await lookAt(after);
    expect(await livenessOf(node.nodeId)).toBe("live");
    await lookAt(44_000);
    expect(await livenessOf(node.nodeId)).toBe("lost");
    expect((await findNode(db.database, node.nodeId))?.livenessBecause).toContain(
      "the replica of the control plane",
    );
    expect(await livenessOf(moved.nodeId)).toBe("live");
    expect(ups.filter(({ labels }) => labels["node"] === node.nodeName).at(-1)).toMatchObject({ value: 0 });
    await heir.liveness.stop();
  });

  test("a stream that was overtaken on another replica, unheard, is ended when its time is noted", async () => {
    const node = await enrolled();
    const { ends, session } = await connect(node);
    const other = newFleet();
    await connect(node, other);
    expect(ends).toEqual([]);
    fake.clock.set(START + 14_000);
    session.touch();
    await look(15_000);
    expect(ends).toMatchObject([{ code: "ABORTED" }]);
  });

  test("of two thousand nodes that fall silent at once is stored in one look", async () => {
    await db.database.query(sql`
      insert into node (node_id, name, key_hash, enrolled_at, liveness, liveness_since, session_generation, replica_id)
      select 'many-' || n, 'many-' || n, 'k', now(), 'live', now(), 1, ${fleet.replicaId}
      from generate_series(1, 2000) n`);
    for (let n = 1; n <= 2_000; n++) {
      fleet.sessions.open({
        nodeId: nodeId(`many-${n}`),
        nodeName: `many-${n}`,
        generation: 1,
        certificateExpiresAt: START + DAY,
        outboxId: "o",
        outlet: { write: () => true, end: () => {} },
      });
    }
    await look(1_000);
    for (let at = 2_000; at <= 13_000; at += 1_000) await look(at);
    const began = performance.now();
    await look(14_000);
    expect(performance.now() - began).toBeLessThan(5_000);
    const [row] = await db.database.query<{ lost: string }>(sql`
      select count(*) as lost from node where node_id like 'many-%' and liveness = 'lost'`);
    expect(Number(row?.lost)).toBe(2_000);
    await db.database.query(sql`delete from node where node_id like 'many-%'`);
  });
});

describe("streams that begin at once", () => {
  test("are stored each with its own word, a node's second after its first, and none for a revoked node", async () => {
    const nodes = await Promise.all(Array.from({ length: 8 }, () => enrolled()));
    const [twice, gone] = nodes;
    if (twice === undefined || gone === undefined) throw new Error("nobody enrolled");
    await fleet.api.revokeNode(create(RevokeNodeRequestSchema, { nodeId: gone.nodeId }), context);
    const openings = new StreamOpenings(db.database);
    const opened = await Promise.allSettled(
      [...nodes, twice].map(({ nodeId, nodeName }) =>
        openings.open(
          { nodeId, nodeName, replicaId: fleet.replicaId, peer: "127.0.0.1:1" },
          { ...DESCRIPTION, hostname: `host of ${nodeName}`, actions: [nodeName, "b"], labels: { nodeName } },
          fake.clock.now(),
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
      expect(await findNode(db.database, nodeId)).toMatchObject({
        hostname: `host of ${nodeName}`,
        actions: [nodeName, "b"],
        labels: { nodeName },
        liveness: "live",
        replicaId: fleet.replicaId,
      });
      const entries = await readEntries(db.database, { subject: `node:${nodeId}`, limit: 9 });
      expect(entries.map(({ kind }) => kind)).toEqual(["node.enrolled", "node.live"]);
    }
  });

  test("that PostgreSQL refuses do not take the others along", async () => {
    const [good, bad] = await Promise.all([enrolled(), enrolled()]);
    const openings = new StreamOpenings(db.database);
    const openOne = ({ nodeId, nodeName }: typeof good, hostname: string) =>
      openings.open(
        { nodeId, nodeName, replicaId: fleet.replicaId, peer: "127.0.0.1:1" },
        { ...DESCRIPTION, hostname },
        fake.clock.now(),
      );
    // The first is stored alone; the next two wait for it and go together.
    const opened = await Promise.allSettled([openOne(good, "h"), openOne(bad, "\0"), openOne(good, "h")]);
    expect(opened.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});

describe("FleetService", () => {
  test("pages through the nodes by name, each once", async () => {
    const names: string[] = [];
    for (let n = 0; n < 7; n++) names.push((await enrolled(`page-${n}`)).nodeName);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await fleet.api.listNodes(
        create(ListNodesRequestSchema, {
          page: { size: 3, token: pageToken },
          liveness: WireLiveness.NEVER_SEEN,
        }),
        context,
      );
      expect(page.nodes?.length).toBeLessThanOrEqual(3);
      seen.push(...(page.nodes ?? []).map(({ name }) => name ?? ""));
      pageToken = page.nextToken ?? "";
    } while (pageToken !== "");
    expect(seen.filter((name) => name.startsWith("page-"))).toEqual(names);
    expect(new Set(seen).size).toBe(seen.length);
  });

  test("finds a node by id or name, and names the one it does not find", async () => {
    const node = await enrolled();
    const get = (id: string) => fleet.api.getNode(create(GetNodeRequestSchema, { nodeId: id }), context);
    expect((await get(node.nodeName)).node).toMatchObject({ nodeId: node.nodeId });
    expect((await get(node.nodeId)).node).toMatchObject({ name: node.nodeName });
    await expect(get("no\u0000body")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(get("nobody")).rejects.toThrow('there is no node "nobody"');
  });

  test("revokes: the stream is cut, the name is free, and the journal says who and why", async () => {
    const node = await enrolled();
    const { ends } = await connect(node);
    const revoke = create(RevokeNodeRequestSchema, { nodeId: node.nodeName, reason: "sold\u001b[0m" });
    const { node: after } = await fleet.api.revokeNode(revoke, context);
    expect(after).toMatchObject({ liveness: WireLiveness.REVOKED, livenessBecause: "sold [0m" });
    expect(ends).toMatchObject([{ code: "PERMISSION_DENIED" }]);
    const [entry] = await readEntries(db.database, { subject: `node:${node.nodeId}`, limit: 1, tail: true });
    expect(entry).toMatchObject({ kind: "node.revoked", actor: { name: "ada" }, because: "sold [0m" });
    await look(1_000);
    expect(ups.filter(({ timestampMs }) => timestampMs > START)).toEqual([]);
    const again = await enrolled(node.nodeName, "another key");
    expect(again.nodeId).not.toBe(node.nodeId);
  });

  test("makes join tokens for a name and a time, within bounds", async () => {
    const make = (nodeName: string, validSeconds: number) =>
      fleet.api.createJoinToken(create(CreateJoinTokenRequestSchema, { nodeName, validSeconds }), context);
    const made = await make("only-me", 60);
    await expect(enrollAgent(deps(), wish(made.token ?? "", "key", "not-me"))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    fake.clock.advance(60 * SECOND);
    await expect(enrollAgent(deps(), wish(made.token ?? "", "key", "only-me"))).rejects.toThrow(
      "has expired",
    );
    await expect(make("Not A Name", 0)).rejects.toThrow('node_name "Not A Name" is not');
    await expect(make("", 8 * 86_400)).rejects.toThrow("valid_seconds is 691200 s, at most 7 days");
  });

  test("lists certificates of the fleet, soonest expiry first, page by page, unreadable ones last", async () => {
    const nodes = [await enrolled(), await enrolled()];
    for (const [n, node] of nodes.entries()) {
      await saveInventory(db.database, node.nodeId, inventory(n), START);
      // Told again with other processes, the certificates stay as they are.
      await saveInventory(db.database, node.nodeId, { ...inventory(n), hash: "h2" }, START);
    }
    const list = (extra: object) =>
      fleet.api.listCertificates(create(ListCertificatesRequestSchema, extra), context);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await list({ page: { size: 2, token: pageToken } });
      seen.push(...(page.certificates ?? []).map(({ source }) => source ?? ""));
      pageToken = page.nextToken ?? "";
    } while (pageToken !== "");
    expect(seen.slice(0, 4)).toEqual(["soon-0", "soon-1", "later-0", "later-1"]);
    expect(seen.slice(4).sort()).toEqual(["broken-0", "broken-1"]);
    const soon = await list({ expiresWithinSeconds: 7_200n });
    expect(soon.certificates).toHaveLength(2);
    const one = await list({ nodeId: nodes[0]?.nodeName ?? "" });
    expect(one.certificates).toHaveLength(3);
    expect(await certificateFigures(db.database)).toEqual({ count: 4, nearestExpiry: START + HOUR });
    for (const bad of ["x", Buffer.from('{"notAfter":1e300}').toString("base64url")]) {
      await expect(list({ page: { size: 2, token: bad } })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    await expect(list({ page: { size: 1_001 } })).rejects.toThrow("page.size is 1001, at most 1000");
  });
});

function inventory(n: number): Inventory {
  const base = {
    subject: "",
    issuer: "",
    names: ["a", "b"],
    serial: "",
    fingerprint: "",
    notBefore: START,
    chainIndex: 0,
    verificationError: "",
    readError: "",
  };
  return {
    hash: "h",
    takenAt: START,
    certificates: [
      { ...base, source: `later-${n}`, notAfter: START + DAY + n },
      { ...base, source: `broken-${n}`, notAfter: undefined, readError: "permission denied" },
      { ...base, source: `soon-${n}`, notAfter: START + HOUR + n },
    ],
    services: [],
    processes: [],
  };
}
