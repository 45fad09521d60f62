/** Who would have been told of which alert, beside who was: the two counted together, what differs first. */
import { compareText, type Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { ReplayedLook } from "./replay-routes.js";

export interface Telling {
  readonly receiver: string;
  readonly fingerprint: string;
  readonly labels: Labels;
  /** Notices that would have named the alert. */
  would: number;
  wouldFirstAt: Instant | undefined;
  did: number;
  didFirstAt: Instant | undefined;
  /** Looks at which it would have been told if nothing had hidden it. */
  hidden: number;
  /** `silence ID`, `inhibition FINGERPRINT`, `window NAME`. */
  readonly hiddenBy: Set<string>;
}

/** What one receiver was told of one alert. */
export interface ToldBefore {
  readonly receiver: string;
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly notices: number;
  readonly firstAt: Instant;
}

/** What hid one alert is told in so many names. */
const HIDERS_MAX = 10;

export class TellingTally {
  readonly #tellings = new Map<string, Telling>();
  readonly #notices = new Map<string, number>();

  look({ at, receiver, notices, hidden }: ReplayedLook): void {
    for (const { alerts } of notices) {
      this.#notices.set(receiver, (this.#notices.get(receiver) ?? 0) + 1);
      for (const { alert } of alerts) {
        const telling = this.#of(receiver, alert);
        telling.would++;
        telling.wouldFirstAt ??= at;
      }
    }
    // A window hides the whole group: what hides one alert in several ways is hidden once.
    const counted = new Set<string>();
    for (const { alert, muter } of hidden) {
      const telling = this.#of(receiver, alert);
      if (!counted.has(alert.fingerprint)) telling.hidden++;
      counted.add(alert.fingerprint);
      if (telling.hiddenBy.size < HIDERS_MAX) telling.hiddenBy.add(`${muter.kind} ${muter.name}`);
    }
  }

  told(told: ToldBefore): void {
    const telling = this.#of(told.receiver, told);
    telling.did += told.notices;
    telling.didFirstAt = Math.min(telling.didFirstAt ?? told.firstAt, told.firstAt);
  }

  /** Notices that each receiver would have had. */
  get notices(): ReadonlyMap<string, number> {
    return this.#notices;
  }

  /** Those that only would have been told, or only were, first; then by receiver and labels. */
  tellings(): readonly Telling[] {
    const differs = ({ would, did }: Telling): number => (would > 0 === did > 0 ? 1 : 0);
    const text = ({ labels }: Telling): string => JSON.stringify(labels);
    return [...this.#tellings.values()].sort(
      (a, b) =>
        differs(a) - differs(b) || compareText(a.receiver, b.receiver) || compareText(text(a), text(b)),
    );
  }

  #of(
    receiver: string,
    { fingerprint, labels }: { readonly fingerprint: string; readonly labels: Labels },
  ): Telling {
    const key = `${receiver}\n${fingerprint}`;
    const known = this.#tellings.get(key);
    if (known !== undefined) return known;
    const fresh: Telling = {
      ...{ receiver, fingerprint, labels, would: 0, wouldFirstAt: undefined, did: 0, didFirstAt: undefined },
      ...{ hidden: 0, hiddenBy: new Set() },
    };
    this.#tellings.set(key, fresh);
    return fresh;
  }
}
