import { cleanText } from "../clean-text.js";
import { Columns } from "../columns.js";
import type { CollectGroup } from "../group.js";
import type { RunProgram, Say } from "../ports.js";
import type { FoundService, Reading } from "../reading.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";

/** The states of a unit that node_exporter tells apart. */
const STATES = ["activating", "active", "deactivating", "failed", "inactive"] as const;
const TIMEOUT_MS = 10_000;
const TEXT_MAX = 256;

/** One unit as `systemctl show` tells of it. */
export interface Unit {
  readonly name: string;
  readonly activeState: string;
  readonly subState: string;
  /** How a service says that it started: simple, notify, ... Empty for units that are no services. */
  readonly type: string;
}

/**
 * States of named systemd units, under node_exporter's name. This is the one reading that starts a program, at most
 * once a minute and for all units together: systemd tells its states over D-Bus only, and an own D-Bus client is a
 * protocol, an authentication and a marshalling that 3 ms of CPU a minute do not pay for.
 */
export class SystemdUnits implements CollectGroup {
  readonly name = "services";
  readonly intervalMs: number;
  readonly #units: readonly string[];
  readonly #common: LabelSet;
  readonly #run: RunProgram;
  readonly #say: Say;
  readonly #found: (services: readonly FoundService[]) => void;
  readonly #columns = new Columns();
  #series = new Map<string, readonly Series[]>();
  #failing = false;

  constructor(
    settings: { readonly units: readonly string[]; readonly intervalMs: number },
    common: LabelSet,
    run: RunProgram,
    say: Say,
    found: (services: readonly FoundService[]) => void,
  ) {
    this.intervalMs = settings.intervalMs;
    this.#units = settings.units;
    this.#common = common;
    this.#run = run;
    this.#say = say;
    this.#found = found;
  }

  async read(timestampMs: number): Promise<Reading[]> {
    const units = await this.#show();
    const seen = new Map<string, readonly Series[]>();
    for (const unit of units) {
      const key = `${unit.name} ${unit.type}`;
      const series = this.#series.get(key) ?? unitSeries(unit, this.#common);
      seen.set(key, series);
      for (const [i, state] of STATES.entries()) {
        this.#columns.put(series[i] as Series, unit.activeState === state ? 1 : 0);
      }
    }
    this.#series = seen;
    this.#found(units.map(({ name, activeState, subState }) => ({ name, activeState, subState })));
    return this.#columns.finish(timestampMs);
  }

  close(): void {}

  async #show(): Promise<readonly Unit[]> {
    const properties = "--property=Id,ActiveState,SubState,Type";
    // `--` ends the options: a unit's name may begin with a dash.
    const argv = ["systemctl", "show", "--no-pager", properties, "--", ...this.#units];
    try {
      const { exitCode, stdout } = await this.#run(argv, TIMEOUT_MS);
      if (exitCode !== 0) throw new Error(`systemctl show ended with ${exitCode}`);
      this.#failing = false;
      return parseShow(stdout);
    } catch (error) {
      const because = error instanceof Error ? error.message : String(error);
      if (!this.#failing) this.#say("warn", "Services cannot be read", { because });
      this.#failing = true;
      return [];
    }
  }
}

/** Units of `systemctl show`: lines of name=value, a blank line between units. */
export function parseShow(text: string): Unit[] {
  const units: Unit[] = [];
  for (const block of text.split(/\n\n+/u)) {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      const at = line.indexOf("=");
      if (at > 0) fields.set(line.slice(0, at), cleanText(line.slice(at + 1), TEXT_MAX));
    }
    const name = fields.get("Id");
    if (name === undefined) continue;
    units.push({
      name,
      activeState: fields.get("ActiveState") ?? "",
      subState: fields.get("SubState") ?? "",
      type: fields.get("Type") ?? "",
    });
  }
  return units;
}

function unitSeries(unit: Unit, common: LabelSet): readonly Series[] {
  return STATES.map((state) =>
    makeSeries("node_systemd_unit_state", { name: unit.name, state, type: unit.type }, common),
  );
}
