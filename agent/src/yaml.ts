/**
 * YAML by way of a file of our own, so that it can be loaded when it is needed: the package is CommonJS, and bundled it
 * would show its names only below `default`.
 */
export { parseDocument } from "yaml";
