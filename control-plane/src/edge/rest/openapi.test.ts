import type { JsonValue } from "@bufbuild/protobuf";
import { comments } from "@mainstay/proto/gen/comments";
import { AccessService } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { AlertsService } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { CommandsService } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { FleetService } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { HealthService } from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import { JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { MetricsService } from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import { expect, test } from "vitest";
import { z } from "zod";
import { httpRules } from "./http-rule.js";
import { openApi } from "./openapi.js";

const services = [
  AccessService,
  AlertsService,
  CommandsService,
  FleetService,
  HealthService,
  JournalService,
  MetricsService,
];
const document = openApi(httpRules(services), { title: "Mainstay", version: "1.2.3", comments });

/** As much of the OpenAPI 3.1 schema as this document uses; nothing else may stand in it. */
const SCHEMA = z.record(z.string(), z.unknown());
const CONTENT = z.union([
  z.strictObject({ "application/json": z.strictObject({ schema: SCHEMA }) }),
  // A drawing.
  z.strictObject({ "*/*": z.strictObject({}) }),
]);
const OPERATION = z.strictObject({
  operationId: z.string().min(1),
  tags: z.array(z.string()).length(1),
  summary: z.string().min(1),
  description: z.string().min(1),
  parameters: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        in: z.enum(["path", "query"]),
        required: z.literal(true).optional(),
        description: z.string().optional(),
        schema: SCHEMA,
      }),
    )
    .optional(),
  requestBody: z.strictObject({ content: CONTENT }).optional(),
  responses: z.strictObject({
    "200": z.strictObject({ description: z.string(), content: CONTENT }),
    default: z.strictObject({ description: z.string(), content: CONTENT }),
  }),
});
const DOCUMENT = z.strictObject({
  openapi: z.literal("3.1.0"),
  info: z.strictObject({ title: z.string(), version: z.literal("1.2.3") }),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  tags: z.array(z.strictObject({ name: z.string(), description: z.string() })),
  paths: z.record(
    z.string().startsWith("/"),
    z.strictObject({
      get: OPERATION.optional(),
      post: OPERATION.optional(),
      put: OPERATION.optional(),
      delete: OPERATION.optional(),
    }),
  ),
  components: z.strictObject({
    securitySchemes: z.record(z.string(), SCHEMA),
    schemas: z.record(z.string().regex(/^[A-Za-z0-9._-]+$/), SCHEMA),
  }),
});

const read = DOCUMENT.parse(document);
const operations = Object.entries(read.paths).flatMap(([path, item]) =>
  Object.values(item).flatMap((operation) => (operation === undefined ? [] : [{ path, operation }])),
);

function referencesIn(value: JsonValue | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" && typeof inner === "string" ? [inner] : referencesIn(inner),
  );
}

test("every annotated method is an operation of its own", () => {
  const unary = services.flatMap((service) => service.methods.filter((m) => m.methodKind === "unary"));
  expect(operations).toHaveLength(unary.length);
  expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(unary.length);
});

test("every reference leads somewhere, and every schema is used", () => {
  const references = new Set(referencesIn(document));
  const defined = new Set(Object.keys(read.components.schemas).map((name) => `#/components/schemas/${name}`));
  expect(references).toEqual(defined);
});

test("every variable of a path is a required parameter, and no other is in the path", () => {
  for (const { path, operation } of operations) {
    const variables = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
    const declared = (operation.parameters ?? []).filter((p) => p.in === "path" && p.required === true);
    expect(declared.map(({ name }) => name).sort(), path).toEqual(variables.sort());
  }
});

test("security schemes that are asked for are described", () => {
  expect(read.security.flatMap((scheme) => Object.keys(scheme)).sort()).toEqual(
    Object.keys(read.components.securitySchemes).sort(),
  );
});

test("nested fields are parameters by dots, as the router reads them", () => {
  const names = read.paths["/api/mainstay/v1/nodes"]?.get?.parameters?.map(({ name }) => name);
  expect(names).toEqual(["page.size", "page.token", "liveness"]);
});

test("types are as ProtoJSON writes them", () => {
  expect(read.components.schemas["Command"]).toMatchObject({
    type: "object",
    description: "A command.",
    properties: {
      commandId: { type: "string" },
      state: { $ref: "#/components/schemas/CommandState" },
      requestedAt: { type: "string", format: "date-time" },
      generation: { type: "string" },
      exitCode: { type: "integer", format: "int32" },
      requestedBy: { $ref: "#/components/schemas/Actor" },
    },
  });
  expect(read.components.schemas["Alert"]).toMatchObject({
    properties: { labels: { type: "object", additionalProperties: { type: "string" } } },
  });
  expect(read.components.schemas["OutputPiece"]).toMatchObject({
    properties: { data: { type: "string", contentEncoding: "base64" } },
  });
  expect(read.components.schemas["AlertState"]).toMatchObject({
    enum: ["ALERT_STATE_UNSPECIFIED", "ALERT_STATE_PENDING", "ALERT_STATE_FIRING", "ALERT_STATE_RESOLVED"],
  });
});
