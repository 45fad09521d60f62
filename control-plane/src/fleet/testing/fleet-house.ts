/** A fleet over a real PostgreSQL, with an authority that signs whatever it is asked to and a clock that is turned by hand. */
import { readEntries } from "../../journal/journal.module.js";
import { SYSTEM } from "../../kernel/actor.js";
import { OpsError } from "../../kernel/errors.js";
import type { NodeId } from "../../kernel/ids.js";
import { DAY } from "../../kernel/time.js";
import type { CallContext } from "../../platform/call.js";
import { silentLogger } from "../../platform/logger.js";
import { sha256Hex, systemDraws } from "../../platform/system.js";
import { type FakeSystem, fakeSystem } from "../../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/test-database.js";
import { findNode } from "../agents.store.js";
import type { Certifier } from "../certifier.js";
import { enrollAgent, makeJoinToken } from "../enroll-agent.js";
import { createFleet, type Fleet, StreamOpenings } from "../fleet.module.js";
import type { UpSample } from "../up-series.js";

export const START = Date.UTC(2026, 10, 22);
export const context: CallContext = {
  caller: { actor: { kind: "human", name: "ada" }, roles: ["admin"], tokenId: "t" },
  trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true },
  signal: new AbortController().signal,
};
export const DESCRIPTION = {
  agentVersion: "1.0.0",
  hostname: "h",
  os: "linux",
  machineId: "m",
  bootId: "b",
  labels: {},
  actions: ["clean-directory"],
  policyHash: "p",
};

/** Of a node, as streams and sessions name it. */
interface Named {
  readonly nodeId: NodeId;
  readonly nodeName: string;
}

export class FleetHouse {
  fake: FakeSystem = fakeSystem(START);
  /** What the newest fleet has said of who is up. */
  ups: UpSample[] = [];
  fleet: Fleet;
  #names = 0;

  /** An authority whose requests are the names of keys. */
  readonly #certifier: Certifier = {
    certificatePem: "PEM",
    fingerprint: "f".repeat(64),
    inspect: async (csr) => {
      if (csr.length === 0) throw new OpsError("INVALID_ARGUMENT", "csr is empty");
      return { keyHash: sha256Hex(csr) };
    },
    issueForNode: async () => ({
      serial: `4${systemDraws.hex(31)}`,
      chainPem: "PEM",
      issuedAt: this.fake.clock.now(),
      expiresAt: this.fake.clock.now() + DAY,
    }),
  };

  private constructor(readonly db: TestDatabase) {
    this.fleet = this.newFleet();
  }

  static async open(): Promise<FleetHouse> {
    return new FleetHouse(await createTestDatabase());
  }

  /** For each test: the start again, and a replica that knows nobody, over the database as it is. */
  begin(): void {
    this.fake = fakeSystem(START);
    this.fleet = this.newFleet();
  }

  close(): Promise<void> {
    return this.db.close();
  }

  deps() {
    return {
      database: this.db.database,
      system: { clock: this.fake.clock, draws: systemDraws },
      certifier: this.#certifier,
    };
  }

  newFleet(database = this.db.database): Fleet {
    const taken: UpSample[] = [];
    this.ups = taken;
    return createFleet({
      ...this.deps(),
      database,
      logger: silentLogger,
      append: (samples) => void taken.push(...samples),
    });
  }

  newName(): string {
    return `node-${++this.#names}`;
  }

  async token(nodeName = ""): Promise<string> {
    return (await makeJoinToken(this.deps(), { nodeName, validFor: 0, by: SYSTEM })).text;
  }

  wish(joinToken: string, key: string, nodeName: string) {
    return {
      joinToken,
      csr: new TextEncoder().encode(key),
      nodeName,
      hostname: "h.example",
      agentVersion: "1",
      from: "127.0.0.1:9",
    };
  }

  async enrolled(name = this.newName(), key = `key of ${name}`) {
    return enrollAgent(this.deps(), this.wish(await this.token(), key, name));
  }

  /** The node's stream on this replica, as the agents' door opens it. */
  async connect(node: Named, on = this.fleet) {
    const opened = await new StreamOpenings(this.db.database).open(
      { ...node, replicaId: on.replicaId, peer: "127.0.0.1:1" },
      DESCRIPTION,
      this.fake.clock.now(),
    );
    const ends: (OpsError | undefined)[] = [];
    const session = on.sessions.open({
      ...node,
      generation: opened.generation,
      certificateExpiresAt: this.fake.clock.now() + DAY,
      outboxId: "o",
      outlet: { write: () => true, end: (reason) => void ends.push(reason) },
    });
    on.sessions.announce(session);
    return { session, ends };
  }

  /** One look at the fleet, `after` ms from the start. */
  async look(after: number, at = this.fleet): Promise<void> {
    this.fake.clock.set(START + after);
    await at.liveness.run(this.fake.clock.now());
  }

  async livenessOf(id: NodeId) {
    return (await findNode(this.db.database, id))?.liveness;
  }

  async entriesOf(id: NodeId): Promise<string[]> {
    const entries = await readEntries(this.db.database, { subject: `node:${id}`, limit: 100 });
    return entries.map(({ kind }) => kind);
  }
}
