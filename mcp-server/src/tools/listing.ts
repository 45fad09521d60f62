/** What `tools/list` answers, made once for each set of tools that somebody is offered, with a digest to check it by. */
import type { Tool as ToolDefinition } from "@modelcontextprotocol/server";
import { sha256Hex } from "../system.js";
import { isOffered, type Offer } from "./offer.js";
import type { Tool } from "./tool.js";

export interface Listing {
  readonly tools: readonly Tool[];
  readonly definitions: ToolDefinition[];
  /** SHA-256 of the definitions as JSON, hex: whoever kept it sees that none of their words has changed. */
  readonly digest: string;
}

/** Sets of tools remembered. Headers may name any set, so there must be an end. */
const LISTINGS_MAX = 64;

/** Definitions as JSON, as the digest reads them: in their order, without spaces. */
export function digestOf(definitions: readonly ToolDefinition[]): string {
  return sha256Hex(JSON.stringify(definitions));
}

export class Listings {
  readonly #tools: readonly Tool[];
  readonly #made = new Map<string, Listing>();

  constructor(tools: readonly Tool[]) {
    this.#tools = tools;
  }

  /** In the order of the catalogue, whatever the order of names in a header. */
  of(offer: Offer): Listing {
    const tools = this.#tools.filter((tool) => isOffered(offer, tool));
    const key = tools.map((tool) => tool.name).join();
    const before = this.#made.get(key);
    if (before !== undefined) return before;
    const definitions = tools.map((tool) => tool.definition);
    const listing: Listing = { tools, definitions, digest: digestOf(definitions) };
    if (this.#made.size >= LISTINGS_MAX) this.#made.clear();
    this.#made.set(key, listing);
    return listing;
  }
}
