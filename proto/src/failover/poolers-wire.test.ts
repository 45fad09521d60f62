/** What is said about poolers comes over the wire as it was meant, and nothing that is less than a whole message does. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { FailoverMessageSchema } from "../../gen/mainstay/agent/v1/failover_pb.js";
import { PoolerOrderSchema, PoolerReportSchema } from "../../gen/mainstay/agent/v1/pooler_pb.js";
import {
  poolerOrderFromWire,
  poolerOrderToWire,
  poolerReportFromWire,
  poolerReportToWire,
} from "./poolers-wire.js";
import { fromWire } from "./wire.js";

const order = { epoch: 7, to: "db-2", hold: true, lapseMs: 10_000 };
const report = { epoch: 7, to: "db-2", holds: true, held: false, because: "waits" };
const carried = (message: ReturnType<typeof poolerOrderToWire>) =>
  fromBinary(FailoverMessageSchema, toBinary(FailoverMessageSchema, message));

describe("over the wire", () => {
  test("an order and a report are what they were, and no word between voters", () => {
    const said = carried(poolerOrderToWire("main", order));
    expect(said.way.case === "poolerOrder" && poolerOrderFromWire(said.way.value)).toEqual(order);
    const heard = carried(poolerReportToWire("main", { ...report, to: null }));
    expect(heard.way.case === "poolerReport" && poolerReportFromWire(heard.way.value)).toEqual({
      ...report,
      to: null,
    });
    expect([fromWire(said), fromWire(heard)]).toEqual([undefined, undefined]);
  });

  test.each([
    { what: "nobody to lead to", of: { to: "" } },
    { what: "a name that is none", of: { to: "x".repeat(64) } },
    { what: "no time to hold for", of: { lapseMs: 0 } },
    { what: "an epoch beyond all numbers", of: { epoch: 2n ** 60n } },
  ])("an order with $what is none", ({ of }) => {
    const wired = create(PoolerOrderSchema, { epoch: 7n, to: "db-2", hold: true, lapseMs: 10_000, ...of });
    expect(poolerOrderFromWire(wired)).toBeUndefined();
  });

  test("a report is bounded, whoever writes it", () => {
    const long = create(PoolerReportSchema, { epoch: 1n, because: "x".repeat(10_000) });
    expect(poolerReportFromWire(long)?.because.length).toBe(500);
    expect(poolerReportFromWire(create(PoolerReportSchema, { to: "x".repeat(64) }))).toBeUndefined();
    expect(poolerReportFromWire(create(PoolerReportSchema, { epoch: 2n ** 60n }))).toBeUndefined();
  });
});
