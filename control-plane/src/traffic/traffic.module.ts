/** Traffic's door: where it goes, and who asks that it goes elsewhere. */
import type { System } from "../platform/system.js";
import type { TrafficAdapter } from "./adapters/adapter.js";
import { dnsAdapter } from "./adapters/dns.js";
import { haproxyAdapter } from "./adapters/haproxy.js";
import { route53Adapter } from "./adapters/route53.js";
import type { TrafficTarget } from "./domain/traffic-target.js";

export type { TrafficAdapter } from "./adapters/adapter.js";
export { healthOf, judgeRule } from "./read-votes.js";
export { trafficApi } from "./traffic.api.js";
export { TrafficDriver, type TrafficDriverPorts } from "./traffic.loop.js";
export { TrafficDesk } from "./traffic-desk.js";
export { TrafficWatch } from "./traffic-watch.loop.js";

/** Adapters by what is declared: made when they are first needed, and anew when the declaration changes. */
export function trafficAdapters(system: System): (target: TrafficTarget) => TrafficAdapter {
  const made = new WeakMap<TrafficTarget, TrafficAdapter>();
  return (target) => {
    const known = made.get(target);
    if (known !== undefined) return known;
    const adapter = adapterOf(target, system);
    made.set(target, adapter);
    return adapter;
  };
}

function adapterOf(target: TrafficTarget, system: System): TrafficAdapter {
  switch (target.kind) {
    case "dns":
      return dnsAdapter(target, system);
    case "haproxy":
      return haproxyAdapter(target);
    case "route53":
      return route53Adapter(target, system.clock);
  }
}
