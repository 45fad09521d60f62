/** Reads alertmanager.yml: the values, or every fault with its line. */

import { z } from "zod";
import { compareText } from "../../kernel/labels.js";
import {
  GROUP_INTERVAL_DEFAULT,
  GROUP_WAIT_DEFAULT,
  type InhibitRule,
  type NotificationConfig,
  REPEAT_INTERVAL_DEFAULT,
  RESOLVE_TIMEOUT_DEFAULT,
  type Route,
} from "./config.js";
import type { ConfigPath, NoteFault } from "./config-place.js";
import { FILE, type FileContent, type RouteContent } from "./config-schema.js";
import { compileMatchers, formatMatchers, sortMatchers } from "./matcher.js";
import { readReceivers } from "./read-receivers.js";
import type { TimeInterval } from "./time-interval.js";

/** Deepest nesting of routes. */
const ROUTE_DEPTH_MAX = 50;

/** `lineOf` tells on which line a part stands; faults read `line: place: message`. */
export function readConfig(
  content: unknown,
  lineOf: (path: ConfigPath) => number,
): { readonly value: NotificationConfig } | { readonly faults: readonly string[] } {
  if (depthOf(content) > ROUTE_DEPTH_MAX * 4) return { faults: ["1: the file: it is nested too deep"] };
  const parsed = FILE.safeParse(withoutNulls(content) ?? {});
  if (!parsed.success) return { faults: parsed.error.issues.map((issue) => describeIssue(issue, lineOf)) };
  const faults: string[] = [];
  const warnings: string[] = [];
  const fault: NoteFault = (path, message) => {
    faults.push(`${lineOf(path)}: ${path.join(".") || "the file"}: ${message}`);
  };
  const warn: NoteFault = (path, message) => {
    warnings.push(`${lineOf(path)}: ${path.join(".")}: ${message}`);
  };
  const file = parsed.data;
  const receivers = readReceivers(file, fault, warn);
  const timeIntervals = readTimeIntervals(file, fault);
  const names = new Set(receivers.map(({ name }) => name));
  const root = file.route;
  if (root === undefined) {
    fault([], "no routes provided");
    return { faults };
  }
  judgeRoot(root, fault);
  const route = readRoute(root, undefined, ["route"], (path, inRoute) => {
    judgeRoute(path, inRoute, names, timeIntervals, fault);
  });
  if (faults.length > 0) return { faults };
  return {
    value: {
      resolveTimeout: file.global.resolve_timeout ?? RESOLVE_TIMEOUT_DEFAULT,
      route,
      receivers,
      inhibitRules: file.inhibit_rules.map(readInhibitRule),
      timeIntervals,
      templatePaths: file.templates,
      warnings,
    },
  };
}

function describeIssue(issue: z.core.$ZodIssue, lineOf: (path: ConfigPath) => number): string {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code === "unrecognized_keys") {
    const [first = ""] = issue.keys;
    const place = path.join(".") || "the file";
    return `${lineOf([...path, first])}: ${place}: field ${issue.keys.join(", ")} not found`;
  }
  return `${lineOf(path)}: ${path.join(".") || "the file"}: ${issue.message}`;
}

/** What is written without a value is the same as not written, as in Go. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== null).map(withoutNulls);
  if (typeof value !== "object" || value === null) return value ?? undefined;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== null)
      .map(([name, part]) => [name, withoutNulls(part)]),
  );
}

/** Nesting of what YAML gave; references make it possible to write something endless. */
function depthOf(value: unknown, depth = 0): number {
  if (typeof value !== "object" || value === null || depth > ROUTE_DEPTH_MAX * 4) return depth;
  return Object.values(value).reduce<number>((most, part) => Math.max(most, depthOf(part, depth + 1)), depth);
}

function judgeRoot(root: RouteContent, fault: NoteFault): void {
  if (root.receiver === undefined || root.receiver === "")
    fault(["route"], "root route must specify a default receiver");
  if (root.match.length + root.match_re.length + root.matchers.length > 0)
    fault(["route"], "root route must not have any matchers");
  if (root.mute_time_intervals.length > 0)
    fault(["route", "mute_time_intervals"], "root route must not have any mute time intervals");
  if (root.active_time_intervals.length > 0)
    fault(["route", "active_time_intervals"], "root route must not have any active time intervals");
  if (root.continue) fault(["route", "continue"], "cannot have continue in root route");
}

