/** Who was told of an alert and what hid it, as the room that tells people says it: told value → proto message. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { AlertHiderSchema, AlertNoticeSchema } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import type { Instant } from "../kernel/time.js";

export interface ToldNotice {
  readonly id: string;
  readonly receiver: string;
  readonly integration: string;
  readonly reason: string;
  readonly because: string;
  readonly state: string;
  readonly attempts: number;
  readonly lastAnswer: string;
  readonly createdAt: Instant;
  readonly settledAt: Instant | undefined;
  readonly fingerprints: readonly string[];
}

export interface ToldHider {
  readonly kind: string;
  readonly name: string;
  readonly what: string;
  readonly now: boolean;
  readonly receiver: string;
  readonly since: Instant | undefined;
  readonly lastAt: Instant | undefined;
  readonly notices: number;
  readonly reason: string;
}

/** An alert's account by those who tell people. */
export interface ToldAccount {
  readonly fingerprint: string;
  readonly receivers: readonly string[];
  readonly notices: readonly ToldNotice[];
  readonly hiddenBy: readonly ToldHider[];
}

export function toldToWire(account: ToldAccount) {
  return {
    fingerprint: account.fingerprint,
    receivers: [...account.receivers],
    notices: account.notices.map(noticeToWire),
    hiddenBy: account.hiddenBy.map(hiderToWire),
  };
}

function noticeToWire(notice: ToldNotice): MessageInitShape<typeof AlertNoticeSchema> {
  const { id, receiver, integration, reason, because, state, attempts, lastAnswer } = notice;
  return {
    ...{ noticeId: id, receiver, integration, reason, because, state, attempts, lastAnswer },
    queuedAt: timestampFromMs(notice.createdAt),
    ...(notice.settledAt === undefined ? {} : { settledAt: timestampFromMs(notice.settledAt) }),
    alerts: notice.fingerprints.length,
  };
}

function hiderToWire(hider: ToldHider): MessageInitShape<typeof AlertHiderSchema> {
  const { kind, name, what, receiver, reason } = hider;
  return {
    ...{ kind, name, what, receiver, reason },
    hidesNow: hider.now,
    notices: BigInt(hider.notices),
    ...(hider.since === undefined ? {} : { since: timestampFromMs(hider.since) }),
    ...(hider.lastAt === undefined ? {} : { lastAt: timestampFromMs(hider.lastAt) }),
  };
}
