/** What notification knows of one alert: who hears of it, who was told, and what hides it or hid it. */
import type { Labels } from "../kernel/labels.js";
import { formatLabels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import type { AlertPage } from "./alert-book.js";
import type { ShowPorts } from "./domain/filter-alerts.js";
import { fingerprintOf } from "./domain/fingerprint.js";
import { formatMatchers } from "./domain/matcher.js";
import { type Muter, mutersOf, windowsOf } from "./domain/mute-alert.js";
import type { Place } from "./domain/route-alert.js";
import { readNotices } from "./notices.store.js";
import type { AlertAccount, AlertHider, Suppression } from "./notification-door.js";
import { readSilence } from "./silences.store.js";
import { readSuppressions } from "./suppressions.store.js";

const TOLD_MAX = 100;

/** What the account needs besides the database: the alerts and the file as they are now. */
export interface AccountSource {
  readonly page: AlertPage;
  readonly show: ShowPorts;
  readonly now: Instant;
}

/** The account of the alert of these labels, as they are sent. */
export async function alertAccount(
  database: Database,
  { page, show, now }: AccountSource,
  labels: Labels,
): Promise<AlertAccount> {
  const fingerprint = fingerprintOf(labels);
  const alert = page.byFingerprint.get(fingerprint);
  const places = alert === undefined ? [] : show.router.places(alert);
  const [notices, past] = await Promise.all([
    readNotices(database, { fingerprint, limit: TOLD_MAX }),
    readSuppressions(database, { fingerprint, limit: TOLD_MAX }),
  ]);
  const fires = alert !== undefined && (alert.endsAt === undefined || alert.endsAt > now);
  const present = fires ? presentMuters(mutersOf(alert, show), places, show, now) : [];
  const hiders = [
    ...past.map((one) => ({
      ...one,
      now: present.some((muter) => isOf(muter, one)),
    })),
    // What hides it and has not kept anything back yet.
    ...present.filter((muter) => !past.some((one) => isOf(muter, one))).map((by) => ({ by, now: true })),
  ];
  const described: AlertHider[] = [];
  for (const hider of hiders) described.push(await describe(database, page, hider));
  return {
    fingerprint,
    receivers: fires ? [...new Set(places.map(({ receiver }) => receiver))] : [],
    notices,
    hiddenBy: described.sort((a, b) => Number(b.now) - Number(a.now)),
  };
}

interface PresentMuter extends Muter {
  /** Undefined: from all. */
  readonly receiver: string | undefined;
}

function presentMuters(
  muters: readonly Muter[],
  places: readonly Place[],
  { config }: ShowPorts,
  now: Instant,
): readonly PresentMuter[] {
  const windows = places.flatMap(({ route, receiver }) =>
    windowsOf(route, config.timeIntervals, now).map((window) => ({ ...window, receiver })),
  );
  return [...muters.map((muter) => ({ ...muter, receiver: undefined })), ...windows];
}

const isOf = (muter: PresentMuter, { by, receiver }: Suppression): boolean =>
  muter.kind === by.kind &&
  muter.name === by.name &&
  (muter.receiver === undefined || muter.receiver === receiver);

type Hider = { readonly now: boolean } & (
  | Suppression
  | { readonly by: PresentMuter; readonly firstAt?: undefined }
);

async function describe(database: Database, page: AlertPage, hider: Hider): Promise<AlertHider> {
  const { kind, name } = hider.by;
  const kept = hider.firstAt === undefined ? { receiver: hider.by.receiver ?? "" } : hider;
  const told = {
    ...{ kind, name, now: hider.now, receiver: kept.receiver },
    ...(hider.firstAt === undefined
      ? { notices: 0, reason: "", since: undefined, lastAt: undefined }
      : { notices: hider.notices, reason: hider.reason, since: hider.firstAt, lastAt: hider.lastAt }),
  };
  if (kind === "silence") {
    const silence = await readSilence(database, name);
    if (silence === undefined) return { ...told, what: "" };
    const what = `${formatMatchers(silence.matchers)} by ${silence.createdBy}: ${silence.comment}`;
    return { ...told, what, since: silence.startsAt };
  }
  if (kind === "window") return { ...told, what: "" };
  const source = page.byFingerprint.get(name);
  return { ...told, what: source === undefined ? "" : formatLabels(source.labels) };
}
