/**
 * The OpenAPI 3.1 document of the REST mapping, made from the same descriptors that route it.
 */
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import type { HttpRule } from "./http-rule.js";

/** The sentences of the contracts by full name of what they describe; names without one are left undescribed. */
export type Comments = Readonly<Record<string, string | undefined>>;

export interface OpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly comments: Comments;
}

const ERROR_CODES =
  "CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED";

const ERROR: JsonObject = {
  type: "object",
  required: ["code", "message", "details"],
  properties: {
    code: { type: "string", enum: ERROR_CODES.split(" ") },
    message: { type: "string" },
    details: { type: "object", additionalProperties: { type: ["string", "number", "boolean"] } },
  },
};

export function openApi(rules: readonly HttpRule[], options: OpenApiOptions): JsonObject {
  const schemas = new Schemas(options.comments);
  const paths: Record<string, JsonObject> = {};
  const byTemplate = [...rules].sort((a, b) =>
    a.template < b.template ? -1 : a.template > b.template ? 1 : 0,
  );
  for (const rule of byTemplate) {
    paths[rule.template] = {
      ...paths[rule.template],
      [rule.verb.toLowerCase()]: operation(rule, schemas, options),
    };
  }
  const tags = [...new Set(rules.map((rule) => rule.method.parent))].map((service) => ({
    name: service.name,
    ...described(options.comments, service.typeName),
  }));
  return {
    openapi: "3.1.0",
    info: { title: options.title, version: options.version },
    security: [{ bearer: [] }, { basic: [] }],
    tags,
    paths,
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        basic: { type: "http", scheme: "basic", description: "Any user name; the token as the password." },
      },
      schemas: { ...schemas.all(), Error: ERROR },
    },
  };
}

function operation(rule: HttpRule, schemas: Schemas, options: OpenApiOptions): JsonObject {
  const { method } = rule;
  const inPath = new Set(rule.segments.flatMap((segment) => ("field" in segment ? [segment.field] : [])));
  const parameters: JsonValue[] = method.input.fields
    .filter((field) => inPath.has(field.name))
    .map((field) => ({ name: field.name, in: "path", required: true, schema: schemas.field(field) }));
  if (!rule.body)
    parameters.push(
      ...queryParameters(
        method.input.fields.filter((f) => !inPath.has(f.name)),
        "",
        schemas,
      ),
    );
  const comment = options.comments[`${method.parent.typeName}.${method.name}`];
  return {
    operationId: `${method.parent.name}_${method.name}`,
    tags: [method.parent.name],
    ...(comment === undefined ? {} : { summary: firstSentence(comment), description: comment }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(rule.body
      ? { requestBody: { content: { "application/json": { schema: schemas.reference(method.input) } } } }
      : {}),
    responses: {
      "200": {
        description: "The answer.",
        content:
          rule.rawField === undefined
            ? { "application/json": { schema: schemas.reference(method.output) } }
            : { "*/*": {} },
      },
      default: {
        description: "A refusal or a failure.",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      },
    },
  };
}

/** Fields of nested messages become parameters of their own, as the router reads them. */
function queryParameters(fields: readonly DescField[], prefix: string, schemas: Schemas): JsonValue[] {
  return fields.flatMap((field): JsonValue[] => {
    const name = `${prefix}${field.jsonName}`;
    if (field.fieldKind === "message" && WELL_KNOWN[field.message.typeName] === undefined) {
      return queryParameters(field.message.fields, `${name}.`, schemas);
    }
    return [{ name, in: "query", ...schemas.described(field), schema: schemas.field(field) }];
  });
}

const WELL_KNOWN: Readonly<Record<string, JsonObject | undefined>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?\\d+(\\.\\d{1,9})?s$" },
  "google.protobuf.Struct": { type: "object" },
};

/** Numbers that do not fit a double are texts in ProtoJSON. */
const INT64: JsonObject = { type: "string", pattern: "^-?\\d+$" };
const FLOAT: JsonObject = { oneOf: [{ type: "number" }, { enum: ["NaN", "Infinity", "-Infinity"] }] };
const SCALARS: Readonly<Record<ScalarType, JsonObject>> = {
  [ScalarType.DOUBLE]: FLOAT,
  [ScalarType.FLOAT]: FLOAT,
  [ScalarType.INT64]: INT64,
  [ScalarType.UINT64]: INT64,
  [ScalarType.SINT64]: INT64,
  [ScalarType.FIXED64]: INT64,
  [ScalarType.SFIXED64]: INT64,
  [ScalarType.INT32]: { type: "integer", format: "int32" },
  [ScalarType.SINT32]: { type: "integer", format: "int32" },
  [ScalarType.SFIXED32]: { type: "integer", format: "int32" },
  [ScalarType.UINT32]: { type: "integer", minimum: 0 },
  [ScalarType.FIXED32]: { type: "integer", minimum: 0 },
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64" },
};

class Schemas {
  readonly #schemas = new Map<string, JsonObject>();

  constructor(private readonly comments: Comments) {}

  all(): JsonObject {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  reference(message: DescMessage): JsonObject {
    const name = schemaName(message);
    if (!this.#schemas.has(name)) {
      // Entered before its fields are, for a message may hold itself.
      this.#schemas.set(name, {});
      this.#schemas.set(name, {
        type: "object",
        ...described(this.comments, message.typeName),
        properties: Object.fromEntries(
          message.fields.map((field) => [field.jsonName, this.#property(field)]),
        ),
      });
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  field(field: DescField): JsonObject {
    if (field.fieldKind === "list") return { type: "array", items: this.#single(field) };
    if (field.fieldKind === "map") return { type: "object", additionalProperties: this.#single(field) };
    return this.#single(field);
  }

  described(field: DescField): JsonObject {
    return described(this.comments, `${field.parent.typeName}.${field.name}`);
  }

  #property(field: DescField): JsonObject {
    return { ...this.field(field), ...this.described(field) };
  }

  #single(field: DescField): JsonObject {
    if (field.message !== undefined)
      return WELL_KNOWN[field.message.typeName] ?? this.reference(field.message);
    if (field.enum !== undefined) return this.#enumeration(field.enum);
    return field.scalar === undefined ? {} : SCALARS[field.scalar];
  }

  #enumeration(description: DescEnum): JsonObject {
    const name = schemaName(description);
    this.#schemas.set(name, {
      type: "string",
      ...described(this.comments, description.typeName),
      enum: description.values.map((value) => value.name),
    });
    return { $ref: `#/components/schemas/${name}` };
  }
}

/** The contracts' names without their common beginning; what stands elsewhere keeps its whole name. */
function schemaName(type: DescMessage | DescEnum): string {
  return type.typeName.replace(/^mainstay\.(?:operator|type)\.v1\./, "");
}

function described(comments: Comments, name: string): JsonObject {
  const comment = comments[name];
  return comment === undefined ? {} : { description: comment };
}

function firstSentence(text: string): string {
  return (/^[\s\S]*?[.?!](?=\s|$)/.exec(text)?.[0] ?? text).replace(/\s+/g, " ");
}
