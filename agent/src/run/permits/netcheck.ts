/** Whether this host lets its way to services be looked at, and to which. Pure. */
import type { Fields } from "../../fields.js";
import { declared, declaredName, deny, required, type Verdict } from "../verdict.js";

/** Services to which the way may be looked at. */
export interface NetcheckPolicy {
  readonly targets: readonly NetworkTarget[];
}

/** A service: its name is looked up, a connection made, then TLS and HTTP as far as they are asked for. */
export interface NetworkTarget {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Path of an HTTP GET; none is made when undefined. */
  readonly httpPath: string | undefined;
}

export function readNetcheck(fields: Fields): NetcheckPolicy {
  const targets = fields.each("targets").map((target): NetworkTarget => {
    const read = {
      name: required(target, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      host: required(target, "host", "a host's name or address", /^[A-Za-z0-9._:-]{1,253}$/),
      port: target.integer("port", 0, 1, 65_535),
      tls: target.flag("tls", false),
      httpPath: target.text("httpPath", undefined, "a path", /^\/[\x21-\x7e]{0,1000}$/),
    };
    if (!target.has("port")) target.fault("port", undefined, "a whole number from 1 to 65535");
    target.done();
    return read;
  });
  fields.done();
  return { targets };
}

export function allowNetcheck(own: NetcheckPolicy | undefined, fields: Fields): Verdict {
  const target = fields.text("target", undefined, "a declared target's name", declaredName);
  const timeoutMs = fields.integer("timeoutMs", 3000, 100, 30_000);
  if (own === undefined) return deny("actions.netcheck is not set on this host");
  if (target !== undefined && declared(own.targets, target) === undefined)
    return deny(`${target} is not in actions.netcheck.targets`);
  return { kind: "allow", arguments: { action: "netcheck", target, timeoutMs } };
}
