/** What others read and ask for: alerts with what hides them, posted alerts, silences, what was told. On every replica. */
import type { Actor } from "../kernel/actor.js";
import { OpsError } from "../kernel/errors.js";
import type { Labels } from "../kernel/labels.js";
import { DAY, type Duration, type Instant } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import { RegexpError } from "../promql/regexp-syntax.js";
import { alertAccount } from "./alert-account.js";
import type { AlertBook, AlertPage } from "./alert-book.js";
import type { ConfigFile } from "./config-file.js";
import { type NotificationConfig, RESOLVE_TIMEOUT_DEFAULT } from "./domain/config.js";
import { type ShowPorts, showAlerts, showGroups } from "./domain/filter-alerts.js";
import { Router } from "./domain/group-members.js";
import { compileInhibition, type InhibitTest } from "./domain/inhibit.js";
import { compileMatchers, type LabelMatcher } from "./domain/matcher.js";
import { sentLabels } from "./domain/own-alert.js";
import { acceptPosted, type KeptAlert, type PostedAlert } from "./domain/posted-alert.js";
import type { AlertFilter } from "./domain/shown-alert.js";
import {
  compileSilences,
  decideSilence,
  type Silence,
  type SilenceRequest,
  silenceState,
} from "./domain/silence.js";
import { readNotices } from "./notices.store.js";
import type {
  AlertAccount,
  ChannelHealth,
  NotificationDoor,
  NotificationStatus,
  PostOutcome,
  ShownSilence,
  SilenceOutcome,
} from "./notification-door.js";
import { savePosted } from "./posted-alerts.store.js";
import {
  lockSilence,
  readSilence,
  readSilences,
  type SilenceChange,
  saveSilences,
} from "./silences.store.js";
import { readSuppressions } from "./suppressions.store.js";

/** Alerts that one post may hold. */
const POST_MAX = 20_000;
/** Silences that ended are shown for as long as they are kept. */
const SILENCES_SHOWN: Duration = 5 * DAY;

export interface DeskPorts {
  readonly database: Database;
  readonly system: System;
  readonly configFile: ConfigFile;
  readonly alerts: AlertBook;
  /** What every alert of ours is told with. */
  readonly externalLabels: Labels;
  readonly channels: () => readonly ChannelHealth[];
  readonly because: () => string;
  /** Told that alerts or silences changed. */
  readonly changed: () => void;
}

export class NotificationDesk implements NotificationDoor {
  readonly #ports: DeskPorts;
  readonly #startedAt: Instant;
  #ready: { readonly config: NotificationConfig; readonly router: Router } | undefined;
  #inhibition:
    | { readonly page: AlertPage; readonly config: NotificationConfig; readonly test: InhibitTest }
    | undefined;

  constructor(ports: DeskPorts) {
    this.#ports = ports;
    this.#startedAt = ports.system.clock.now();
  }

  async listAlerts(filter: AlertFilter) {
    const { page, show, now } = await this.#show();
    return translate(() => showAlerts(page.alerts, filter, show, now));
  }

  async listGroups(filter: AlertFilter) {
    const { page, show, now } = await this.#show();
    return translate(() => showGroups(page.alerts, filter, show, now));
  }

