/** Routes tried out: where an alert goes, and who would have been told of the past by another file. Nothing is stored. */
import { readFirings } from "../alerting/alerting.module.js";
import { OpsError } from "../kernel/errors.js";
import { isLabelName, type Labels } from "../kernel/labels.js";
import { DAY, type Duration, type Instant } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import { parseYamlText } from "../platform/yaml-text.js";
import type { InForce } from "./config-file.js";
import type { NotifiedAlert } from "./domain/alert.js";
import type { NotificationConfig } from "./domain/config.js";
import { fingerprintOf } from "./domain/fingerprint.js";
import { windowsOf } from "./domain/mute-alert.js";
import { sentLabels } from "./domain/own-alert.js";
import { readConfig } from "./domain/read-config.js";
import { replayRoutes } from "./domain/replay-routes.js";
import { type Place, placesOf } from "./domain/route-alert.js";
import { type Telling, TellingTally } from "./domain/telling-tally.js";
import { countNotices, PAST_ROWS_MAX, readPostedFirings, readTold } from "./past-notices.store.js";
import { readSilences } from "./silences.store.js";

const CONFIG_MAX = 1024 * 1024;
const LABELS_MAX = 100;
/** The longest stretch: notices are kept no longer. */
const REPLAY_MAX: Duration = 30 * DAY;
/** Firings that are replayed at once, and looks at groups: some seconds of work, in small pieces. */
const FIRINGS_MAX = 20_000;
const PIECES_MAX = 5_000;
const TELLINGS_MAX = 2_000;

export interface TryRoutesPorts {
  readonly database: Database;
  readonly system: System;
  readonly inForce: () => InForce | undefined;
  readonly externalLabels: Labels;
}

export interface ReachedRoute {
  readonly place: Place;
  /** Windows that keep it quiet now. */
  readonly mutedBy: readonly string[];
}

export interface ReplayedReceiver {
  readonly receiver: string;
  readonly would: number;
  readonly did: number;
}

export interface RoutesReplay {
  readonly tellings: readonly Telling[];
  readonly receivers: readonly ReplayedReceiver[];
  readonly notes: readonly string[];
}

/** Throws INVALID_ARGUMENT with every fault of the file; FAILED_PRECONDITION when none is given and none in force. */
function configOf({ inForce }: TryRoutesPorts, text: string): NotificationConfig {
  if (text === "") {
    const config = inForce()?.config;
    if (config === undefined) throw new OpsError("FAILED_PRECONDITION", "no notification file is in force");
    return config;
  }
  if (text.length > CONFIG_MAX)
    throw new OpsError(
      "INVALID_ARGUMENT",
      `the file is ${text.length} characters long, at most ${CONFIG_MAX}`,
    );
  const read = parseYamlText("config", text, ({ value, lineOf }) => readConfig(value, lineOf));
  if ("value" in read) return read.value;
  throw new OpsError(
    "INVALID_ARGUMENT",
    `the file is not well formed: ${read.faults.join("; ").slice(0, 4_000)}`,
  );
}

export function testRoutes(ports: TryRoutesPorts, text: string, labels: Labels): readonly ReachedRoute[] {
  const config = configOf(ports, text);
  const names = Object.keys(labels);
  if (names.length > LABELS_MAX)
    throw new OpsError("INVALID_ARGUMENT", `there are ${names.length} labels, at most ${LABELS_MAX}`);
  const odd = names.find((name) => !isLabelName(name));
  if (odd !== undefined)
    throw new OpsError("INVALID_ARGUMENT", `"${odd.slice(0, 100)}" is no name of a label`);
  const now = ports.system.clock.now();
  return placesOf(config.route, labels).map((place) => ({
    place,
    mutedBy: windowsOf(place.route, config.timeIntervals, now).map(({ name }) => name),
  }));
}

export async function replayPast(
  ports: TryRoutesPorts,
  wish: { readonly config: string; readonly from: Instant; readonly to: Instant },
  signal: AbortSignal,
): Promise<RoutesReplay> {
  const { database, system } = ports;
  const { from, to } = wish;
  const config = configOf(ports, wish.config);
  if (!(to > from))
    throw new OpsError("INVALID_ARGUMENT", "the end of the replay is not after its beginning");
  if (to - from > REPLAY_MAX)
    throw new OpsError("INVALID_ARGUMENT", "the replay is longer than 30 days: notices are kept no longer");
  const notes: string[] = [];
  const firings = await readPast(ports, from, to, notes);
  // A silence that has ended is kept for some days; of those before nothing is known.
  const silences = await readSilences(database, from);
  const tally = new TellingTally();
  let pieces = 0;
  for (const look of replayRoutes({ config, firings, silences, until: to })) {
    if (look !== "pause") {
      // What was told before is what the decisions within the time build on.
      if (look.at >= from) tally.look(look);
      continue;
    }
    if (++pieces > PIECES_MAX) {
      notes.push(
        "the replay came to its bound: what would have been told later is missing; give a shorter time",
      );
      break;
    }
    await system.clock.sleep(0, signal);
    if (signal.aborted) throw new OpsError("CANCELLED", "replay routes: the caller is gone");
  }
  const told = await readTold(database, from, to);
  if (told.length >= PAST_ROWS_MAX) notes.push(`only ${PAST_ROWS_MAX} of those who were told are taken`);
  for (const one of told) tally.told(one);
  const tellings = tally.tellings();
  if (tellings.length > TELLINGS_MAX) notes.push(`${tellings.length - TELLINGS_MAX} more are left out`);
  return {
    tellings: tellings.slice(0, TELLINGS_MAX),
    receivers: receiversOf(tally.notices, await countNotices(database, from, to)),
    notes,
  };
}

/** All alerts that fired then, ours and others'. */
async function readPast(
  { database, externalLabels }: TryRoutesPorts,
  from: Instant,
  to: Instant,
  notes: string[],
): Promise<readonly NotifiedAlert[]> {
  const own = await readFirings(database, from, to);
  notes.push(...own.notes);
  const ours = own.firings.map(({ labels, firedAt, resolvedAt }) =>
    firingOf(sentLabels(labels, externalLabels), firedAt, resolvedAt),
  );
  const known = new Set(ours.map(({ fingerprint }) => fingerprint));
  const posted = await readPostedFirings(database, from, to);
  const others = posted
    .filter(({ fingerprint }) => !known.has(fingerprint))
    .map(({ labels, startsAt, endsAt }) => firingOf(labels, startsAt, endsAt));
  if (others.length > 0)
    notes.push(
      "alerts that others posted are known only as far as they are kept or someone was told of them",
    );
  const firings = [...ours, ...others];
  if (firings.length > FIRINGS_MAX)
    notes.push(`only the first ${FIRINGS_MAX} of ${firings.length} firings are taken`);
  return firings.sort((a, b) => a.startsAt - b.startsAt).slice(0, FIRINGS_MAX);
}

function firingOf(labels: Labels, startsAt: Instant, endsAt: Instant | undefined): NotifiedAlert {
  const fingerprint = fingerprintOf(labels);
  return {
    fingerprint,
    labels,
    annotations: {},
    startsAt,
    endsAt,
    updatedAt: endsAt ?? startsAt,
    generatorUrl: "",
  };
}

function receiversOf(
  would: ReadonlyMap<string, number>,
  did: ReadonlyMap<string, number>,
): readonly ReplayedReceiver[] {
  return [...new Set([...would.keys(), ...did.keys()])]
    .sort()
    .map((receiver) => ({ receiver, would: would.get(receiver) ?? 0, did: did.get(receiver) ?? 0 }));
}
