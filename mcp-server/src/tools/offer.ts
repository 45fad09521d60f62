/**
 * Which tools a caller is offered, and on which nodes a tool may ask for changes. What the program was told is the most
 * there is; a request's headers can only take away.
 */
import type { NodeView } from "../control-plane/fleet.js";

export const TOOLSETS = [
  "health",
  "fleet",
  "metrics",
  "alerts",
  "incidents",
  "commands",
  "recovery",
  "certificates",
  "journal",
  "runbooks",
  "rollouts",
  "safety",
] as const;
export type Toolset = (typeof TOOLSETS)[number];

/** Those offered when none is named: their definitions together cost a model less than 5,000 tokens. */
export const DEFAULT_TOOLSETS: readonly Toolset[] = [
  "health",
  "fleet",
  "metrics",
  "alerts",
  "incidents",
  "commands",
  "certificates",
  "journal",
];

export interface NameRules {
  /** Patterns; undefined: all. */
  readonly allow: readonly string[] | undefined;
  /** Patterns; they win over `allow`. */
  readonly deny: readonly string[];
}

export interface Offer {
  readonly toolsets: readonly Toolset[];
  /** Whether tools that ask for changes are offered. */
  readonly writes: boolean;
  readonly tools: NameRules;
  /** For changes: names of nodes, in lower case. */
  readonly nodes: NameRules;
  /** For changes: values of the nodes' label `env` (or `environment`), in lower case. */
  readonly environments: NameRules;
}

const ANY: NameRules = { allow: undefined, deny: [] };

/** What is offered when nothing was said: the usual toolsets, to read. */
export const READ_ONLY: Offer = {
  toolsets: DEFAULT_TOOLSETS,
  writes: false,
  tools: ANY,
  nodes: ANY,
  environments: ANY,
};

interface Offered {
  readonly name: string;
  readonly toolset: Toolset;
  readonly effect: "read" | "write";
}

export function isOffered(offer: Offer, { name, toolset, effect }: Offered): boolean {
  return (
    (effect === "read" || offer.writes) && offer.toolsets.includes(toolset) && permits(offer.tools, name)
  );
}

/** Why changes on the node are not asked for; undefined when they may be. */
export function refusesChanges(
  { nodes, environments }: Offer,
  node: Pick<NodeView, "name" | "labels">,
): string | undefined {
  // Names of hosts have no case.
  if (!permits(nodes, node.name.toLowerCase())) {
    return `this MCP server is not set up to ask for changes on the node ${JSON.stringify(node.name)}`;
  }
  const environment = node.labels["env"] ?? node.labels["environment"] ?? "";
  return permits(environments, environment.toLowerCase())
    ? undefined
    : `this MCP server is not set up to ask for changes in the environment ${JSON.stringify(environment)} of ${JSON.stringify(node.name)}`;
}

/** Headers by which a request asks to be offered less. */
export const NARROWING_HEADERS = {
  toolsets: "mainstay-toolsets",
  tools: "mainstay-tools",
  readOnly: "mainstay-read-only",
} as const;

/**
 * The offer less what the headers take away: `mainstay-toolsets` and `mainstay-tools` name what is wanted (tools by
 * patterns), `mainstay-read-only: true` leaves out tools that ask for changes. Names that are not offered are ignored:
 * no header adds anything.
 */
export function narrowed(offer: Offer, header: (name: string) => string | undefined): Offer {
  const toolsets = listOf(header(NARROWING_HEADERS.toolsets));
  const tools = listOf(header(NARROWING_HEADERS.tools));
  const readOnly = (header(NARROWING_HEADERS.readOnly) ?? "false").trim().toLowerCase() !== "false";
  if (toolsets === undefined && tools === undefined && !readOnly) return offer;
  return {
    ...offer,
    writes: offer.writes && !readOnly,
    toolsets:
      toolsets === undefined ? offer.toolsets : offer.toolsets.filter((set) => toolsets.includes(set)),
    tools: tools === undefined ? offer.tools : both(offer.tools, tools),
  };
}

/** The patterns of an offer that no tool's name fits: slips of the pen, which must not go unnoticed in a deny list. */
export function strayPatterns({ tools: { allow = [], deny } }: Offer, names: readonly string[]): string[] {
  return [...allow, ...deny].filter((pattern) => !names.some((name) => fits(pattern, name)));
}

/** Bounds a header's cost: what stands after the first hundred names is not read, which takes away more, never less. */
const NAMES_MAX = 100;

function listOf(text: string | undefined): string[] | undefined {
  return text
    ?.split(",", NAMES_MAX)
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** Rules that permit what `rules` permits and `wanted` names: what `wanted` leaves out is denied by name of its pattern. */
function both(rules: NameRules, wanted: readonly string[]): NameRules {
  if (rules.allow === undefined) return { ...rules, allow: wanted };
  const { allow } = rules;
  // Two lists of patterns have no common list; of the wanted names only those are kept that are plain and allowed.
  return {
    ...rules,
    allow: wanted.filter((name) => !name.includes("*") && allow.some((p) => fits(p, name))),
  };
}

function permits({ allow, deny }: NameRules, name: string): boolean {
  if (deny.some((pattern) => fits(pattern, name))) return false;
  return allow === undefined || allow.some((pattern) => fits(pattern, name));
}

/** `*` stands for any letters. Case counts. */
function fits(pattern: string, name: string): boolean {
  const pieces = pattern.split("*");
  const [head = ""] = pieces;
  if (pieces.length === 1) return pattern === name;
  const tail = pieces.at(-1) ?? "";
  if (!name.startsWith(head) || !name.endsWith(tail) || name.length < head.length + tail.length) return false;
  let at = head.length;
  const end = name.length - tail.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}
