import { AccessService } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { CommandsService } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { FleetService } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { MetricsService } from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import { describe, expect, test } from "vitest";
import { type HttpRule, httpRules } from "./http-rule.js";
import { readRequest } from "./read-request.js";

const rules = httpRules([AccessService, CommandsService, FleetService, JournalService, MetricsService]);

function ruleOf(method: string): HttpRule {
  const rule = rules.find((candidate) => candidate.method.name === method);
  if (rule === undefined) throw new Error(`no rule for ${method}`);
  return rule;
}

const read = (method: string, from: { fields?: object; query?: object; body?: unknown }): unknown =>
  readRequest(ruleOf(method), { ...from.fields }, { ...from.query }, from.body);

describe("a query becomes fields", () => {
  test.each([
    {
      what: "nested by dots",
      method: "ListNodes",
      query: { "page.size": "7" },
      becomes: { page: { size: 7 } },
    },
    {
      what: "two of one message",
      method: "ListNodes",
      query: { "page.size": "7", "page.token": "t" },
      becomes: { page: { size: 7, token: "t" } },
    },
    {
      what: "an enum by name",
      method: "ListNodes",
      query: { liveness: "LIVENESS_LOST" },
      becomes: { liveness: 3 },
    },
    { what: "an enum by number", method: "ListNodes", query: { liveness: "3" }, becomes: { liveness: 3 } },
    {
      what: "ProtoJSON's name",
      method: "ListEntries",
      query: { afterPosition: "18446744073709551615" },
      becomes: { afterPosition: 18_446_744_073_709_551_615n },
    },
    {
      what: "the contract's name",
      method: "ListEntries",
      query: { after_position: "5" },
      becomes: { afterPosition: 5n },
    },
    { what: "a boolean", method: "ListEntries", query: { tail: "true" }, becomes: { tail: true } },
    { what: "nothing", method: "ListEntries", query: {}, becomes: { tail: false, size: 0 } },
  ])("$what", ({ method, query, becomes }) => {
    expect(read(method, { query })).toMatchObject(becomes);
  });

  test.each([
    {
      what: "an unknown name",
      method: "ListNodes",
      query: { colour: "red" },
      says: 'unknown parameter "colour", expected page, liveness',
    },
    {
      what: "an unknown nested name",
      method: "ListNodes",
      query: { "page.x": "1" },
      says: 'unknown parameter "x", expected size, token',
    },
    {
      what: "a field below a plain one",
      method: "ListEntries",
      query: { "size.x": "1" },
      says: '"size" has no fields',
    },
    {
      what: "a name given twice",
      method: "ListEntries",
      query: { size: ["1", "2"] },
      says: '"size" is given 2 times',
    },
    {
      what: "a word for a number",
      method: "ListEntries",
      query: { size: "many" },
      says: "GET /api/mainstay/v1/journal:",
    },
    {
      what: "a number that is too large",
      method: "ListEntries",
      query: { size: "4294967296" },
      says: "size",
    },
    { what: "a word for a boolean", method: "ListEntries", query: { tail: "yes" }, says: "tail" },
    { what: "an unknown enum", method: "ListNodes", query: { liveness: "DEAD" }, says: "DEAD" },
    {
      what: "what would be a record's prototype",
      method: "ListNodes",
      query: { "__proto__.x": "1" },
      says: "unknown parameter",
    },
  ])("$what is refused", ({ method, query, says }) => {
    expect(() => read(method, { query })).toThrow(says);
    expect(() => read(method, { query })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("a body becomes the message", () => {
  test.each([
    {
      what: "ProtoJSON",
      method: "CreateToken",
      body: { name: "a", roles: ["ROLE_VIEWER"], validSeconds: "60" },
      becomes: { name: "a", roles: [1], validSeconds: 60n },
    },
    {
      what: "the contract's names",
      method: "CreateToken",
      body: { valid_seconds: 60 },
      becomes: { validSeconds: 60n },
    },
    {
      what: "a time",
      method: "Query",
      body: { expr: "up", at: "2026-01-01T00:00:00Z" },
      becomes: { expr: "up", at: { seconds: 1_767_225_600n } },
    },
    { what: "nothing", method: "VerifyJournal", body: undefined, becomes: {} },
    { what: "null", method: "VerifyJournal", body: null, becomes: {} },
  ])("$what", ({ method, body, becomes }) => {
    expect(read(method, { body })).toMatchObject(becomes);
  });

  test.each([
    { what: "an array", body: [], says: "the body is an array, expected a JSON object" },
    { what: "a text", body: "x", says: "the body is a string" },
    { what: "an unknown field", body: { colour: 1 }, says: "colour" },
    { what: "a field of another type", body: { name: 7 }, says: "name" },
  ])("$what is refused", ({ body, says }) => {
    expect(() => read("CreateToken", { body })).toThrow(says);
  });

  test("what stands in the path wins, by either name", () => {
    const fields = { token_id: "path" };
    expect(read("RevokeToken", { fields, body: { tokenId: "body" } })).toMatchObject({ tokenId: "path" });
    expect(read("RevokeToken", { fields, body: { token_id: "body" } })).toMatchObject({ tokenId: "path" });
  });

  test("a body given is not changed", () => {
    const body = { reason: "r" };
    read("RevokeNode", { fields: { node_id: "n" }, body });
    expect(body).toEqual({ reason: "r" });
  });
});
