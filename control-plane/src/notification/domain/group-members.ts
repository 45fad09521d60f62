/** Which alerts are in which groups now. */

import type { Instant } from "../../kernel/time.js";
import { isResolved, type NotifiedAlert } from "./alert.js";
import type { Route } from "./config.js";
import { groupId } from "./group.js";
import { type Place, placesOf } from "./route-alert.js";

export interface GroupNow {
  readonly place: Place;
  readonly firing: NotifiedAlert[];
  readonly resolved: NotifiedAlert[];
}

/** Remembers the places of alerts under one tree of routes; alerts that are the same object are routed once. */
export class Router {
  readonly #root: Route;
  readonly #known = new WeakMap<NotifiedAlert, readonly Place[]>();

  constructor(root: Route) {
    this.#root = root;
  }

  places(alert: NotifiedAlert): readonly Place[] {
    const known = this.#known.get(alert);
    if (known !== undefined) return known;
    const places = placesOf(this.#root, alert.labels);
    this.#known.set(alert, places);
    return places;
  }

  /** Every group that has an alert, by its id. */
  groups(alerts: readonly NotifiedAlert[], now: Instant): ReadonlyMap<string, GroupNow> {
    const groups = new Map<string, GroupNow>();
    for (const alert of alerts) {
      const over = isResolved(alert, now);
      for (const place of this.places(alert)) {
        const id = groupId(place);
        let group = groups.get(id);
        if (group === undefined) {
          group = { place, firing: [], resolved: [] };
          groups.set(id, group);
        }
        (over ? group.resolved : group.firing).push(alert);
      }
    }
    return groups;
  }
}

/**
 * The resolved alerts that a group still has to speak of: those that someone was told fire, or would have been told, and
 * those that came and went since the group was last looked at.
 */
export function resolvedMembers(
  resolved: readonly NotifiedAlert[],
  toldOf: ReadonlySet<string>,
  since: Instant,
): readonly NotifiedAlert[] {
  return resolved.filter(({ fingerprint, updatedAt }) => toldOf.has(fingerprint) || updatedAt > since);
}
