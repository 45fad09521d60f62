/**
 * What hosts measure, made up and the same for every contender: of ten series four never change, three are counters of
 * whole units, two are readings with two decimals, and one is noise.
 */
export const METRICS = 25;

export const metricName = (metric) => `bench_metric_${metric}_bytes_total`;

/** Labels of a node's series, as an agent announces them: name, value, name, value. */
export function labelsOf(node, series) {
  const metric = series % METRICS;
  const device = Math.floor(series / METRICS);
  return [
    "__name__",
    metricName(metric),
    "device",
    `device-${device}`,
    "instance",
    `host-${node}.example.net:9100`,
    "job",
    "node",
  ];
}

export const nodeName = (node) => `bench-${node}`;

/** A generator of small whole numbers that is the same in every run. */
function chance(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4_294_967_296;
  };
}

/** The values of one node's series, moved on by each call of `next`. */
export class NodeValues {
  constructor(node, count) {
    this.values = new Float64Array(count);
    this.draw = chance(node * 7_919 + 1);
    for (let i = 0; i < count; i++) this.values[i] = Math.floor(this.draw() * 1e6);
  }

  next() {
    const { values, draw } = this;
    for (let i = 0; i < values.length; i++) {
      const kind = i % 10;
      if (kind < 4) continue;
      if (kind < 7) values[i] += Math.floor(draw() * 1_000);
      else if (kind < 9) values[i] = Math.round(draw() * 10_000) / 100;
      else values[i] = draw();
    }
    return values;
  }
}
