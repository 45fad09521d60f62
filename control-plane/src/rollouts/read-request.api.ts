/** What is asked of a rollout, checked and with its defaults; and the nodes that it speaks of. */
import type { RolloutSpec as WireSpec } from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import { canonicalJson, type Json } from "../kernel/canonical-json.js";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import type { NodeId } from "../kernel/ids.js";
import { isLabelName, type Labels } from "../kernel/labels.js";
import { type Duration, HOUR, MINUTE, SECOND } from "../kernel/time.js";
import { DEFAULT_LIMITS, DEFAULT_WAVES, type Limit, type RolloutSpec, type Wave } from "./domain/rollout.js";

const BOUNDS = {
  argumentsLength: 16_384,
  reasonLength: 1_000,
  exprLength: 4_096,
  targets: 10_000,
  waves: 50,
  limits: 20,
  settleMs: { default: MINUTE, max: 12 * HOUR },
  withinMs: { default: 10 * MINUTE, max: 24 * HOUR },
  failures: { default: 1, max: 10_000 },
  inFlight: { default: 10, max: 1_000 },
  timeoutMs: { default: 5 * MINUTE, max: HOUR },
  expiresInMs: { default: 4 * HOUR, max: 24 * HOUR },
} as const;

export interface PlacedNode {
  readonly id: NodeId;
  readonly name: string;
  readonly labels: Labels;
}

export interface Selector {
  readonly nodes: readonly string[];
  readonly labels: Labels;
}

const invalid = (message: string): OpsError => new OpsError("INVALID_ARGUMENT", `plan a rollout: ${message}`);

function within(
  name: string,
  value: number,
  bound: { readonly default: number; readonly max: number },
): number {
  if (value > bound.max) throw invalid(`${name} is ${value}, at most ${bound.max}`);
  return value === 0 ? bound.default : value;
}

function noLonger(name: string, text: string, max: number): string {
  if (text.length > max) throw invalid(`${name} has ${text.length} characters, at most ${max}`);
  return text;
}

function readPercent(name: string, percent: number): number {
  if (!(percent >= 0 && percent <= 100)) throw invalid(`${name} is ${percent}, expected 0 to 100`);
  return percent / 100;
}

/** Throws INVALID_ARGUMENT, which names the field and what was expected. */
export function readSpec(wire: WireSpec | undefined): {
  readonly spec: RolloutSpec;
  readonly expiresInMs: Duration;
  readonly selector: Selector;
} {
  if (wire === undefined) throw invalid("spec is not there");
  if (wire.action === "") throw invalid("spec.action is empty");
  if (wire.nodes.length === 0 && Object.keys(wire.matchLabels).length === 0)
    throw invalid("spec.nodes and spec.match_labels are both empty, expected at least one of them");
  if (wire.nodes.length > BOUNDS.targets)
    throw invalid(`spec.nodes has ${wire.nodes.length} nodes, at most ${BOUNDS.targets}`);
  const settle = within(
    "spec.gate.settle_seconds",
    (wire.gate?.settleSeconds ?? 0) * SECOND,
    BOUNDS.settleMs,
  );
  const gateWithin = (wire.gate?.withinSeconds ?? 0) * SECOND;
  if (gateWithin !== 0 && gateWithin < settle)
    throw invalid(`spec.gate.within_seconds is ${gateWithin / SECOND}, less than settle_seconds`);
  const stopAtShare = readPercent("spec.stop_at_percent", wire.stopAtPercent);
  return {
    spec: {
      action: wire.action,
      argumentsJson: readArguments(wire.argumentsJson),
      reason: noLonger("spec.reason", wire.reason, BOUNDS.reasonLength),
      waves: readWaves(wire),
      gate: {
        expr: noLonger("spec.gate.expr", wire.gate?.expr ?? "", BOUNDS.exprLength),
        settle,
        within:
          gateWithin === 0
            ? settle + BOUNDS.withinMs.default
            : within("spec.gate.within_seconds", gateWithin, BOUNDS.withinMs),
      },
      stopAtFailures: within("spec.stop_at_failures", wire.stopAtFailures, BOUNDS.failures),
      stopAtShare: stopAtShare === 0 ? 1 : stopAtShare,
      maxInFlight: within("spec.max_in_flight", wire.maxInFlight, BOUNDS.inFlight),
      limits: readLimits(wire),
      timeoutMs: within("spec.timeout_ms", wire.timeoutMs, BOUNDS.timeoutMs),
    },
    expiresInMs: within("spec.expires_in_seconds", wire.expiresInSeconds * SECOND, BOUNDS.expiresInMs),
    selector: { nodes: wire.nodes, labels: wire.matchLabels },
  };
}

