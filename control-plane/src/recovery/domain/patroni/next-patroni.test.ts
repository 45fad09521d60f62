import { expect, test } from "vitest";
import type { FailoverRequest } from "../failover-request.js";
import { afterRequest, planPatroni } from "./ask-patroni.js";
import { afterAnswer, afterLook } from "./next-patroni.js";
import {
  applyRecord,
  checkLog,
  NEVER_ADOPTED,
  type PatroniPolicy,
  type PatroniRecord,
  type PatroniState,
} from "./patroni-cluster.js";
import { fitReplicas, type PatroniMemberSeen, type PatroniSeen } from "./patroni-seen.js";
import { NO_MEMORY, type PatroniMemory, type PatroniStep } from "./patroni-step.js";
import { accountPatroni } from "./tell-patroni.js";

const policy: PatroniPolicy = { endpoints: ["http://a", "http://b"], manual: false, failoversPerHourMax: 0 };
const ADOPTED: PatroniRecord = {
  at: 0,
  kind: "patroni-adopted",
  leader: "a",
  timeline: 1,
  members: ["a", "b"],
  version: "3.0.2",
  by: "ann",
};
const adopted = applyRecord(NEVER_ADOPTED, ADOPTED);

const member = (name: string, role: string, lsn: number | undefined, timeline = 1): PatroniMemberSeen => ({
  name,
  endpoint: `http://${name}`,
  role,
  state: "running",
  timeline,
  lag: role === "leader" ? undefined : 0,
  noFailover: false,
  own: lsn === undefined ? undefined : { primary: role === "leader", running: true, timeline, lsn },
  unasked: false,
});
const base: PatroniSeen = {
  at: 0,
  heard: 2,
  asked: 2,
  silent: [],
  holder: "a",
  members: [member("a", "leader", 1_000), member("b", "replica", 990)],
  paused: false,
  history: [],
  settings: { ttl: 20_000, loopWait: 1_000, lagMaxBytes: 100, synchronous: false },
  version: "3.0.2",
};
const well = (at: number, more: Partial<PatroniSeen> = {}): PatroniSeen => ({ ...base, at, ...more });
/** a is gone with its lease. */
const gone = (at: number, more: Partial<PatroniSeen> = {}): PatroniSeen =>
  well(at, { heard: 1, holder: null, members: [member("b", "replica", 990)], ...more });
/** b leads the next timeline. */
const over = (at: number, more: Partial<PatroniSeen> = {}): PatroniSeen =>
  well(at, { heard: 1, holder: "b", members: [member("b", "leader", 1_010, 2)], ...more });
const LINE = { timeline: 1, lsn: 990, reason: "no recovery target specified", at: "then", leader: "b" };

/** A driver without its database: what it writes down, and what it would ask. */
class Driven {
  readonly log: PatroniRecord[] = [ADOPTED];
  readonly asked: string[] = [];
  state: PatroniState = adopted;
  memory: PatroniMemory = NO_MEMORY;
  because = "";
  constructor(readonly policy_: PatroniPolicy = policy) {}

