/**
 * The REST mapping of operator methods, read from their `google.api.http` annotations: templates compiled once, paths
 * matched against them. The grammar is that of google/api/http.proto, as far as the contracts use it: literals, `{field}`
 * for one segment, and a `:verb` at the end.
 */
import { type DescField, type DescMethod, type DescService, getOption } from "@bufbuild/protobuf";
import { http } from "@mainstay/proto/gen/google/api/annotations_pb";
import { HttpBodySchema } from "@mainstay/proto/gen/google/api/httpbody_pb";
import { OpsError } from "../../kernel/errors.js";

type Segment = { readonly literal: string } | { readonly field: string };

export interface HttpRule {
  readonly method: DescMethod;
  /** GET, POST ... */
  readonly verb: string;
  /** As annotated: `/api/mainstay/v1/tokens/{token_id}:revoke`. */
  readonly template: string;
  readonly segments: readonly Segment[];
  /** What stands after the colon of the last segment. */
  readonly custom: string | undefined;
  /** Whether the body is the request message; otherwise the query is. */
  readonly body: boolean;
  /** The field of the answer that is the HTTP answer, not as JSON but as it is; undefined: all of it, as JSON. */
  readonly rawField: DescField | undefined;
}

const TEMPLATE = /^((?:\/(?:[A-Za-z0-9._~-]+|\{[a-z][a-z0-9_]*\}))+)(?::([A-Za-z]+))?$/;

/** Compiles a template. Throws INTERNAL for one outside the grammar: a fault of the contracts. */
export function parseTemplate(template: string): Pick<HttpRule, "segments" | "custom"> {
  const match = TEMPLATE.exec(template);
  if (match === null) throw new OpsError("INTERNAL", `path template "${template}" is not understood`);
  const segments = (match[1] as string)
    .slice(1)
    .split("/")
    .map((text): Segment => (text.startsWith("{") ? { field: text.slice(1, -1) } : { literal: text }));
  return { segments, custom: match[2] };
}

/** The rules of all annotated methods; methods without an annotation (streams) have none. */
export function httpRules(services: readonly DescService[]): readonly HttpRule[] {
  const rules: HttpRule[] = [];
  for (const service of services) {
    for (const method of service.methods) {
      const annotation = getOption(method, http);
      const { case: kind, value } = annotation.pattern;
      if (kind === undefined) continue;
      const [verb, template] = kind === "custom" ? [value.kind, value.path] : [kind.toUpperCase(), value];
      const body = annotation.body === "*";
      const rawField = rawFieldOf(method, annotation.responseBody);
      rules.push({ method, verb, template, ...parseTemplate(template), body, rawField });
    }
  }
  // A template with a verb is looked at first: `x:revoke` could also be read as an id.
  return rules.sort((a, b) => Number(a.custom === undefined) - Number(b.custom === undefined));
}

/** `response_body` is understood where it names an HttpBody. Throws INTERNAL otherwise: a fault of the contracts. */
function rawFieldOf(method: DescMethod, name: string): DescField | undefined {
  if (name === "") return undefined;
  const field = method.output.fields.find((candidate) => candidate.name === name);
  if (field?.message?.typeName === HttpBodySchema.typeName) return field;
  throw new OpsError("INTERNAL", `${method.name}: response_body "${name}" is no google.api.HttpBody`);
}

export type Match =
  | { readonly kind: "found"; readonly rule: HttpRule; readonly fields: Readonly<Record<string, string>> }
  /** The path is known with other verbs. */
  | { readonly kind: "wrong-verb"; readonly allowed: readonly string[] }
  | { readonly kind: "not-found" };

/** Finds the rule for a request; `path` is without its query, still percent-encoded. */
export function matchRule(rules: readonly HttpRule[], verb: string, path: string): Match {
  const allowed = new Set<string>();
  for (const rule of rules) {
    const fields = matchPath(rule, path);
    if (fields === undefined) continue;
    if (rule.verb === verb) return { kind: "found", rule, fields };
    allowed.add(rule.verb);
  }
  return allowed.size > 0 ? { kind: "wrong-verb", allowed: [...allowed].sort() } : { kind: "not-found" };
}

function matchPath(rule: HttpRule, path: string): Record<string, string> | undefined {
  let rest = path;
  if (rule.custom !== undefined) {
    const suffix = `:${rule.custom}`;
    if (!rest.endsWith(suffix)) return undefined;
    rest = rest.slice(0, -suffix.length);
  }
  const parts = rest.slice(1).split("/");
  if (!rest.startsWith("/") || parts.length !== rule.segments.length) return undefined;
  const fields: Record<string, string> = {};
  for (const [index, segment] of rule.segments.entries()) {
    const text = decode(parts[index] as string);
    if (text === undefined || text === "") return undefined;
    if ("field" in segment) fields[segment.field] = text;
    else if (segment.literal !== text) return undefined;
  }
  return fields;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
