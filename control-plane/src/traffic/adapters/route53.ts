/**
 * A name in a zone of Route 53: the chosen destination has all the weight. Weights and the epoch beside them change in one
 * batch, which removes the very epoch that was seen: what another has written in between makes all of it fail.
 */
import { OpsError } from "../../kernel/errors.js";
import { type Duration, SECOND } from "../../kernel/time.js";
import { Route53, type Route53Change, type Route53Record } from "../../platform/route53.js";
import type { Clock } from "../../platform/system.js";
import { formatNote, parseNote, type TrafficObservation } from "../domain/observation.js";
import { recordSetsOf } from "../domain/parse-traffic.js";
import { ALIAS_TTL, epochName, type Route53Target } from "../domain/traffic-target.js";
import type { TrafficAdapter } from "./adapter.js";

/** Route 53 says that most changes are everywhere within a minute. */
const SYNC_WITHIN: Duration = 90 * SECOND;
const ASK_EVERY: Duration = 2 * SECOND;

export function route53Adapter(target: Route53Target, clock: Clock): TrafficAdapter {
  const { hostedZoneId, name, type, region, endpoint, destinations } = target;
  const route53 = new Route53({ region, endpoint });
  const readNote = async (): Promise<Route53Record | undefined> =>
    (await route53.list(hostedZoneId, epochName(name), "TXT"))[0];

  const observe = async (): Promise<TrafficObservation> => {
    const [records, note] = await Promise.all([route53.list(hostedZoneId, name, type), readNote()]);
    const weighed = records.filter(({ Weight }) => Weight !== 0);
    // Where each weight is 0 Route 53 takes all of them for equal.
    const taking = weighed.length === 0 ? records : weighed;
    const goesTo = taking.map((record) => destinationOf(record, target));
    const ttls = records.map(({ TTL, AliasTarget }) =>
      AliasTarget === undefined ? (TTL ?? 0) * SECOND : ALIAS_TTL,
    );
    return {
      goesTo: [...new Set(goesTo)].sort(),
      epoch: epochOf(note),
      keepsEpoch: true,
      hold: Math.max(0, ...ttls),
      elsewhere: undefined,
      because: `Route 53 has ${records.map((one) => `${one.SetIdentifier ?? "a simple record"} at ${one.Weight ?? "full"} weight`).join(", ") || "nothing"}`,
    };
  };

  return {
    observe,
    steer: async ({ to, epoch }) => {
      if (!Object.hasOwn(destinations, to))
        throw new OpsError("INVALID_ARGUMENT", `"${to}" is no destination of "${target.id}"`);
      const [records, note] = await Promise.all([route53.list(hostedZoneId, name, type), readNote()]);
      if ((epochOf(note) ?? 0) > epoch) return "changed";
      const wanted = recordSetsOf(target, to).map(({ record }) => record);
      const kept = new Set<string | undefined>(wanted.map(({ SetIdentifier }) => SetIdentifier));
      const changes: Route53Change[] = [
        // What others put there is of another policy, or a destination that is not declared any more.
        ...records
          .filter(({ SetIdentifier }) => !kept.has(SetIdentifier))
          .map((record) => ({ action: "DELETE" as const, record })),
        ...wanted.map((record) => ({ action: "UPSERT" as const, record })),
        ...(note === undefined ? [] : [{ action: "DELETE" as const, record: note }]),
        {
          action: "CREATE",
          record: {
            Name: epochName(name),
            Type: "TXT",
            TTL: 0,
            ResourceRecords: [{ Value: `"${formatNote({ epoch, to })}"` }],
          },
        },
      ];
      const id = await route53.change(
        hostedZoneId,
        changes,
        `traffic ${target.id} to ${to} in epoch ${epoch}`,
      );
      if (id === undefined) return "changed";
      const until = clock.monotonic() + SYNC_WITHIN;
      while (!(await route53.inSync(id))) {
        if (clock.monotonic() > until)
          throw new OpsError(
            "UNAVAILABLE",
            `Route 53 has taken ${id}, and not all of its servers have it yet`,
          );
        await clock.sleep(ASK_EVERY);
      }
      return "done";
    },
  };
}

const epochOf = (note: Route53Record | undefined): number | undefined => {
  const values = note?.ResourceRecords?.flatMap(
    ({ Value }) => parseNote((Value ?? "").replace(/^"|"$/g, "")) ?? [],
  );
  return values?.[0]?.epoch;
};

/** By what it answers with: the identifier of a record set is anybody's. */
function destinationOf(record: Route53Record, target: Route53Target): string {
  const answer = answerOf(record);
  const found = recordSetsOf(target, "").find((one) => answerOf(one.record) === answer);
  return found?.destination ?? answer;
}

const answerOf = ({ AliasTarget, ResourceRecords }: Route53Record): string =>
  AliasTarget === undefined
    ? (ResourceRecords ?? [])
        .map(({ Value }) => Value ?? "")
        .sort()
        .join(", ")
    : `${AliasTarget.DNSName?.replace(/\.$/, "").toLowerCase()} in ${AliasTarget.HostedZoneId}`;