  take(step: PatroniStep, at: number): void {
    for (const record of step.records) {
      this.log.push(record);
      this.state = applyRecord(this.state, record);
    }
    expect(checkLog(this.log)).toEqual([]);
    for (const effect of step.effects) {
      this.asked.push(
        effect.kind === "move"
          ? `${effect.path} ${effect.to}`
          : effect.kind === "pause"
            ? `pause ${effect.pause}`
            : "page",
      );
      if (effect.kind === "move")
        this.memory = { ...this.memory, asking: { epoch: effect.epoch, at, lost: false } };
      if (effect.kind === "pause") this.memory = { ...this.memory, pausedAt: at };
    }
    this.because = step.because;
  }
  look(seen: PatroniSeen): void {
    this.take(afterLook(this.policy_, this.state, seen, this.memory), seen.at);
    const open = seen.members.find(({ own }) => own?.primary === true);
    const { fitAt } = this.memory;
    this.memory = {
      ...this.memory,
      lookedAt: seen.at,
      fitAt: fitAt === undefined || fitReplicas(seen).length > 0 ? seen.at : fitAt,
      open:
        open === undefined
          ? this.memory.open
          : {
              itself: true,
              leader: open.name,
              timeline: open.own?.timeline ?? 0,
              lsn: open.own?.lsn,
              at: seen.at,
            },
    };
  }
  ask(kind: FailoverRequest["kind"], seen: PatroniSeen, more: Partial<FailoverRequest> = {}): void {
    const ann = { kind: "human", name: "ann" } as const;
    const request: FailoverRequest = {
      id: "r",
      cluster: "c",
      kind,
      to: "",
      reason: "so",
      epoch: undefined,
      acceptLoss: false,
      requestedBy: ann,
      requestedAt: seen.at,
      state: "waiting",
      because: "",
      decidedBy: undefined,
      planHash: "",
      drill: "",
      ...more,
    };
    this.take(afterRequest(this.policy_, this.state, request, seen, this.memory, seen.at), seen.at);
  }
  /** As if its process had been killed and started: only what was written down is left. */
  kill(): void {
    this.memory = { ...NO_MEMORY, open: this.memory.open, lookedAt: this.memory.lookedAt };
  }
  kinds(): readonly string[] {
    return this.log.slice(1).map(({ kind }) => kind.slice("patroni-".length));
  }
  account() {
    const epoch = this.state.taken;
    return accountPatroni(this.log.filter((record) => "epoch" in record && record.epoch === epoch));
  }
}

test("a node is lost and Patroni fails over: told with the time from when it was last seen open, and what is missing by its history", () => {
  const driven = new Driven();
  driven.look(well(1_000));
  driven.look(gone(21_000));
  driven.look(gone(22_000));
  driven.look(over(22_500));
  expect(driven.state.decision?.phase).toBe("promoted");
  driven.look(over(23_500, { history: [LINE] }));
  expect(driven.kinds()).toEqual(["intended", "promoted", "closed"]);
  expect(driven.asked).toEqual([]);
  expect(driven.account()).toMatchObject({
    kind: "failover",
    from: "a",
    candidate: "b",
    outcome: "done",
    rto: 21_500,
    missingBytes: 10,
    fencedBy: "patroni",
  });
  expect(driven.state).toMatchObject({ leader: "b", timeline: 2, decision: null });
});

test("a failover between two looks is told as one that has ended", () => {
  const driven = new Driven();
  driven.look(well(1_000));
  driven.look(over(2_000));
  driven.look(over(40_000));
  expect(driven.kinds()).toEqual(["intended", "promoted", "closed"]);
  expect(driven.account()).toMatchObject({ rto: 1_000, missingBytes: undefined });
});

test("what happened while nobody looked is read from Patroni's history, one decision each, and not measured", () => {
  const driven = new Driven();
  driven.look(well(1_000));
  driven.kill();
  const history = [
    LINE,
    { ...LINE, timeline: 2, lsn: 1_500, leader: "a" },
    { ...LINE, timeline: 3, lsn: 1_700 },
  ];
  const later = over(900_000, { members: [member("b", "leader", 2_000, 4)], history });
  driven.look(later);
  driven.look({ ...later, at: 901_000 });
  expect(driven.kinds().filter((kind) => kind === "closed")).toHaveLength(3);
  expect(driven.state).toMatchObject({ leader: "b", timeline: 4, taken: 3, decision: null });
  expect(driven.account()).toMatchObject({ from: "a", candidate: "b", rto: undefined, openAfter: undefined });
});

