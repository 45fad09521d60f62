/**
 * The house's own metrics: one prom-client registry, and the few shapes that rooms use.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export type LabelValues = Readonly<Record<string, string>>;

export interface CounterHandle {
  add(labels?: LabelValues, by?: number): void;
}

export interface GaugeHandle {
  set(value: number, labels?: LabelValues): void;
}

export interface HistogramHandle {
  observe(value: number, labels?: LabelValues): void;
}

/** A reading made when metrics are asked for; label values are bounded by whoever gives them. */
export type Reading = () => readonly { readonly labels?: LabelValues; readonly value: number }[];

export class Metrics {
  readonly #registry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    // Gauges with a counter's name, which `promtool check metrics` refuses; the same is there by type.
    for (const name of ["handles", "requests", "resources"]) {
      this.#registry.removeSingleMetric(`nodejs_active_${name}_total`);
    }
  }

  counter(name: string, help: string, labelNames: readonly string[] = []): CounterHandle {
    const counter = new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
    return { add: (labels = {}, by = 1) => counter.inc({ ...labels }, by) };
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): GaugeHandle {
    const gauge = new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
    return { set: (value, labels = {}) => gauge.set({ ...labels }, value) };
  }

  histogram(
    name: string,
    help: string,
    labelNames: readonly string[],
    buckets: readonly number[],
  ): HistogramHandle {
    const histogram = new Histogram({
      name,
      help,
      labelNames: [...labelNames],
      buckets: [...buckets],
      registers: [this.#registry],
    });
    return { observe: (value, labels = {}) => histogram.observe({ ...labels }, value) };
  }

  /** A gauge whose values are read when they are asked for, so that it is never stale. */
  reading(name: string, help: string, labelNames: readonly string[], read: Reading): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels = {}, value } of read()) this.set({ ...labels }, value);
      },
    });
  }

  /** A counter kept elsewhere, read when it is asked for. */
  total(name: string, help: string, labelNames: readonly string[], read: Reading): void {
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels = {}, value } of read()) this.inc({ ...labels }, value);
      },
    });
  }

  /** All of it in Prometheus' text format. */
  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
