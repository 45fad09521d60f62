/** The values that templates work on, and how Go would print them. */
import { compareText } from "../labels.js";
import { TemplateError } from "./template-error.js";

/** A record of values, as a map of Go: a name that is absent gives the empty text. */
export interface TemplateMap {
  readonly [name: string]: TemplateValue;
}

export type TemplateValue =
  | null
  | string
  | number
  | boolean
  | readonly TemplateValue[]
  | TemplateMap
  | TemplateObject;

/** A method of an object, given its arguments. Undefined: they do not fit. */
export type TemplateMethod = (args: readonly TemplateValue[]) => TemplateValue | undefined;

/** A value with fields and methods of its own: a time, a list of alerts. */
export abstract class TemplateObject {
  /** The field or method of this name; undefined: there is none. */
  abstract member(name: string): TemplateValue | TemplateMethod | undefined;
  /** As Go's fmt prints it. */
  abstract show(): string;
  /** What `range`, `len` and `index` see; undefined: it is no list. */
  items(): readonly TemplateValue[] | undefined {
    return undefined;
  }
  /** What `range`, `len` and `index` see by name; undefined: it is no map. */
  map(): TemplateMap | undefined {
    return undefined;
  }
  /** As JSON would carry it. */
  plain(): TemplateValue {
    return this.show();
  }
}

/** Text that is not escaped again where the output is HTML. */
export class SafeText extends TemplateObject {
  constructor(readonly text: string) {
    super();
  }
  member(): undefined {
    return undefined;
  }
  show(): string {
    return this.text;
  }
}

export const isList = (value: TemplateValue): value is readonly TemplateValue[] => Array.isArray(value);

export function isMap(value: TemplateValue | undefined): value is TemplateMap {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof TemplateObject)
  );
}

/** The elements of what can be counted; undefined for what cannot. */
export function itemsOf(value: TemplateValue): readonly TemplateValue[] | undefined {
  if (isList(value)) return value;
  return value instanceof TemplateObject ? value.items() : undefined;
}

/** The entries of what has names; undefined for what has none. */
export function mapOf(value: TemplateValue): TemplateMap | undefined {
  if (isMap(value)) return value;
  return value instanceof TemplateObject ? value.map() : undefined;
}

export const keysOf = (map: TemplateMap): readonly string[] => Object.keys(map).sort(compareText);

export function entryOf(map: TemplateMap, name: string): TemplateValue {
  return (Object.hasOwn(map, name) ? map[name] : undefined) ?? "";
}

/** What `if` and `with` take for true: all but false, zero, nothing, and what is empty. */
export function truth(value: TemplateValue): boolean {
  if (value === null) return false;
  if (value instanceof SafeText) return value.text !== "";
  const items = itemsOf(value);
  if (items !== undefined) return items.length > 0;
  const map = mapOf(value);
  if (map !== undefined) return Object.keys(map).length > 0;
  if (typeof value === "number") return value !== 0;
  return value !== "" && value !== false;
}

/** A value as `%v` prints it; numbers in the shortest form, with an exponent from 1e21 on. */
export function showValue(value: TemplateValue, depth = 0): string {
  if (depth > 20) throw new TemplateError("a value is nested too deep to be printed");
  if (value === null) return "<no value>";
  if (typeof value === "number") return showNumber(value);
  if (isList(value)) return `[${value.map((item) => showValue(item, depth + 1)).join(" ")}]`;
  if (value instanceof TemplateObject) return value.show();
  if (isMap(value)) {
    return `map[${keysOf(value)
      .map((name) => `${name}:${showValue(entryOf(value, name), depth + 1)}`)
      .join(" ")}]`;
  }
  return String(value);
}

export function showNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e21)) return twoDigitExponent(value.toExponential());
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Go writes at least two digits of exponent. */
export const twoDigitExponent = (text: string): string => text.replace(/e([+-])(\d)$/, "e$10$2");