test("the same owner opens again on its timeline: nothing was failed over", () => {
  const driven = new Driven();
  driven.look(well(1_000));
  const [a, b] = base.members;
  if (a?.own === undefined || b === undefined) throw new Error("no members");
  driven.look(well(2_000, { members: [{ ...a, state: "crashed", own: { ...a.own, running: false } }, b] }));
  expect(driven.state.decision?.phase).toBe("lost");
  driven.look(well(4_000));
  expect(driven.account()).toMatchObject({ kind: "reopen", outcome: "done", rto: 3_000, missingBytes: 0 });
  expect(driven.state.failovers).toEqual([]);
});

test("a switchover is written down before Patroni is asked, and is over when the new owner says that it is open", () => {
  const driven = new Driven();
  driven.look(well(1_000));
  driven.ask("switchover", well(1_500), { to: "b" });
  expect(driven.asked).toEqual([]);
  driven.look(well(2_000));
  expect(driven.asked).toEqual(["/switchover b"]);
  driven.look(well(2_250));
  driven.look(gone(3_000, { holder: undefined }));
  driven.take(
    afterAnswer(driven.state, { epoch: 1, status: 200, says: "Successfully switched over" }, 3_900),
    3_900,
  );
  driven.look(over(4_000));
  driven.look(over(5_000, { history: [LINE] }));
  expect(driven.kinds()).toEqual(["intended", "asked", "answered", "promoted", "closed"]);
  expect(driven.asked).toEqual(["/switchover b"]);
  expect(driven.account()).toMatchObject({ kind: "switchover", candidate: "b", outcome: "done", rto: 2_000 });
});

test("a candidate that is slow to answer is waited for, and not for ever", () => {
  const driven = new Driven();
  driven.look(well(1_000));
  driven.ask("switchover", well(1_500), { to: "b" });
  const slow = { members: [member("a", "leader", 1_000), member("b", "replica", undefined)] };
  driven.look(well(2_000, slow));
  driven.look(well(31_000, slow));
  expect([driven.state.decision?.phase, driven.asked]).toEqual(["ready", []]);
  driven.look(well(31_500, slow));
  expect(driven.account()?.outcome).toBe("aborted");
});

test("killed after it was written down, it is asked again while the owner is the same, and not once it is another", () => {
  const driven = new Driven();
  driven.look(well(1_000));
  driven.ask("switchover", well(1_500), { to: "b" });
  driven.look(well(2_000));
  driven.kill();
  driven.look(well(7_000));
  expect(driven.asked).toEqual(["/switchover b", "/switchover b"]);
  driven.kill();
  driven.look(over(8_000, { history: [LINE] }));
  driven.look(over(9_000, { history: [LINE] }));
  expect(driven.asked).toHaveLength(2);
  expect(driven.state).toMatchObject({ leader: "b", decision: null, taken: 1 });
});

test.each([
  ["412 says why not", 412, "no good candidates have been found", "aborted"],
  ["401 is not let in", 401, "not authenticated", "aborted"],
  ["503 says that it failed", 503, "Switchover failed", "aborted"],
  ["503 does not know", 503, "Switchover status unknown", "asked"],
  ["412 names another leader: perhaps what was asked for", 412, "leader name does not match", "asked"],
  ["nothing came back", 0, "ECONNRESET", "asked"],
])("%s", (_, status, says, ends) => {
  const driven = new Driven();
  driven.look(well(1_000));
  driven.ask("switchover", well(1_500), { to: "b" });
  driven.look(well(2_000));
  driven.take(afterAnswer(driven.state, { epoch: 1, status, says }, 3_000), 3_000);
  expect(driven.state.decision?.phase ?? driven.account()?.outcome).toBe(ends);
});

test("what nobody answers ends: the owner goes on as it was", () => {
  const driven = new Driven();
  driven.look(well(1_000));
  driven.ask("switchover", well(1_500));
  driven.look(well(2_000));
  driven.look(well(92_001));
  expect(driven.account()?.outcome).toBe("aborted");
});