  async #show(): Promise<{ page: AlertPage; show: ShowPorts; now: Instant }> {
    const { system, configFile, alerts, database } = this.#ports;
    const now = system.clock.now();
    const config = configFile.inForce?.config;
    if (config === undefined)
      throw new OpsError("UNAVAILABLE", "show alerts: no good notification file has been read yet");
    const [page, silences] = await Promise.all([alerts.read(now), readSilences(database, now)]);
    if (this.#ready?.config !== config) this.#ready = { config, router: new Router(config.route) };
    if (this.#inhibition?.page !== page || this.#inhibition.config !== config)
      this.#inhibition = { page, config, test: compileInhibition(config.inhibitRules, page.alerts, now) };
    const { router } = this.#ready;
    const inhibitedBy = this.#inhibition.test;
    return { page, now, show: { config, router, inhibitedBy, silencedBy: compileSilences(silences, now) } };
  }

  async postAlerts(posts: readonly PostedAlert[]): Promise<PostOutcome> {
    if (posts.length > POST_MAX)
      return { stored: 0, faults: [`${posts.length} alerts in one post, at most ${POST_MAX}`] };
    const { system, configFile, database, changed } = this.#ports;
    const now = system.clock.now();
    const resolveTimeout = configFile.inForce?.config.resolveTimeout ?? RESOLVE_TIMEOUT_DEFAULT;
    const kept: KeptAlert[] = [];
    const faults: string[] = [];
    for (const post of posts) {
      const verdict = acceptPosted(post, resolveTimeout, now);
      if (verdict.kind === "kept") kept.push(verdict.alert);
      else faults.push(verdict.because);
    }
    if (kept.length > 0) {
      await database.transaction((tx) => savePosted(tx, kept, now));
      changed();
    }
    return { stored: kept.length, faults };
  }

  receivers(): readonly string[] {
    return (this.#ports.configFile.inForce?.config.receivers ?? []).map(({ name }) => name);
  }

  async listSilences(matchers: readonly LabelMatcher[] = []): Promise<readonly ShownSilence[]> {
    const now = this.#ports.system.clock.now();
    const all = await readSilences(this.#ports.database, now - SILENCES_SHOWN);
    const wanted = (silence: Silence): boolean =>
      matchers.every((filter) => {
        // A filter is asked of the values that the silence's own matchers name.
        const named = silence.matchers.find(({ name }) => name === filter.name);
        return compileMatchers([filter])(named === undefined ? {} : { [named.name]: named.value });
      });
    const rank = { active: 0, pending: 1, expired: 2 };
    return all
      .filter(wanted)
      .map((silence) => ({ ...silence, state: silenceState(silence, now) }))
      .sort((a, b) => rank[a.state] - rank[b.state] || soonest(a, b));
  }

  async getSilence(id: string): Promise<ShownSilence | undefined> {
    const silence = await readSilence(this.#ports.database, id);
    return silence && { ...silence, state: silenceState(silence, this.#ports.system.clock.now()) };
  }

  async putSilence(request: SilenceRequest, by: Actor): Promise<SilenceOutcome> {
    const { database, system, changed } = this.#ports;
    const now = system.clock.now();
    const outcome = await database.transaction(async (tx): Promise<SilenceOutcome> => {
      const known = request.id === undefined ? undefined : await lockSilence(tx, request.id);
      const verdict = decideSilence(request, known, system.draws.id(now), now);
      if (verdict.kind === "invalid" || verdict.kind === "unknown") return verdict;
      const { silence, because } = verdict;
      const kind = verdict.kind === "created" ? "silence.created" : "silence.changed";
      const changes: SilenceChange[] = [{ kind, silence, by, because }];
      if (verdict.kind === "created" && verdict.replaces !== undefined) {
        const ended = `silence ${silence.id} takes its place`;
        changes.unshift({
          kind: "silence.expired",
          silence: endNow(verdict.replaces, now),
          by,
          because: ended,
        });
      }
      await saveSilences(tx, changes, now);
      return { kind: "stored", id: silence.id };
    });
    if (outcome.kind === "stored") changed();
    return outcome;
  }

  async expireSilence(id: string, by: Actor): Promise<boolean> {
    const { database, system, changed } = this.#ports;
    const now = system.clock.now();
    const found = await database.transaction(async (tx) => {
      const known = await lockSilence(tx, id);
      if (known === undefined) return false;
      if (silenceState(known, now) === "expired") return true;
      const silence = endNow(known, now);
      await saveSilences(tx, [{ kind: "silence.expired", silence, by, because: "ended on request" }], now);
      return true;
    });
    if (found) changed();
    return found;
  }

  suppressions(filter: Parameters<NotificationDoor["suppressions"]>[0]) {
    return readSuppressions(this.#ports.database, filter);
  }

  notices(filter: Parameters<NotificationDoor["notices"]>[0]) {
    return readNotices(this.#ports.database, filter);
  }

  async accountOf(labels: Labels): Promise<AlertAccount> {
    const { database, externalLabels } = this.#ports;
    return alertAccount(database, await this.#show(), sentLabels(labels, externalLabels));
  }

  status(): NotificationStatus {
    const { configFile, because, channels } = this.#ports;
    return {
      configOriginal: configFile.inForce?.original ?? "",
      faults: configFile.faults,
      startedAt: this.#startedAt,
      resolveTimeout: configFile.inForce?.config.resolveTimeout ?? RESOLVE_TIMEOUT_DEFAULT,
      because: because(),
      channels: channels(),
    };
  }

  async reload(): Promise<readonly string[]> {
    await this.#ports.configFile.load();
    return this.#ports.configFile.faults;
  }
}

/** One that had not begun ends where it would have begun. */
function endNow(silence: Silence, now: Instant): Silence {
  return { ...silence, startsAt: Math.min(silence.startsAt, now), endsAt: now, updatedAt: now };
}

function soonest(a: ShownSilence, b: ShownSilence): number {
  if (a.state === "expired") return b.endsAt - a.endsAt;
  return a.state === "pending" ? a.startsAt - b.startsAt : a.endsAt - b.endsAt;
}

function translate<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RegexpError)) throw error;
    throw new OpsError("INVALID_ARGUMENT", `failed to parse receiver param: ${error.message}`);
  }
}
