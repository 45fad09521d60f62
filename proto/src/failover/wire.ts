/**
 * The failover messages as they go over the wire, and which of them are taken. What comes from another process is checked
 * here: whatever is no message of this protocol is `undefined`, never half of one.
 */
import { create } from "@bufbuild/protobuf";
import {
  type FailoverMessage,
  FailoverMessageSchema,
  FailoverOrderKind,
  FailoverRole,
  type FailoverWord,
  FailoverWordSchema,
} from "../../gen/mainstay/agent/v1/failover_pb.js";
import type { Direct, Message, NodeRole, Order } from "./messages.js";
import type { FailoverPolicy } from "./policy.js";
import type { Holders } from "./words.js";

/** Longer names, lists and sentences are no message. */
const NAME_MAX = 63;
const MEMBERS_MAX = 64;
const SENTENCE_MAX = 500;

const roles: Readonly<Record<NodeRole, FailoverRole>> = {
  primary: FailoverRole.PRIMARY,
  restarting: FailoverRole.RESTARTING,
  fenced: FailoverRole.FENCED,
  replica: FailoverRole.REPLICA,
  joining: FailoverRole.JOINING,
};
const orders: Readonly<Record<Order["kind"], FailoverOrderKind>> = {
  promise: FailoverOrderKind.PROMISE,
  promote: FailoverOrderKind.PROMOTE,
  verify: FailoverOrderKind.VERIFY,
  follow: FailoverOrderKind.FOLLOW,
  "step-down": FailoverOrderKind.STEP_DOWN,
  "carry-on": FailoverOrderKind.CARRY_ON,
  hold: FailoverOrderKind.HOLD,
};

/**
 * Names what all voters must go by alike: one with a shorter lease would give away what another still has. What only the
 * control plane goes by is not in it. Not a secret; 64 bits of FNV-1a, in hex.
 */