function judgeRoute(
  path: ConfigPath,
  route: RouteContent,
  receivers: ReadonlySet<string>,
  intervals: ReadonlyMap<string, TimeInterval>,
  fault: NoteFault,
): void {
  const { receiver, group_by: groupBy = [] } = route;
  if (receiver !== undefined && receiver !== "" && !receivers.has(receiver))
    fault([...path, "receiver"], `undefined receiver "${receiver}" used in route`);
  for (const part of ["mute_time_intervals", "active_time_intervals"] as const) {
    for (const name of route[part])
      if (!intervals.has(name)) fault([...path, part], `undefined time interval "${name}" used in route`);
  }
  if (groupBy.includes("...") && groupBy.length > 1)
    fault([...path, "group_by"], "cannot have wildcard group_by ('...') and other labels at the same time");
  const twice = groupBy.find((name, index) => groupBy.indexOf(name) !== index);
  if (twice !== undefined) fault([...path, "group_by"], `duplicated label "${twice}" in group_by`);
  if (route.group_interval === 0) fault([...path, "group_interval"], "group_interval cannot be zero");
  if (route.repeat_interval === 0) fault([...path, "repeat_interval"], "repeat_interval cannot be zero");
}

function readRoute(
  content: RouteContent,
  parent: Route | undefined,
  path: ConfigPath,
  judge: (path: ConfigPath, route: RouteContent) => void,
): Route {
  judge(path, content);
  const matchers = sortMatchers([...content.match, ...content.match_re, ...content.matchers]);
  const own = formatMatchers(matchers);
  const groupBy = content.group_by;
  const route: Route = {
    key: parent === undefined ? own : `${parent.key}/${own}`,
    matchers,
    test: compileMatchers(matchers),
    goesOn: content.continue,
    receiver:
      content.receiver === undefined || content.receiver === "" ? (parent?.receiver ?? "") : content.receiver,
    groupBy: groupBy === undefined ? (parent?.groupBy ?? []) : groupBy.includes("...") ? "all" : groupBy,
    groupWait: content.group_wait ?? parent?.groupWait ?? GROUP_WAIT_DEFAULT,
    groupInterval: content.group_interval ?? parent?.groupInterval ?? GROUP_INTERVAL_DEFAULT,
    repeatInterval: content.repeat_interval ?? parent?.repeatInterval ?? REPEAT_INTERVAL_DEFAULT,
    // These are a route's own and are not handed down.
    muteIn: content.mute_time_intervals,
    activeIn: content.active_time_intervals,
    routes: [],
  };
  const routes = content.routes.map((child, index) =>
    readRoute(child, route, [...path, "routes", index], judge),
  );
  return { ...route, routes };
}

function readInhibitRule(rule: FileContent["inhibit_rules"][number]): InhibitRule {
  const source = sortMatchers([...rule.source_match, ...rule.source_match_re, ...rule.source_matchers]);
  const target = sortMatchers([...rule.target_match, ...rule.target_match_re, ...rule.target_matchers]);
  return {
    name: rule.name ?? `${formatMatchers(source)} inhibits ${formatMatchers(target)}`,
    source: compileMatchers(source),
    target: compileMatchers(target),
    equal: [...new Set(rule.equal)].sort(compareText),
  };
}

function readTimeIntervals(file: FileContent, fault: NoteFault): ReadonlyMap<string, TimeInterval> {
  const intervals = new Map<string, TimeInterval>();
  for (const list of ["mute_time_intervals", "time_intervals"] as const) {
    for (const [index, interval] of file[list].entries()) {
      if (intervals.has(interval.name))
        fault([list, index, "name"], `time interval "${interval.name}" is not unique`);
      intervals.set(interval.name, {
        name: interval.name,
        spans: interval.time_intervals.map((span) => ({
          minutes: span.times.map(({ start_time: from, end_time: to }) => ({ from, to })),
          weekdays: span.weekdays,
          daysOfMonth: span.days_of_month,
          months: span.months,
          years: span.years,
          zone: span.location,
        })),
      });
    }
  }
  return intervals;
}

/** A route and all below it, in the order of the file. */
export function everyRoute(route: Route): readonly Route[] {
  return [route, ...route.routes.flatMap(everyRoute)];
}
