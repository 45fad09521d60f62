/** What the two ends of one HTTP request tell each other through the SDK: who calls, and how a tool's call ended. */
import type { Principal } from "./access/principal.js";
import type { ErrorCode } from "./errors.js";
import type { Offer } from "./tools/offer.js";
import type { Span } from "./trace.js";

export class CallScope {
  /** Set when a tool's call failed; the HTTP status is 200 all the same. */
  failure: ErrorCode | undefined;

  constructor(
    readonly principal: Principal,
    /** What the control plane is called with on the principal's behalf. */
    readonly token: string,
    /** The caller's span, from the HTTP header. */
    readonly parent: Span | undefined,
    /** What the server offers, less what the request's headers take away. */
    readonly offer: Offer,
  ) {}
}
