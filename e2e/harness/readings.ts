/** The readings of a node as they can be queried: whether a stretch of them is whole. */
import type { Operator } from "./operator.js";

/**
 * The longest silence, in seconds, in a series between two times (ms since the epoch), the ends counted as readings.
 * A busy machine makes a reading late; what was lost with a stream or a process would be a silence as long as the outage.
 */
export async function longestSilence(
  operator: Operator,
  selector: string,
  from: number,
  to: number,
): Promise<number> {
  const at = { seconds: BigInt(Math.floor(to / 1_000)), nanos: 0 };
  const { series } = await operator
    .metrics()
    .query({ expr: `${selector}[${Math.ceil((to - from) / 1_000)}s]`, at });
  const times = (series[0]?.points ?? []).map(({ timestampMs }) => Number(timestampMs));
  let last = from;
  let longest = 0;
  for (const time of [...times, to]) {
    longest = Math.max(longest, time - last);
    last = time;
  }
  return longest / 1_000;
}