test("another than the one that was asked for is told as such", () => {
  const driven = new Driven();
  const three = [...base.members, member("c", "replica", 980)];
  driven.look(well(1_000, { members: three }));
  driven.ask("switchover", well(1_500, { members: three }), { to: "c" });
  driven.look(well(2_000, { members: three }));
  driven.look(over(3_000, { history: [LINE] }));
  driven.look(over(4_000, { history: [LINE] }));
  expect(driven.log.at(-1)).toMatchObject({ kind: "patroni-closed", outcome: "elsewhere" });
});

test("with every failover needing a person Patroni is held in maintenance mode, and a loss waits for a yes", () => {
  const driven = new Driven({ ...policy, manual: true });
  driven.look(well(1_000, { members: base.members.slice(0, 1) }));
  // Without a replica nobody could be failed over to, and Patroni is to bring one back.
  expect(driven.asked).toEqual([]);
  driven.look(well(2_000));
  expect(driven.asked).toEqual(["pause true"]);
  driven.look(well(3_000));
  driven.look(well(12_100));
  expect(driven.asked).toEqual(["pause true", "pause true"]);
  driven.look(well(13_000, { paused: true }));
  driven.look(gone(33_000, { paused: true }));
  expect(driven.state.decision?.phase).toBe("waits");
  expect(driven.asked.at(-1)).toBe("page");
  driven.ask("approve", gone(40_000, { paused: true }), { epoch: 1 });
  driven.look(gone(40_250, { paused: true }));
  expect(driven.asked.at(-1)).toBe("/failover b");
  driven.look(over(42_000, { paused: true, history: [LINE] }));
  driven.look(over(43_000, { paused: true, history: [LINE] }));
  expect(driven.account()).toMatchObject({ kind: "failover", outcome: "done", approvedBy: "ann" });
});

test("while a replica is away Patroni may bring it back; a lost owner's decision stays a person's", () => {
  const driven = new Driven({ ...policy, manual: true });
  driven.look(well(1_000));
  const [a, b] = base.members;
  if (a === undefined || b === undefined) throw new Error("no members");
  const alone = { paused: true, members: [a, { ...b, state: "stopped", lag: undefined }] };
  driven.look(well(2_000, { paused: true }));
  driven.look(well(3_000, alone));
  expect(driven.asked).toEqual(["pause true"]);
  driven.look(well(23_000, alone));
  expect(driven.asked).toEqual(["pause true", "pause false"]);
  driven.look(well(24_000, { ...alone, paused: false }));
  driven.look(well(30_000));
  expect(driven.asked).toEqual(["pause true", "pause false", "pause true"]);
  driven.look(gone(40_000, { paused: true }));
  driven.look(
    gone(90_000, { paused: true, members: [{ ...member("b", "replica", 990), state: "starting" }] }),
  );
  expect(driven.asked.slice(3)).toEqual(["page"]);
});

test("more than Patroni itself would bear to lose has to be accepted by name", () => {
  const driven = new Driven({ ...policy, manual: true });
  const far = [member("b", "replica", 800)];
  driven.look(well(1_000, { paused: true }));
  driven.look(gone(21_000, { paused: true, members: far }));
  driven.ask("approve", gone(22_000, { paused: true, members: far }), { epoch: 1 });
  driven.look(gone(22_250, { paused: true, members: far }));
  expect(driven.state.decision).toMatchObject({ phase: "waits", approval: null });
  expect(driven.because).toContain("lacks 200 bytes");
  driven.ask("approve", gone(23_000, { paused: true, members: far }), { epoch: 1, acceptLoss: true });
  driven.look(gone(23_250, { paused: true, members: far }));
  expect(driven.asked.at(-1)).toBe("/failover b");
});

