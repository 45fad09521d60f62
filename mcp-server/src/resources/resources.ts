/** The house as resources of the protocol: lists, things by id, the journal; with completion, and subscriptions. */
import {
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type ReadResourceResult,
  ResourceNotFoundError,
  ResourceTemplate,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { Rooms } from "../control-plane/client.js";
import { isServerFault, OpsError } from "../errors.js";
import { idsBeginning, readEntries, readList, readThing } from "./readings.js";
import {
  ENTRIES_TEMPLATE,
  LISTS,
  type ListName,
  listUri,
  THINGS,
  type Thing,
  thingTemplate,
} from "./uris.js";

/** Carries out a reading for the caller of the request. Throws OpsError. */
export type Read = <T>(
  name: string,
  context: ServerContext,
  work: (rooms: Rooms) => Promise<T>,
) => Promise<T>;

/** The same for a completion, which the SDK asks for without its request. */
export type Complete = (work: (rooms: Rooms) => Promise<string[]>) => Promise<string[]>;

const MIME = "application/json";

const LIST_WORDS: Readonly<Record<ListName, readonly [title: string, description: string]>> = {
  health: ["Health", "How the whole house is."],
  nodes: ["Nodes", "The nodes, each with its liveness and why."],
  alerts: ["Alerts", "The alerts that are pending or firing."],
  commands: ["Commands", "The newest commands."],
  journal: ["Journal", "The newest entries of the journal."],
};

const THING_WORDS: Readonly<Record<Thing, readonly [title: string, description: string]>> = {
  node: ["Node", "A node by id or name. Changes are told by id."],
  alert: ["Alert", "An alert by id, with its transitions."],
  command: ["Command", "A command by id, with its plan and the ends of its output."],
};

export function addResources(mcp: McpServer, read: Read, complete: Complete): void {
  const answer = async (
    name: string,
    uri: URL,
    context: ServerContext,
    work: (rooms: Rooms) => Promise<unknown>,
  ): Promise<ReadResourceResult> => {
    try {
      const json = await read(name, context, work);
      return { contents: [{ uri: uri.href, mimeType: MIME, text: JSON.stringify(json), _meta: UNTRUSTED }] };
    } catch (error) {
      throw asProtocolError(error, uri.href);
    }
  };
  for (const name of LISTS) {
    const [title, description] = LIST_WORDS[name];
    mcp.registerResource(name, listUri(name), { title, description, mimeType: MIME }, (uri, context) =>
      answer(name, uri, context, (rooms) => readList(rooms, name)),
    );
  }
  for (const thing of THINGS) {
    const [title, description] = THING_WORDS[thing];
    const ids = (begun: string): Promise<string[]> => complete((rooms) => idsBeginning(rooms, thing, begun));
    mcp.registerResource(
      thing,
      new ResourceTemplate(thingTemplate(thing), { list: undefined, complete: { id: ids } }),
      { title, description, mimeType: MIME },
      (uri, { id }, context) => answer(thing, uri, context, (rooms) => readThing(rooms, thing, decoded(id))),
    );
  }
  mcp.registerResource(
    "journal-after",
    new ResourceTemplate(ENTRIES_TEMPLATE, { list: undefined }),
    {
      title: "Journal from a position",
      description: "The entries after a position, oldest first.",
      mimeType: MIME,
    },
    (uri, { after }, context) =>
      answer("journal-after", uri, context, (rooms) => {
        const position = /^\d{1,15}$/.test(String(after)) ? Number(after) : Number.NaN;
        if (Number.isNaN(position)) throw new OpsError("NOT_FOUND", "a position is a whole number");
        return readEntries(rooms, position);
      }),
  );
}

/** Which of it hosts and people have written is not told apart here: none of it is an instruction. */
const UNTRUSTED = { "mainstay/host-made": ["*"] };

const ID_MAX = 128;

function decoded(id: string | string[] | undefined): string {
  try {
    const text = decodeURIComponent(String(id));
    if (text !== "" && text.length <= ID_MAX) return text;
  } catch {
    // Not an encoding of anything.
  }
  throw new OpsError("NOT_FOUND", "not an id");
}

function asProtocolError(error: unknown, uri: string): unknown {
  if (!(error instanceof OpsError)) return error;
  const { code, message } = error;
  if (code === "NOT_FOUND" || code === "INVALID_ARGUMENT") return new ResourceNotFoundError(uri);
  const wire = isServerFault(code) ? ProtocolErrorCode.InternalError : ProtocolErrorCode.InvalidParams;
  return new ProtocolError(wire, `${code}: ${message}`, { code, uri });
}
