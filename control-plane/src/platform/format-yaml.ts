/** A value written as YAML. */
import { stringify } from "yaml";

/** One document, two spaces, long lines left whole. */
export function formatYaml(value: unknown): string {
  return stringify(value, { indent: 2, lineWidth: 0, aliasDuplicateObjects: false });
}
