/** A name in a zone: RFC 2136, all or nothing, on the condition that the epoch beside it is still the one that was seen. */
import { readFile } from "node:fs/promises";
import { messageOf, OpsError } from "../../kernel/errors.js";
import { SECOND } from "../../kernel/time.js";
import { DnsClient, type Looked } from "../../platform/dns/dns-client.js";
import type { TsigKey } from "../../platform/dns/tsig.js";
import type { System } from "../../platform/system.js";
import { formatNote, parseNote, type TrafficObservation } from "../domain/observation.js";
import { type DnsTarget, epochName } from "../domain/traffic-target.js";
import type { TrafficAdapter } from "./adapter.js";
import { endpointOf } from "./endpoint.js";

const SECRET_BYTES_MAX = 65_536;

export function dnsAdapter(target: DnsTarget, system: System): TrafficAdapter {
  const { name, type, zone, ttl, destinations } = target;
  const clients = target.servers.map((server) => new DnsClient(endpointOf(server), system));
  const [primary] = clients;
  if (primary === undefined) throw new OpsError("INTERNAL", `traffic target "${target.id}" names no server`);

  const observe = async (): Promise<TrafficObservation> => {
    const all = await Promise.all(clients.map((client) => client.look(name, type)));
    const note = await primary.look(epochName(name), "TXT");
    const notes = note.values.flatMap((value) => parseNote(value) ?? []);
    const epoch = notes.length === 0 ? undefined : Math.max(...notes.map((one) => one.epoch));
    return {
      goesTo: [...new Set(all.flatMap((answer) => goesTo(answer, target)))].sort(),
      epoch,
      keepsEpoch: true,
      hold: Math.max(...all.map(({ ttlSeconds }) => ttlSeconds)) * SECOND,
      elsewhere: undefined,
      because: all
        .map(({ values, ttlSeconds }, index) => {
          const answers = values.length === 0 ? "nothing" : `${values.join(", ")} for ${ttlSeconds} s`;
          return `${target.servers[index]} answers ${answers}`;
        })
        .join("; "),
    };
  };

  return {
    observe,
    steer: async ({ to, epoch }) => {
      const values = destinations[to];
      if (values === undefined)
        throw new OpsError("INVALID_ARGUMENT", `"${to}" is no destination of "${target.id}"`);
      const note = await primary.look(epochName(name), "TXT");
      const stands = note.values.flatMap((value) => parseNote(value) ?? []);
      if (stands.some((one) => one.epoch > epoch)) return "changed";
      const done = await primary.update(
        {
          zone,
          // What another has written in between makes the whole update fail.
          expect: [{ name: epochName(name), type: "TXT", values: note.values }],
          set: [
            { name, type, ttlSeconds: ttl / SECOND, values },
            { name: epochName(name), type: "TXT", ttlSeconds: 0, values: [formatNote({ epoch, to })] },
          ],
        },
        await readKey(target),
      );
      return done ? "done" : "changed";
    },
  };
}

/** The destination that has these answers; the answers themselves when none has. */
function goesTo({ values }: Looked, { type, destinations }: DnsTarget): readonly string[] {
  if (values.length === 0) return [];
  const stands = canonical(values, type);
  const found = Object.entries(destinations).find(([, declared]) => canonical(declared, type) === stands);
  return found === undefined ? [...values] : [found[0]];
}

/** The same answers are the same text, in whatever order and form they are written. */
const canonical = (values: readonly string[], type: DnsTarget["type"]): string =>
  values
    .map((value) => {
      if (type === "AAAA" && URL.canParse(`http://[${value}]`)) return new URL(`http://[${value}]`).hostname;
      return value.toLowerCase().replace(/\.$/, "");
    })
    .sort()
    .join(" ");

/** Read for each change: keys are rotated by writing the file. */
async function readKey({ key: { name, algorithm, secretFile } }: DnsTarget): Promise<TsigKey> {
  const text = await readFile(secretFile, "utf8").catch((cause: unknown): never => {
    throw new OpsError("FAILED_PRECONDITION", `TSIG key "${name}": ${messageOf(cause)}`, {}, { cause });
  });
  // As it is, or within the statement that BIND's tools write.
  const base64 = (/secret\s+"([^"]+)"/.exec(text)?.[1] ?? text).replace(/\s/g, "");
  if (text.length > SECRET_BYTES_MAX || !/^[A-Za-z0-9+/]{16,}={0,2}$/.test(base64))
    throw new OpsError(
      "FAILED_PRECONDITION",
      `TSIG key "${name}": ${secretFile} does not hold a base64 secret`,
    );
  return { name, algorithm, secret: Buffer.from(base64, "base64") };
}