export function policyName(policy: FailoverPolicy): string {
  const { members, mode, required, rpoBytes, leaseMs, marginMs } = policy;
  const entries = [[...members].sort(), mode, required, rpoBytes, leaseMs, marginMs];
  let hash = 0xcbf29ce484222325n;
  for (const character of JSON.stringify(entries)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(character.codePointAt(0) ?? 0)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}

/** For the wire. Positions and epochs are whole numbers below 2^53. */
export function toWire(cluster: string, policy: string, message: Message): FailoverMessage {
  const way = ((): FailoverMessage["way"] => {
    if (message.kind === "relay") {
      return {
        case: "relay",
        value: {
          $typeName: "mainstay.agent.v1.FailoverRelay",
          node: message.to,
          word: toWord(message.message),
        },
      };
    }
    if (message.kind === "relayed") {
      return {
        case: "relayed",
        value: {
          $typeName: "mainstay.agent.v1.FailoverRelay",
          node: message.from,
          word: toWord(message.message),
        },
      };
    }
    return { case: "direct", value: toWord(message) };
  })();
  return create(FailoverMessageSchema, { cluster, policy, way });
}

/** From the wire; undefined for what is no message of this protocol. */
export function fromWire(message: FailoverMessage): Message | undefined {
  const { way } = message;
  if (way.case === undefined || way.case === "poolerOrder" || way.case === "poolerReport") return undefined;
  if (way.case === "direct") return fromWord(way.value);
  const inner = way.value.word === undefined ? undefined : fromWord(way.value.word);
  const { node } = way.value;
  if (inner === undefined || !isName(node)) return undefined;
  return way.case === "relay"
    ? { kind: "relay", to: node, message: inner }
    : { kind: "relayed", from: node, message: inner };
}

function toWord(message: Direct): FailoverWord {
  const word = (body: FailoverWord["body"], epoch: number): FailoverWord =>
    create(FailoverWordSchema, { epoch: BigInt(epoch), body });
  switch (message.kind) {
    case "promise":
      return word(
        { case: "promise", value: { $typeName: "mainstay.agent.v1.FailoverPromise" } },
        message.epoch,
      );
    case "promote":
      return word(
        { case: "promote", value: { $typeName: "mainstay.agent.v1.FailoverPromote" } },
        message.epoch,
      );
    case "verify":
      return word(
        { case: "verify", value: { $typeName: "mainstay.agent.v1.FailoverVerify" } },
        message.epoch,
      );
    case "follow": {
      const { source } = message;
      return word(
        { case: "follow", value: { $typeName: "mainstay.agent.v1.FailoverFollow", source } },
        message.epoch,
      );
    }
    case "step-down":
      return word(
        { case: "stepDown", value: { $typeName: "mainstay.agent.v1.FailoverStepDown" } },
        message.epoch,
      );
    case "carry-on":
      return word(
        { case: "carryOn", value: { $typeName: "mainstay.agent.v1.FailoverCarryOn" } },
        message.epoch,
      );
    case "hold": {
      const holders = message.holders.map(({ version, members, required }) => ({
        $typeName: "mainstay.agent.v1.FailoverHolders" as const,
        version: BigInt(version),
        members: [...members],
        required,
      }));
      return word(
        { case: "hold", value: { $typeName: "mainstay.agent.v1.FailoverHold", holders } },
        message.epoch,
      );
    }
    case "state": {
      const { following } = message;
      return word(
        {
          case: "state",
          value: {
            $typeName: "mainstay.agent.v1.FailoverNodeState",
            role: roles[message.role],
            promised: BigInt(message.promised),
            lsn: BigInt(message.lsn),
            surrendered: message.surrendered,
            ...(following === null ? {} : { following }),
            streaming: message.streaming,
            hearsPrimary: message.hearsPrimary,
            holders: message.holders.map(BigInt),
            heldVersion: BigInt(message.heldVersion),
          },
        },
        message.epoch,
      );
    }
    case "promised":
      return word(
        {
          case: "promised",
          value: {
            $typeName: "mainstay.agent.v1.FailoverPromised",
            lsn: BigInt(message.lsn),
            logEpoch: BigInt(message.logEpoch),
            usable: message.usable,
            detached: message.detached,
            fenced: message.fenced,
            grantLeftMs: message.grantLeftMs,
          },
        },
        message.epoch,
      );
    case "promoted":
      return word(
        {
          case: "promoted",
          value: {
            $typeName: "mainstay.agent.v1.FailoverPromoted",
            lsn: BigInt(message.lsn),
            interrupted: message.outcome === "interrupted",
          },
        },
        message.epoch,
      );
    case "verified":
    case "stepped-down":
      return word(
        {
          case: message.kind === "verified" ? "verified" : "steppedDown",
          value: { $typeName: "mainstay.agent.v1.FailoverPosition", lsn: BigInt(message.lsn) },
        },
        message.epoch,
      );
    case "refused":
      return word(
        {
          case: "refused",
          value: {
            $typeName: "mainstay.agent.v1.FailoverRefused",
            order: orders[message.order],
            promised: BigInt(message.promised),
            because: message.because.slice(0, SENTENCE_MAX),
          },
        },
        message.epoch,
      );
    case "lease-request":
    case "lease-granted":
      return word(
        {
          case: message.kind === "lease-request" ? "leaseRequest" : "leaseGranted",
          value: { $typeName: "mainstay.agent.v1.FailoverLeaseRound", round: BigInt(message.round) },
        },
        message.epoch,
      );
    case "lease-refused":
      return word(
        { case: "leaseRefused", value: { $typeName: "mainstay.agent.v1.FailoverLeaseRefused" } },
        message.promised,
      );
  }
}

function fromWord(word: FailoverWord): Direct | undefined {
  const epoch = whole(word.epoch);
  const { body } = word;
  if (epoch === undefined || body.case === undefined) return undefined;
  switch (body.case) {
    case "promise":
    case "promote":
    case "verify":
      return { kind: body.case, epoch };
    case "stepDown":
      return { kind: "step-down", epoch };
    case "carryOn":
      return { kind: "carry-on", epoch };
    case "follow":
      return isName(body.value.source) ? { kind: "follow", epoch, source: body.value.source } : undefined;
    case "hold": {
      const holders = body.value.holders.flatMap(({ version, members, required }): Holders[] => {
        const number = whole(version);
        const sound = number !== undefined && members.length <= MEMBERS_MAX && members.every(isName);
        return sound && required <= members.length ? [{ version: number, members, required }] : [];
      });
      const complete = holders.length === body.value.holders.length;
      return complete && holders.length > 0 && holders.length <= MEMBERS_MAX
        ? { kind: "hold", epoch, holders }
        : undefined;
    }
    case "state": {
      const { value } = body;
      const role = keyOf(roles, value.role);
      const [promised, lsn] = [whole(value.promised), whole(value.lsn)];
      const holders = value.holders.map(whole).filter((version) => version !== undefined);
      const heldVersion = value.heldVersion === -1n ? -1 : whole(value.heldVersion);
      const following = value.following ?? null;
      if (role === undefined || promised === undefined || lsn === undefined || heldVersion === undefined)
        return undefined;
      if (holders.length !== value.holders.length || holders.length > MEMBERS_MAX) return undefined;
      if (following !== null && !isName(following)) return undefined;
      const { surrendered, streaming, hearsPrimary } = value;
      return {
        kind: "state",
        role,
        epoch,
        promised,
        lsn,
        surrendered,
        following,
        streaming,
        hearsPrimary,
        holders,
        heldVersion,
      };
    }
    case "promised": {
      const { usable, detached, fenced, grantLeftMs } = body.value;
      const [lsn, logEpoch] = [whole(body.value.lsn), whole(body.value.logEpoch)];
      if (lsn === undefined || logEpoch === undefined) return undefined;
      if (!(Number.isFinite(grantLeftMs) && grantLeftMs >= 0)) return undefined;
      return { kind: "promised", epoch, lsn, logEpoch, usable, detached, fenced, grantLeftMs };
    }
    case "promoted": {
      const lsn = whole(body.value.lsn);
      const outcome = body.value.interrupted ? "interrupted" : "open";
      return lsn === undefined ? undefined : { kind: "promoted", epoch, lsn, outcome };
    }
    case "verified":
    case "steppedDown": {
      const lsn = whole(body.value.lsn);
      const kind = body.case === "verified" ? "verified" : "stepped-down";
      return lsn === undefined ? undefined : { kind, epoch, lsn };
    }
    case "refused": {
      const order = keyOf(orders, body.value.order);
      const promised = whole(body.value.promised);
      if (order === undefined || promised === undefined) return undefined;
      return {
        kind: "refused",
        order,
        epoch,
        promised,
        because: body.value.because.slice(0, SENTENCE_MAX),
      };
    }
    case "leaseRequest":
    case "leaseGranted": {
      const round = whole(body.value.round);
      const kind = body.case === "leaseRequest" ? "lease-request" : "lease-granted";
      return round === undefined ? undefined : { kind, epoch, round };
    }
    case "leaseRefused":
      return { kind: "lease-refused", promised: epoch };
  }
}

const isName = (text: string): boolean => text.length > 0 && text.length <= NAME_MAX;

const whole = (value: bigint): number | undefined =>
  value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;

function keyOf<K extends string, V>(table: Readonly<Record<K, V>>, value: V): K | undefined {
  for (const key in table) if (table[key] === value) return key;
  return undefined;
}
