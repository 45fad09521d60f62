/** Keeps the agent's identity: enrols when there is none, renews in time, and says what to do when it ran out. */
import { readFileSync } from "node:fs";
import type { OrderKey, RenewResponse } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { backoffMs, linkBackoff, slowBackoff } from "../link/backoff.js";
import type { Secure } from "../link/channel.js";
import { type Log, reasonOf } from "../log.js";
import type { System } from "../system.js";
import { certificateRequest, newPrivateKeyPem } from "./certificate-request.js";
import type { Enrolled } from "./enroll.js";
import {
  adoptOrderKeys,
  certificateHash,
  faultOfIdentity,
  type Identity,
  lifetimeOf,
  loadIdentity,
  type PinnedKey,
  saveIdentity,
} from "./identity.js";
import { type JoinToken, parseJoinToken } from "./join-token.js";
import { judgeCertificate } from "./renewal.js";
import { writePrivateFile } from "./state-files.js";

/** What the keeper needs. */
export interface KeeperParts {
  readonly system: System;
  readonly log: Log;
  readonly nodeName: string;
  readonly paths: { readonly identity: string; readonly certificate: string; readonly authority: string };
  readonly joinToken: string | undefined;
  readonly joinTokenFile: string | undefined;
  /** Trades a token for an identity, which is stored when it answers. */
  readonly enroll: (token: JoinToken) => Promise<Enrolled>;
  /** Sends a certificate request over the live stream; false when there is none. */
  readonly askRenewal: (csr: Uint8Array) => boolean;
  /** There is a new identity to open streams with. */
  readonly onIdentity: () => void;
}

const checkMaxMs = 3_600_000;
/** The control plane ends the stream of an agent that asks more often than every five seconds. */
const renewRetryMinMs = 10_000;
const renewRetryMaxMs = 60_000;

