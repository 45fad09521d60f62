/** The network between the agents and the control plane: it loses, delays, doubles and is cut. */
import type { Agenda } from "./agenda.js";
import type { Rng } from "./rng.js";

export class Network {
  /** `cut[from][to]`; behind the nodes' the control plane's index, and then the poolers'. */
  readonly cut: boolean[][];
  /** Losses, doubles and slow messages by chance. */
  turbulent = false;
  latencyFactor = 1;
  /** What goes to this one is late. */
  slow: { readonly to: number; readonly byMs: number } | null = null;

  constructor(
    size: number,
    readonly agenda: Agenda,
    readonly rng: Rng,
  ) {
    this.cut = Array.from({ length: size }, () => Array.from({ length: size }, () => false));
  }

  isLinked(a: number, b: number): boolean {
    return this.cut[a]?.[b] === false && this.cut[b]?.[a] === false;
  }

  /** What is cut off on its way is lost: a stream that breaks. */
  send(source: number, target: number, deliver: () => void): void {
    const { rng } = this;
    let copies = 1;
    if (this.turbulent) {
      if (rng.chance(0.01)) copies = 0;
      else if (rng.chance(0.03)) copies = 2;
    }
    for (let copy = 0; copy < copies; copy += 1) {
      let delay = rng.between(1, 15) * this.latencyFactor;
      if (this.slow?.to === target) delay += this.slow.byMs;
      // Doubles are old: that is what makes them dangerous.
      if (copy > 0) delay += rng.chance(0.5) ? rng.between(0, 300) : rng.between(300, 20_000);
      else if (this.turbulent && rng.chance(0.01)) delay += rng.between(0, 3_000);
      if (copy === 0 && this.cut[source]?.[target] !== false) continue;
      this.agenda.after(delay, () => {
        if (this.cut[source]?.[target] === false) deliver();
      });
    }
  }

  heal(): void {
    this.turbulent = false;
    this.latencyFactor = 1;
    this.slow = null;
    for (const row of this.cut) row.fill(false);
  }
}