function readArguments(text: string): string {
  noLonger("spec.arguments_json", text, BOUNDS.argumentsLength);
  let value: unknown;
  try {
    value = JSON.parse(text === "" ? "{}" : text);
  } catch {
    throw invalid("spec.arguments_json is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid("spec.arguments_json is not a JSON object");
  return canonicalJson(value as { [key: string]: Json });
}

function readWaves({ waves }: WireSpec): readonly Wave[] {
  if (waves.length === 0) return DEFAULT_WAVES;
  if (waves.length > BOUNDS.waves)
    throw invalid(`spec.waves has ${waves.length} waves, at most ${BOUNDS.waves}`);
  return waves.map(({ count, percent }, index): Wave => {
    const name = `spec.waves.${index}`;
    if (count > 0 && percent > 0) throw invalid(`${name} has count and percent, expected one of them`);
    if (count > 0) return { kind: "count", count };
    const share = readPercent(`${name}.percent`, percent);
    if (share === 0) throw invalid(`${name} has neither count nor percent`);
    return { kind: "share", share };
  });
}

function readLimits({ limits }: WireSpec): readonly Limit[] {
  if (limits.length === 0) return DEFAULT_LIMITS;
  if (limits.length > BOUNDS.limits)
    throw invalid(`spec.limits has ${limits.length} limits, at most ${BOUNDS.limits}`);
  return limits.map(({ label, max, percent }, index) => {
    const name = `spec.limits.${index}`;
    if (!isLabelName(label))
      throw invalid(`${name}.label is "${cleanText(label, 80)}", expected a label's name`);
    const share = readPercent(`${name}.percent`, percent);
    if (max === 0 && share === 0) throw invalid(`${name} has neither max nor percent`);
    return { label, max: max === 0 ? Number.MAX_SAFE_INTEGER : max, share: share === 0 ? 1 : share };
  });
}

/** The nodes that are meant. Throws NOT_FOUND for one that there is not, FAILED_PRECONDITION when none is left. */
export function matchTargets({ nodes, labels }: Selector, fleet: readonly PlacedNode[]) {
  const byName = new Map(
    fleet.flatMap((node) => [[node.id as string, node] as const, [node.name, node] as const]),
  );
  const named = nodes.map((name) => {
    const node = byName.get(name);
    if (node === undefined)
      throw new OpsError("NOT_FOUND", `plan a rollout: there is no node "${cleanText(name, 100)}"`);
    return node;
  });
  const candidates = nodes.length === 0 ? fleet : [...new Set(named)];
  const matching = candidates.filter((node) =>
    Object.entries(labels).every(([name, value]) => (node.labels[name] ?? "") === value),
  );
  const wanted = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  if (matching.length === 0)
    throw new OpsError(
      "FAILED_PRECONDITION",
      `plan a rollout: no node has ${cleanText(wanted.join(", "), 200)}`,
    );
  if (matching.length > BOUNDS.targets)
    throw invalid(`${matching.length} nodes match, at most ${BOUNDS.targets}`);
  return matching.map((node) => ({ nodeId: node.id, nodeName: node.name, labels: node.labels }));
}
