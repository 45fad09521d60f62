/** Which routes take an alert, as Alertmanager walks its tree: the deepest that match; siblings after the first only when it goes on. */
import type { Labels } from "../../kernel/labels.js";
import type { Route } from "./config.js";
import { groupKey, groupLabels } from "./group.js";

/** Empty when even this route does not match; the root of a file matches everything. */
export function routesFor(route: Route, labels: Labels): readonly Route[] {
  if (!route.test(labels)) return [];
  const found: Route[] = [];
  for (const child of route.routes) {
    const matches = routesFor(child, labels);
    found.push(...matches);
    if (matches.length > 0 && !child.goesOn) break;
  }
  return found.length === 0 ? [route] : found;
}

/** One group that an alert belongs to. */
export interface Place {
  readonly route: Route;
  readonly receiver: string;
  readonly groupKey: string;
  readonly labels: Labels;
}

/** The groups of an alert. Two routes of one key and one receiver are one group: the first in the file rules. */
export function placesOf(root: Route, labels: Labels): readonly Place[] {
  const places: Place[] = [];
  for (const route of routesFor(root, labels)) {
    const shared = groupLabels(route, labels);
    const place: Place = {
      route,
      receiver: route.receiver,
      groupKey: groupKey(route, shared),
      labels: shared,
    };
    const twice = places.some(
      (other) => other.groupKey === place.groupKey && other.receiver === place.receiver,
    );
    if (!twice) places.push(place);
  }
  return places;
}
