/**
 * When a group is judged: at the same moments whatever replica judges it and whenever it was started, and not all groups
 * at once (as Prometheus: an offset within the interval, from a hash of the group's name).
 */
import type { Duration, Instant } from "../../kernel/time.js";

/** FNV-1a, 32 bits, and a last mixing, for names that differ in their last letter only would lie side by side. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** How long after each multiple of `interval` the group is judged; 0 to `interval`, exclusive, in whole ms. */
export function slotOffset(
  group: { readonly file: string; readonly name: string },
  interval: Duration,
): Duration {
  return Math.floor((hashOf(`${group.file};${group.name}`) / 2 ** 32) * interval);
}

/** The first slot after `now`. */
export function nextSlot(now: Instant, interval: Duration, offset: Duration): Instant {
  return Math.floor((now - offset) / interval) * interval + offset + interval;
}

/** Slots that passed between the one judged last and the one judged now. A clock that was set back missed none. */
export function missedSlots(last: Instant | undefined, now: Instant, interval: Duration): number {
  if (last === undefined) return 0;
  return Math.max(0, Math.round((now - last) / interval) - 1);
}
