/** The names under which things of the house are read and watched. */

const ROOT = "mainstay://";

/** What is read whole, under one name each. */
export const LISTS = ["health", "nodes", "alerts", "commands", "journal"] as const;
export type ListName = (typeof LISTS)[number];

/** What is read one by one. */
export const THINGS = ["node", "alert", "command"] as const;
export type Thing = (typeof THINGS)[number];

export function listUri(name: ListName): string {
  return `${ROOT}${name}`;
}

export function thingUri(thing: Thing, id: string): string {
  return `${ROOT}${thing}/${encodeURIComponent(id)}`;
}

/** As a URI template (RFC 6570). */
export function thingTemplate(thing: Thing): string {
  return `${ROOT}${thing}/{id}`;
}

export const ENTRIES_TEMPLATE = `${ROOT}journal/{after}`;

const LIST_OF: Readonly<Record<Thing, ListName>> = { node: "nodes", alert: "alerts", command: "commands" };

/** What has another content since something was written about `subject` (`node:...`, `alert:...`, `command:...`). */
export function urisOf(subject: string): string[] {
  const colon = subject.indexOf(":");
  const kind = subject.slice(0, Math.max(0, colon));
  const thing = THINGS.find((candidate) => candidate === kind);
  const journal = listUri("journal");
  if (thing === undefined) return [journal];
  return [thingUri(thing, subject.slice(colon + 1)), listUri(LIST_OF[thing]), journal];
}
