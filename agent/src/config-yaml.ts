/** YAML into plain values; loaded only for a file that needs it. */
import { parseDocument } from "yaml";

/** The value, or what is wrong with the text. */
export function readYaml(
  text: string,
):
  | { readonly kind: "parsed"; readonly value: unknown }
  | { readonly kind: "faulty"; readonly faults: readonly string[] } {
  const document = parseDocument(text);
  if (document.errors.length === 0) return { kind: "parsed", value: document.toJS() };
  return { kind: "faulty", faults: document.errors.map((error) => `YAML: ${error.message.split("\n")[0]}`) };
}
