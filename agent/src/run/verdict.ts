/** The answer to whether this host may do something, and the checks that every action's permit is made of. Pure. */
import type { Fields } from "../fields.js";
import type { ActionArguments } from "./command.js";

/** The answer, and why. */
export type Verdict =
  | { readonly kind: "allow"; readonly arguments: ActionArguments }
  | {
      readonly kind: "deny";
      readonly because: "unknown-action" | "not-allowed-here" | "bad-arguments";
      readonly detail: string;
    };

/** Names that the policy gives to databases, servers, logs, pools. */
export const declaredName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const absolutePath = /^\/[^\0]*$/;

/** A no of this host's policy. */
export function deny(detail: string): Verdict {
  return { kind: "deny", because: "not-allowed-here", detail: detail.slice(0, 2000) };
}

/** A text that must be there; a missing one is a fault and reads as the empty text. */
export function required(fields: Fields, key: string, expected: string, accepts: RegExp): string {
  const text = fields.text(key, undefined, expected, accepts);
  if (text === undefined && !fields.has(key)) fields.fault(key, undefined, expected);
  return text ?? "";
}

/** A required text that names something which the policy declares. */
export function requiredName(fields: Fields, key: string, what: string): string {
  return required(fields, key, `the name of a declared ${what}`, declaredName);
}

/** A required text that is one of a few. */
export function oneOf<T extends string>(fields: Fields, key: string, choices: readonly T[], fallback?: T): T {
  const value = fields.raw(key) ?? fallback;
  const found = choices.find((choice) => choice === value);
  if (found === undefined) fields.fault(key, value, `one of ${choices.join(", ")}`);
  return found ?? (choices[0] as T);
}

/** What the policy declares under a name; undefined when it does not. */
export function declared<T extends { readonly name: string }>(
  things: readonly T[] | undefined,
  name: string,
): T | undefined {
  return things?.find((thing) => thing.name === name);
}
