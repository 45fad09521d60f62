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
import { readEntries } from "../journal/journal.module.js";
import { DAY, HOUR, SECOND } from "../kernel/time.js";
import type { Inventory } from "./domain/inventory.js";
import { enrollAgent } from "./enroll-agent.js";
import { certificateFigures, saveInventory } from "./inventory.store.js";
import { context, FleetHouse, START } from "./testing/fleet-house.js";

let house: FleetHouse;
beforeAll(async () => {
  house = await FleetHouse.open();
});
afterAll(() => house.close());
beforeEach(() => house.begin());

describe("FleetService", () => {
  test("pages through the nodes by name, each once", async () => {
    const names: string[] = [];
    for (let n = 0; n < 7; n++) names.push((await house.enrolled(`page-${n}`)).nodeName);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await house.fleet.api.listNodes(
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
    const node = await house.enrolled();
    const get = (id: string) =>
      house.fleet.api.getNode(create(GetNodeRequestSchema, { nodeId: id }), context);
    expect((await get(node.nodeName)).node).toMatchObject({ nodeId: node.nodeId });
    expect((await get(node.nodeId)).node).toMatchObject({ name: node.nodeName });
    await expect(get("no\u0000body")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(get("nobody")).rejects.toThrow('there is no node "nobody"');
  });

  test("revokes: the stream is cut, the name is free, and the journal says who and why", async () => {
    const node = await house.enrolled();
    const { ends } = await house.connect(node);
    const revoke = create(RevokeNodeRequestSchema, { nodeId: node.nodeName, reason: "sold\u001b[0m" });
    const { node: after } = await house.fleet.api.revokeNode(revoke, context);
    expect(after).toMatchObject({ liveness: WireLiveness.REVOKED, livenessBecause: "sold [0m" });
    expect(ends).toMatchObject([{ code: "PERMISSION_DENIED" }]);
    const [entry] = await readEntries(house.db.database, {
      subject: `node:${node.nodeId}`,
      limit: 1,
      tail: true,
    });
    expect(entry).toMatchObject({ kind: "node.revoked", actor: { name: "ada" }, because: "sold [0m" });
    await house.look(1_000);
    expect(house.ups.filter(({ timestampMs }) => timestampMs > START)).toEqual([]);
    const again = await house.enrolled(node.nodeName, "another key");
    expect(again.nodeId).not.toBe(node.nodeId);
  });

  test("makes join tokens for a name and a time, within bounds", async () => {
    const make = (nodeName: string, validSeconds: number) =>
      house.fleet.api.createJoinToken(
        create(CreateJoinTokenRequestSchema, { nodeName, validSeconds }),
        context,
      );
    const made = await make("only-me", 60);
    await expect(
      enrollAgent(house.deps(), house.wish(made.token ?? "", "key", "not-me")),
    ).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    house.fake.clock.advance(60 * SECOND);
    await expect(enrollAgent(house.deps(), house.wish(made.token ?? "", "key", "only-me"))).rejects.toThrow(
      "has expired",
    );
    await expect(make("Not A Name", 0)).rejects.toThrow('node_name "Not A Name" is not');
    await expect(make("", 8 * 86_400)).rejects.toThrow("valid_seconds is 691200 s, at most 7 days");
  });

  test("lists certificates of the fleet, soonest expiry first, page by page, unreadable ones last", async () => {
    const nodes = [await house.enrolled(), await house.enrolled()];
    for (const [n, node] of nodes.entries()) {
      await saveInventory(house.db.database, node.nodeId, inventory(n), START);
      // Told again with other processes, the certificates stay as they are.
      await saveInventory(house.db.database, node.nodeId, { ...inventory(n), hash: "h2" }, START);
    }
    const list = (extra: object) =>
      house.fleet.api.listCertificates(create(ListCertificatesRequestSchema, extra), context);
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
    expect(await certificateFigures(house.db.database)).toEqual({ count: 4, nearestExpiry: START + HOUR });
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
