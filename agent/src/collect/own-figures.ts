import type { Columns } from "./columns.js";
import type { HostReader } from "./host/host-reader.js";
import { type LabelSet, makeSeries, type Series } from "./series.js";

/** A figure that the agent has of itself. */
export interface OwnFigure {
  /** `mainstay_agent_...` */
  readonly name: string;
  readonly labels?: LabelSet;
  readonly value: number;
}

/** How many figures the agent may have of itself: their labels are of its own making, and few. */
const FIGURES_MAX = 200;

/** The agent's own figures, in the host's reading. They carry `job="mainstay-agent"`. */
export class OwnFigures implements HostReader {
  readonly name = "agent";
  readonly #common: LabelSet;
  readonly #figures: () => Iterable<OwnFigure>;
  readonly #series = new Map<string, Series>();

  constructor(figures: () => Iterable<OwnFigure>, common: LabelSet) {
    this.#figures = figures;
    this.#common = { ...common, job: "mainstay-agent" };
  }

  read(into: Columns): void {
    for (const { name, labels, value } of this.#figures()) {
      const key = labels === undefined ? name : `${name} ${JSON.stringify(labels)}`;
      let series = this.#series.get(key);
      if (series === undefined) {
        if (this.#series.size >= FIGURES_MAX)
          throw new Error(`more than ${FIGURES_MAX} own figures, "${key}" is one too many`);
        series = makeSeries(name, labels ?? {}, this.#common);
        this.#series.set(key, series);
      }
      into.put(series, value);
    }
  }

  close(): void {}
}