test("refused, it is not asked for again at once", () => {
  const driven = new Driven({ ...policy, manual: true });
  driven.look(well(1_000, { paused: true }));
  driven.look(gone(21_000, { paused: true }));
  driven.ask("refuse", gone(22_000, { paused: true }), { epoch: 1 });
  driven.look(gone(23_000, { paused: true }));
  expect(driven.state.decision).toBe(null);
  driven.look(gone(22_000 + 600_000, { paused: true }));
  expect(driven.state.decision?.epoch).toBe(2);
});

test("after as many failovers within an hour as the policy bears, the next one needs a person; later Patroni is in charge again", () => {
  const driven = new Driven({ ...policy, failoversPerHourMax: 1 });
  driven.look(well(1_000));
  driven.look(over(2_000));
  driven.look(over(3_000, { history: [LINE] }));
  driven.look(over(4_000, { history: [LINE] }));
  expect(driven.asked).toEqual([]);
  const whole = {
    members: [member("b", "leader", 1_010, 2), member("a", "replica", 1_010, 2)],
    history: [LINE],
  };
  driven.look(over(5_000, whole));
  driven.look(over(6_000, { ...whole, paused: true }));
  expect(driven.asked).toEqual(["pause true"]);
  driven.look(over(3_700_000, { ...whole, paused: true }));
  expect(driven.asked).toEqual(["pause true", "pause false"]);
  driven.look(over(3_701_000, whole));
  expect(driven.state.pausing).toBe("no");
});

test("paused by a person until a person resumes; a maintenance mode of somebody else is left alone", () => {
  const driven = new Driven();
  driven.look(well(1_000, { paused: true }));
  expect(driven.asked).toEqual([]);
  expect(driven.because).toContain("somebody else");
  driven.ask("pause", well(2_000));
  driven.look(well(3_000));
  expect(driven.asked).toEqual(["pause true"]);
  driven.look(gone(25_000, { paused: true }));
  expect(driven.state.decision?.phase).toBe("waits");
  // While nobody is open, resuming lets Patroni act.
  driven.ask("resume", gone(26_000, { paused: true }));
  driven.look(gone(27_000, { paused: true }));
  expect(driven.asked.at(-1)).toBe("pause false");
  driven.look(over(29_000, { history: [LINE] }));
  driven.look(over(30_000, { history: [LINE] }));
  expect(driven.account()).toMatchObject({ outcome: "done", candidate: "b" });
});

test("when Patroni makes nobody the owner for long, a person is asked", () => {
  const driven = new Driven();
  driven.look(well(1_000));
  driven.look(gone(21_000));
  driven.look(gone(80_000));
  expect(driven.asked).toEqual([]);
  driven.look(gone(81_001));
  expect(driven.asked).toEqual(["page"]);
});

test.each<[string, Partial<PatroniSeen> | undefined, "switchover" | "force", string, readonly string[]]>([
  ["all is well", {}, "switchover", "b", []],
  ["whoever is fit", {}, "switchover", "", []],
  ["nobody looks", undefined, "switchover", "b", ["no control plane looks at the cluster now"]],
  ["it is the owner already", {}, "switchover", "a", ["Patroni would not promote a now (fit: b)"]],
  [
    "the owner is lost",
    { holder: null, members: [member("b", "replica", 990)] },
    "switchover",
    "b",
    ["a is not open: there is nothing to hand over"],
  ],
  [
    "the owner is lost, and that is accepted",
    { holder: null, members: [member("b", "replica", 990)] },
    "force",
    "",
    [],
  ],
])("a plan: %s", (_, more, kind, to, against) => {
  const seen = more === undefined ? undefined : well(1, more);
  const plan = planPatroni({ cluster: "c", policy, state: adopted, seen, kind, to });
  expect(plan.against).toEqual(against);
  expect(plan.needsApproval).toBe(kind === "force");
});

test("nobody can vouch where Patroni keeps the lease", () => {
  const driven = new Driven();
  driven.ask("vouch", gone(1), { epoch: 1 });
  expect(driven.log).toHaveLength(1);
});
