import { AccessService } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { CommandsService } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { FleetService } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { MetricsService } from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import { describe, expect, test } from "vitest";
import { httpRules, matchRule, parseTemplate } from "./http-rule.js";

const rules = httpRules([FleetService, JournalService, AccessService, CommandsService, MetricsService]);
const API = "/api/mainstay/v1";

test("streams have no REST mapping; every other method has one", () => {
  const mapped = new Set(rules.map((rule) => rule.method.name));
  for (const service of [FleetService, JournalService, AccessService, CommandsService, MetricsService]) {
    for (const method of service.methods) {
      expect(mapped.has(method.name), method.name).toBe(method.methodKind === "unary");
    }
  }
});

describe("a path is matched", () => {
  test.each([
    { verb: "GET", path: "/nodes", method: "ListNodes", fields: {} },
    { verb: "GET", path: "/nodes/web-1", method: "GetNode", fields: { node_id: "web-1" } },
    { verb: "GET", path: "/nodes/a%2Fb%20c", method: "GetNode", fields: { node_id: "a/b c" } },
    { verb: "GET", path: "/nodes/a:b", method: "GetNode", fields: { node_id: "a:b" } },
    { verb: "POST", path: "/nodes/a:b:revoke", method: "RevokeNode", fields: { node_id: "a:b" } },
    { verb: "POST", path: "/nodes/n-1:revoke", method: "RevokeNode", fields: { node_id: "n-1" } },
    { verb: "POST", path: "/journal:verify", method: "VerifyJournal", fields: {} },
    { verb: "POST", path: "/commands/c-1:approve", method: "ApproveCommand", fields: { command_id: "c-1" } },
    { verb: "POST", path: "/metrics:query", method: "Query", fields: {} },
    { verb: "POST", path: "/metrics:queryRange", method: "QueryRange", fields: {} },
    { verb: "GET", path: "/metrics/labels/job/values", method: "ListLabelValues", fields: { label: "job" } },
  ])("$verb $path → $method", ({ verb, path, method, fields }) => {
    const match = matchRule(rules, verb, `${API}${path}`);
    expect(match).toMatchObject({ kind: "found", fields });
    expect(match.kind === "found" && match.rule.method.name).toBe(method);
  });

  test.each([
    { verb: "GET", path: "/nothing" },
    { verb: "GET", path: "/nodes/" },
    { verb: "GET", path: "/nodes/a/b" },
    { verb: "GET", path: "/nodes//" },
    { verb: "GET", path: "/nodes/%" },
    { verb: "GET", path: "/NODES" },
    { verb: "POST", path: "/journal:Verify" },
  ])("$verb $path is not there", ({ verb, path }) => {
    expect(matchRule(rules, verb, `${API}${path}`)).toEqual({ kind: "not-found" });
  });

  test.each([
    { verb: "DELETE", path: "/nodes", allowed: ["GET"] },
    { verb: "PUT", path: "/tokens", allowed: ["GET", "POST"] },
    { verb: "GET", path: "/journal:verify", allowed: ["POST"] },
    // Without its verb this is an id, which can be read.
    { verb: "POST", path: "/nodes/n-1:reboot", allowed: ["GET"] },
  ])("$verb $path has other verbs", ({ verb, path, allowed }) => {
    expect(matchRule(rules, verb, `${API}${path}`)).toEqual({ kind: "wrong-verb", allowed });
  });
});

test.each(["", "nodes", "/a/{B}", "/a/{b=**}", "/a//b", "/a:b:c", "/{a}{b}"])(
  "the template %j is not understood",
  (template) => {
    expect(() => parseTemplate(template)).toThrow("is not understood");
  },
);
