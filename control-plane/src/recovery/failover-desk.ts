/** What people ask of clusters: planned, asked for, answered by another, all of it in the journal. Driven elsewhere. */
import { type FailoverPolicy, faultsOfPolicy } from "@mainstay/proto/failover/policy";
import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { canonicalJson } from "../kernel/canonical-json.js";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { type Duration, SECOND } from "../kernel/time.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import { type System, sha256Hex } from "../platform/system.js";
import { type FailoverRequest, type RequestKind, whyNotAnswer } from "./domain/failover-request.js";
import { planPatroni } from "./domain/patroni/ask-patroni.js";
import { type FailoverPlan, planFailover } from "./domain/plan-failover.js";
import { readAdoptedCluster } from "./patroni/patroni.store.js";
import { readCluster, registerCluster, releaseCluster } from "./recovery.store.js";
import { decideRequest, insertRequest, readRequest, readRequestOf } from "./requests.store.js";

const REASON_MAX = 1_000;
/** What was seen of a cluster longer ago says nothing about now. */
const OBSERVED_WITHIN: Duration = 10 * SECOND;

export interface FailoverDeskPorts {
  readonly database: Database;
  readonly system: System;
  /** Something is to be taken up; on another replica it is found within a second. */
  readonly wake: () => void;
}

interface Wish {
  readonly cluster: string;
  readonly kind: "switchover" | "force";
  readonly to: string;
}

/** What the desk needs to know of a cluster, whoever keeps its lease. */
interface Kept {
  readonly openEpoch: number | undefined;
  plan(wish: Wish): FailoverPlan;
}

export class FailoverDesk {
  readonly #ports: FailoverDeskPorts;

  constructor(ports: FailoverDeskPorts) {
    this.#ports = ports;
  }

  /** Throws ALREADY_EXISTS, or INVALID_ARGUMENT with all faults of the policy. */
  async register(cluster: string, policy: FailoverPolicy, primary: string, by: Actor): Promise<void> {
    const { database, system } = this.#ports;
    const now = system.clock.now();
    const faults = faultsOfPolicy(policy);
    if (faults.length > 0)
      throw new OpsError("INVALID_ARGUMENT", `cluster "${cluster}": ${faults.join("; ")}`);
    await database.transaction(async (tx) => {
      if (!(await registerCluster(tx, cluster, policy, primary, now))) {
        throw new OpsError(
          "ALREADY_EXISTS",
          `cluster "${cluster}" is registered already, or was let go with another primary than "${primary}"`,
        );
      }
      const because = `${by.name} put it under failover: ${policy.members.join(", ")}, ${policy.mode}`;
      await this.#note(tx, "registered", cluster, by, because, { primary, mode: policy.mode });
    });
    this.#ports.wake();
  }

  /** Throws FAILED_PRECONDITION while a decision is open. */
  async release(cluster: string, by: Actor, reason: string): Promise<void> {
    const { database, system } = this.#ports;
    await this.#need(cluster);
    await database.transaction(async (tx) => {
      if (!(await releaseCluster(tx, cluster, system.clock.now()))) {
        throw new OpsError("FAILED_PRECONDITION", `cluster "${cluster}" is not let go: a decision is open`);
      }
      await this.#note(tx, "released", cluster, by, `${by.name}: ${readReason(reason)}`, {});
    });
  }