export class IdentityKeeper {
  readonly #parts: KeeperParts;
  readonly #stop = new AbortController();
  #identity: Identity | undefined;
  #renewalKey: string | undefined;
  #askedAt: number | undefined;
  #enrolling = false;
  #clockOffsetMs = 0;
  #check: (() => void) | undefined;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  get nodeId(): string {
    return this.#identity?.nodeId ?? "";
  }

  get orderKeys(): readonly PinnedKey[] {
    return this.#identity?.orderKeys ?? [];
  }

  /** When the certificate ends, in ms since the epoch; undefined without one. */
  get expiresAt(): number | undefined {
    return this.#identity && lifetimeOf(this.#identity).notAfter;
  }

  /** Takes up the stored identity, or begins to enrol. Throws when the stored one cannot be read. */
  start(): void {
    this.#identity = loadIdentity(this.#parts.paths.identity);
    if (this.#identity === undefined) {
      this.#enrollSoon();
      return;
    }
    this.#show(this.#identity);
    this.#parts.onIdentity();
    this.#checkSoon(0);
  }

  stop(): void {
    this.#stop.abort();
    this.#check?.();
  }

  /** What to open a stream with. */
  secure():
    | { readonly kind: "ready"; readonly secure: Secure }
    | { readonly kind: "not-now"; readonly because: string } {
    if (this.#identity === undefined) return { kind: "not-now", because: "this agent is not enrolled yet" };
    const state = judgeCertificate(lifetimeOf(this.#identity), this.#now());
    if (state.kind === "expired") {
      this.#enrollSoon();
      return {
        kind: "not-now",
        because: `${state.because}; this agent has to enrol again with a join token`,
      };
    }
    const { caPem, privateKeyPem, certificatePem } = this.#identity;
    return { kind: "ready", secure: { caPem, privateKeyPem, certificatePem } };
  }

  /** The control plane's clock counts for the certificate: this host's may be wrong. */
  clockOffset(ms: number): void {
    this.#clockOffsetMs = ms;
  }

  /** Looks at once whether a renewal is due; to be called when a stream is live. */
  check(): void {
    this.#checkSoon(0);
  }

  /** Takes the answer to a renewal. The old identity stays when the new one is not sound. */
  renewed(response: RenewResponse): void {
    const { log, paths } = this.#parts;
    const before = this.#identity;
    const privateKeyPem = this.#renewalKey;
    if (before === undefined || privateKeyPem === undefined) return;
    const identity: Identity = {
      ...before,
      privateKeyPem,
      certificatePem: response.certificatePem,
      receivedAt: this.#now(),
    };
    const fault = faultOfRenewal(before, identity, response.caPem);
    if (fault !== undefined) {
      log("error", "a renewed certificate is not sound; the old one stays", { because: fault });
      return;
    }
    saveIdentity(paths.identity, identity);
    this.#identity = identity;
    this.#renewalKey = undefined;
    this.#show(identity);
    log("info", "the certificate was renewed", {
      until: new Date(lifetimeOf(identity).notAfter).toISOString(),
    });
    this.#checkSoon(0);
  }

  /** Takes the control plane's word on who may sign orders, as far as the pinned keys allow. */
  offered(keys: readonly OrderKey[]): void {
    const { log, paths } = this.#parts;
    if (this.#identity === undefined) return;
    const offered = keys.map(({ keyId, publicKey }) => ({
      keyId,
      spki: Buffer.from(publicKey).toString("base64"),
    }));
    const answer = adoptOrderKeys(this.#identity.orderKeys, offered);
    if (answer.kind === "same") return;
    if (answer.kind === "refuse") {
      log("error", "the control plane's order keys are not taken over", { because: answer.because });
      return;
    }
    this.#identity = { ...this.#identity, orderKeys: answer.keys };
    saveIdentity(paths.identity, this.#identity);
    log("warn", "the keys that may sign orders have changed", {
      keyIds: answer.keys.map(({ keyId }) => keyId),
    });
  }

  #now(): number {
    return this.#parts.system.clock.now() + this.#clockOffsetMs;
  }

  #checkSoon(inMs: number): void {
    this.#check?.();
    this.#check = this.#parts.system.timers.after(inMs, () => this.#checkNow());
  }

  #checkNow(): void {
    if (this.#identity === undefined || this.#stop.signal.aborted) return;
    const life = lifetimeOf(this.#identity);
    const state = judgeCertificate(life, this.#now());
    if (state.kind === "fresh") {
      this.#checkSoon(Math.min(checkMaxMs, state.renewInMs));
      return;
    }
    // A stream that is open stays open when the certificate runs out, so it may still be renewed over it.
    const asked = this.#ask();
    if (asked) this.#parts.log("info", "a new certificate was asked for", { because: state.because });
    else if (state.kind === "expired") this.#enrollSoon();
    this.#checkSoon(Math.max(renewRetryMinMs, Math.min(renewRetryMaxMs, (life.notAfter - this.#now()) / 10)));
  }

  /**
   * Whether a request is out; one that is young may still be answered and is not made again. With a new key each time:
   * the old one keeps its certificate until the new one has its own.
   */
  #ask(): boolean {
    const now = this.#parts.system.clock.monotonic();
    if (this.#askedAt !== undefined && now - this.#askedAt < renewRetryMinMs) return true;
    const key = newPrivateKeyPem();
    if (!this.#parts.askRenewal(certificateRequest(key, this.#parts.nodeName))) return false;
    this.#renewalKey = key;
    this.#askedAt = now;
    return true;
  }

  #enrollSoon(): void {
    if (this.#enrolling || this.#stop.signal.aborted) return;
    this.#enrolling = true;
    this.#enrollUntilDone()
      .catch((error: unknown) =>
        this.#parts.log("error", "enrolling broke off", { because: reasonOf(error) }),
      )
      .finally(() => {
        this.#enrolling = false;
      });
  }

  async #enrollUntilDone(): Promise<void> {
    const { system, log, enroll } = this.#parts;
    for (let failures = 0; !this.#stop.signal.aborted; failures++) {
      const answer = await this.#tryToEnroll(enroll);
      if (answer.kind === "enrolled") {
        this.#identity = answer.identity;
        this.#show(answer.identity);
        log("info", "this agent is enrolled", { nodeId: answer.identity.nodeId });
        this.#parts.onIdentity();
        this.#checkSoon(0);
        return;
      }
      const bounds = answer.mayRetry ? linkBackoff : slowBackoff;
      const waitMs = backoffMs(failures, system.draws.fraction(), bounds);
      log(answer.mayRetry ? "warn" : "error", "this agent could not be enrolled", {
        because: answer.because,
        againInMs: waitMs,
      });
      await system.timers.sleep(waitMs, this.#stop.signal);
    }
  }

  /** The token file is read each time: a person may have put a new one there. */
  async #tryToEnroll(enroll: KeeperParts["enroll"]): Promise<Enrolled> {
    const { joinToken, joinTokenFile } = this.#parts;
    let text = joinToken;
    if (text === undefined && joinTokenFile !== undefined) {
      try {
        text = readFileSync(joinTokenFile, "utf8");
      } catch (error) {
        return {
          kind: "failed",
          because: `joinTokenFile ${joinTokenFile}: ${reasonOf(error)}`,
          mayRetry: true,
        };
      }
    }
    if (text === undefined) {
      const because =
        "there is no usable identity and no join token: make one on the control plane and set joinTokenFile";
      return { kind: "failed", because, mayRetry: false };
    }
    const token = parseJoinToken(text);
    if (token === undefined) {
      const because = "the join token does not have the shape mjt_<id>_<secret>_<64 hex digits>";
      return { kind: "failed", because, mayRetry: false };
    }
    return enroll(token);
  }

  /** Lays the certificate and its authority beside the identity for those who watch certificates. */
  #show(identity: Identity): void {
    writePrivateFile(this.#parts.paths.certificate, identity.certificatePem);
    writePrivateFile(this.#parts.paths.authority, identity.caPem);
  }
}

function faultOfRenewal(before: Identity, after: Identity, caPem: string): string | undefined {
  const fault = faultOfIdentity(after);
  if (fault !== undefined) return fault;
  // A new authority is a new trust: that takes a person and a join token.
  if (caPem !== "" && certificateHash(caPem) !== certificateHash(before.caPem)) {
    return "it comes with another certificate authority; enrol again to trust it";
  }
  return undefined;
}
