/** Which freeze holds a component's drills: those for the whole house, and those that name it or may mean its nodes. */
import type { Freeze, Policy } from "../../commands/domain/policy.js";
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import { isWithin } from "../../kernel/window.js";

/** `selector` are labels that the component's nodes have, as far as that is known. */
export function freezeOver(
  policy: Policy,
  component: { readonly id: string; readonly selector: Labels | undefined },
  now: Instant,
): string | undefined {
  const freeze = (policy.freezes ?? []).find((one) => holds(one, now) && concerns(one, component));
  return freeze === undefined ? undefined : `freeze "${freeze.name}": ${freeze.reason}`;
}

const holds = ({ from, until, windows }: Freeze, now: Instant): boolean =>
  (from === undefined || now >= from) &&
  (until === undefined || now < until) &&
  (windows === undefined || windows.some((window) => isWithin(window, now)));

function concerns(
  { nodes, components }: Freeze,
  { id, selector }: { readonly id: string; readonly selector: Labels | undefined },
): boolean {
  if (components !== undefined && !components.includes(id)) return false;
  // A label that is not known of the component may be the freeze's all the same.
  return Object.entries(nodes ?? {}).every(([name, value]) => (selector?.[name] ?? value) === value);
}