  async plan(wish: Wish): Promise<FailoverPlan & { readonly hash: string }> {
    const plan = (await this.#need(wish.cluster)).plan(wish);
    return { ...plan, hash: sha256Hex(canonicalJson(plan.bound)) };
  }

  /** Throws ABORTED when `planHash` is not the hash of what would be done, FAILED_PRECONDITION when something is against it. */
  async request(
    wish: Wish & { readonly planHash: string; readonly reason: string; readonly drill: string },
    by: Actor,
  ): Promise<FailoverRequest> {
    const reason = readReason(wish.reason);
    const plan = await this.plan(wish);
    if (plan.hash !== wish.planHash) {
      throw new OpsError(
        "ABORTED",
        `${wish.kind} of "${wish.cluster}": the plan has another hash by now (${plan.hash})`,
      );
    }
    if (plan.against.length > 0) {
      throw new OpsError(
        "FAILED_PRECONDITION",
        `${wish.kind} of "${wish.cluster}": ${plan.against.join("; ")}`,
      );
    }
    return this.#ask({
      cluster: wish.cluster,
      kind: wish.kind,
      to: plan.to,
      reason,
      epoch: undefined,
      acceptLoss: wish.kind === "force",
      requestedBy: by,
      state: plan.needsApproval ? "waiting-for-approval" : "waiting",
      because: plan.needsApproval ? "another person has to approve it" : "",
      planHash: plan.hash,
      drill: wish.drill,
    });
  }

  async pause(cluster: string, paused: boolean, reason: string, by: Actor): Promise<FailoverRequest> {
    await this.#need(cluster);
    return this.#ask(plain(cluster, paused ? "pause" : "resume", by, readReason(reason)));
  }

  /** Another person's yes or no to a request. Throws PERMISSION_DENIED for the one who asked. */
  async decideRequest(
    cluster: string,
    id: string,
    approved: boolean,
    reason: string,
    by: Actor,
  ): Promise<FailoverRequest> {
    const { database, system } = this.#ports;
    const request = await readRequest(database, id);
    if (request === undefined || request.cluster !== cluster) {
      throw new OpsError("NOT_FOUND", `cluster "${cluster}" has no request "${cleanText(id, 100)}"`);
    }
    const why = whyNotAnswer(request.requestedBy, by);
    if (why !== undefined) throw new OpsError("PERMISSION_DENIED", `request "${id}": ${why}`);
    const said = `${approved ? "approved" : "refused"} by ${by.name}: ${readReason(reason)}`;
    await database.transaction(async (tx) => {
      const decision = { approved, by, because: said, now: system.clock.now() };
      if (!(await decideRequest(tx, id, decision))) {
        throw new OpsError("FAILED_PRECONDITION", `request "${id}" does not wait for approval any more`);
      }
      await this.#note(tx, approved ? "request-approved" : "request-refused", cluster, by, said, {
        requestId: id,
      });
    });
    this.#ports.wake();
    return (await readRequest(database, id)) ?? request;
  }

  /** An answer to the open decision, bound to its epoch. */
  async decideDecision(
    cluster: string,
    answer: {
      readonly kind: "approve" | "refuse" | "vouch";
      readonly epoch: number;
      readonly acceptLoss: boolean;
      readonly reason: string;
    },
    by: Actor,
  ): Promise<FailoverRequest> {
    const { openEpoch } = await this.#need(cluster);
    if (openEpoch !== answer.epoch) {
      const open = openEpoch === undefined ? "none is open" : `${openEpoch} is open`;
      throw new OpsError(
        "FAILED_PRECONDITION",
        `decision ${answer.epoch} of cluster "${cluster}" is not open: ${open}`,
      );
    }
    const asked = await readRequestOf(this.#ports.database, cluster, answer.epoch);
    const why = asked && whyNotAnswer(asked.requestedBy, by);
    if (why !== undefined) throw new OpsError("PERMISSION_DENIED", `decision ${answer.epoch}: ${why}`);
    const { kind, epoch, acceptLoss } = answer;
    return this.#ask({ ...plain(cluster, kind, by, readReason(answer.reason)), epoch, acceptLoss });
  }

  async #need(cluster: string): Promise<Kept> {
    const { database, system } = this.#ports;
    const now = system.clock.now();
    const lately = <T>(observed: { readonly at: number; readonly seen: T } | undefined): T | undefined =>
      observed !== undefined && now - observed.at < OBSERVED_WITHIN ? observed.seen : undefined;
    const found = await readCluster(database, cluster);
    if (found !== undefined) {
      const { policy, state } = found;
      const observation = lately(found.observed);
      return {
        openEpoch: state.decision?.epoch,
        plan: (wish) => planFailover({ ...wish, policy, state, observation }),
      };
    }
    const adopted = await readAdoptedCluster(database, cluster);
    if (adopted === undefined) {
      throw new OpsError("NOT_FOUND", `cluster "${cleanText(cluster, 100)}" is not under failover`);
    }
    const { policy, state } = adopted;
    const seen = lately(adopted.observed)?.seen;
    return {
      openEpoch: state.decision?.epoch,
      plan: (wish) => planPatroni({ ...wish, policy, state, seen }),
    };
  }

  async #ask(wish: Omit<FailoverRequest, "id" | "requestedAt" | "decidedBy">): Promise<FailoverRequest> {
    const { database, system, wake } = this.#ports;
    const requestedAt = system.clock.now();
    const request = { ...wish, id: system.draws.id(requestedAt), requestedAt, decidedBy: undefined };
    await database.transaction(async (tx) => {
      await insertRequest(tx, request);
      const { id, cluster, kind, to, requestedBy, reason, planHash, drill, epoch } = request;
      const said = `${kind} asked for by ${requestedBy.name}: ${reason}`;
      const facts = { requestId: id, kind, to, planHash, drill, epoch: epoch ?? null };
      await this.#note(tx, "requested", cluster, requestedBy, said, facts);
    });
    wake();
    return request;
  }

  #note(
    tx: Transaction,
    event: string,
    cluster: string,
    actor: Actor,
    because: string,
    facts: Parameters<typeof appendEntries>[1][number]["facts"],
  ): Promise<unknown> {
    const at = this.#ports.system.clock.now();
    return appendEntries(tx, [
      { at, kind: `recovery.${event}`, subject: `cluster:${cluster}`, actor, because, facts },
    ]);
  }
}

const plain = (
  cluster: string,
  kind: RequestKind,
  requestedBy: Actor,
  reason: string,
): Omit<FailoverRequest, "id" | "requestedAt" | "decidedBy"> => ({
  cluster,
  kind,
  to: "",
  reason,
  epoch: undefined,
  acceptLoss: false,
  requestedBy,
  state: "waiting",
  because: "",
  planHash: "",
  drill: "",
});

function readReason(text: string): string {
  const reason = cleanText(text, REASON_MAX).trim();
  if (reason === "") throw new OpsError("INVALID_ARGUMENT", "reason: empty, expected why");
  return reason;
}
