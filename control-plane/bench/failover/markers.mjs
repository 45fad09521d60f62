/** The writer as whoever measures sees it: what was acknowledged, when, by whom; and what that says about a fault. */
import { fileURLToPath } from "node:url";

const WRITER = fileURLToPath(new URL("writer.mjs", import.meta.url));

/** CLOCK_MONOTONIC in ms, as the writer reads it. */
export const now = () => Number(process.hrtime.bigint()) / 1e6;

export class Markers {
  #acked = [];
  #program;

  constructor(programs, members) {
    this.#program = programs.start("writer", [WRITER, JSON.stringify(members)]);
    this.#program.onSaid(({ acked }) => {
      if (acked === undefined) return;
      this.#acked.push(...acked.map(([number, member, sentAt, at]) => ({ number, member, sentAt, at })));
    });
  }

  /** Acknowledged after `at`, in the order of their acknowledgement. */
  since(at) {
    return this.#acked.filter((one) => one.at > at).sort((a, b) => a.at - b.at);
  }

  /** Of no account any more: what was acknowledged before. */
  forgetBefore(at) {
    this.#acked = this.#acked.filter((one) => one.at >= at);
  }

  stop() {
    return this.#program.stop();
  }
}

/** The longest time without an acknowledgement that ended after `from` and began before `until`; zeros for none. */
export function longestGap(acked, from, until = Number.POSITIVE_INFINITY) {
  let longest = { gapMs: 0, from: 0, to: 0 };
  let last = acked[0]?.at;
  for (const { at } of acked) {
    if (at > from && last < until && at - last > longest.gapMs)
      longest = { gapMs: at - last, from: last, to: at };
    last = at;
  }
  return longest;
}

/** How many were acknowledged by one member after another member had begun to: two that acknowledge at once. */
export function overlaps(acked) {
  const first = new Map();
  const last = new Map();
  for (const { member, sentAt, at } of acked) {
    if (!first.has(member)) first.set(member, sentAt);
    last.set(member, at);
  }
  const order = [...first].sort((a, b) => a[1] - b[1]).map(([member]) => member);
  let count = 0;
  for (let index = 1; index < order.length; index += 1) {
    const began = acked.find((one) => one.member === order[index])?.at ?? Number.POSITIVE_INFINITY;
    count += acked.filter(({ member, sentAt }) => order.indexOf(member) < index && sentAt > began).length;
  }
  return count;
}

/** Which acknowledged markers are not among those `there`. */
export const missing = (acked, there) =>
  acked.filter(({ number }) => !there.has(number)).map(({ number }) => number);
