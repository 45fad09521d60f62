// Lets the conformance suite start on Node 20. It names `globSync` of node:fs, which Node 22 brought; only its own
// baseline tools call it. Preloaded with --import: the suite itself is run as it was published.
import { register } from "node:module";

const fs = [
  'export * from "node:fs"; export { default } from "node:fs";',
  'export const globSync = () => { throw new Error("node:fs has no globSync before Node 22"); };',
].join("\n");

const hooks = `
const fs = ${JSON.stringify(`data:text/javascript,${encodeURIComponent(fs)}`)};
export function resolve(specifier, context, next) {
  const wanted = specifier === "fs" || specifier === "node:fs";
  return wanted && context.parentURL?.includes("/@modelcontextprotocol/conformance/")
    ? { url: fs, shortCircuit: true }
    : next(specifier, context);
}`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);
