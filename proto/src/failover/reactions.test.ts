/** The table of control plane and agent has no hole: every phase meets every report, every agent every order. */
import { describe, expect, test } from "vitest";
import { bootAgent, stepAgent } from "./agent.js";
import { type AgentState, type DatabaseState, firstKept } from "./agent-state.js";
import { applyRecord, refusalOf } from "./apply-record.js";
import { bootControl, stepControl } from "./control.js";
import type { ControlState } from "./control-state.js";
import { type ClusterState, firstCluster, type LogRecord, phases } from "./decision.js";
import { type Order, orderKinds, type Report, reportKinds } from "./messages.js";
import { localPolicy } from "./policy.js";
import { type ControlPhase, reactions, reactionTo } from "./reactions.js";
import { CONTROL_PLANE } from "./words.js";

const policy = localPolicy(["a", "b"], { mode: "asynchronous", rpoBytes: 100 });
const at = 1_000_000;
const holders = { version: 1, members: ["b"], required: 1 };
const evidence = [{ node: "b", lsn: 10, logEpoch: 1, usable: true, detached: true, fenced: true }];

/** The records that lead to each phase of decision 2. */
const way: Readonly<Record<ControlPhase, readonly LogRecord[]>> = (() => {
  const start: LogRecord[] = [
    { at, kind: "proposed", holders },
    { at, kind: "eligible", holders },
  ];
  const intended = (decision: "failover" | "switchover", ask: string | null): LogRecord => ({
    at,
    kind: "intended",
    epoch: 2,
    decision,
    from: "a",
    to: decision === "switchover" ? "b" : null,
    trigger: "a test",
    ask,
    approval: null,
  });
  const on: LogRecord[] = [...start, intended("failover", null)];
  const promising: LogRecord[] = [...on, { at, kind: "promising", epoch: 2 }];
  const chosen: LogRecord[] = [
    ...promising,
    {
      at,
      kind: "chosen",
      epoch: 2,
      candidate: "b",
      lsn: 10,
      lossEstimate: null,
      proof: { how: "holders", asked: 1, needed: 1 },
      evidence,
    },
  ];
  const fenced: LogRecord[] = [
    ...chosen,
    { at, kind: "fenced", epoch: 2, proof: { how: "lease-expired", promised: 2, needed: 2 }, evidence },
  ];
  const promoting: LogRecord[] = [...fenced, { at, kind: "promoting", epoch: 2, candidate: "b" }];
  const promoted: LogRecord[] = [...promoting, { at, kind: "promoted", epoch: 2, lsn: 10, outcome: "open" }];
  const verified: LogRecord[] = [...promoted, { at, kind: "verified", epoch: 2, lsn: 11 }];
  return {
    idle: start,
    intended: on,
    "awaiting-approval": [
      ...start,
      intended("failover", "a person has to say so"),
      { at, kind: "approval-asked", epoch: 2, because: "a person has to say so" },
    ],
    holding: [...start, intended("switchover", null), { at, kind: "holding", epoch: 2, poolers: ["p"] }],
    "stepping-down": [...start, intended("switchover", null), { at, kind: "stepping-down", epoch: 2 }],
    promising,
    chosen,
    fenced,
    promoting,
    promoted,
    verified,
    routed: [...verified, { at, kind: "routed", epoch: 2 }],
  };
})();

function clusterAt(phase: ControlPhase): ClusterState {
  return way[phase].reduce((state, record) => {
    expect(refusalOf(state, record)).toBeNull();
    return applyRecord(state, record);
  }, firstCluster("a"));
}

const controlAt = (phase: ControlPhase): ControlState => bootControl(policy, clusterAt(phase), at);

const reports: Readonly<Record<Report["kind"], Report>> = {
  state: {
    kind: "state",
    role: "replica",
    epoch: 1,
    promised: 1,
    lsn: 10,
    surrendered: false,
    following: "a",
    streaming: true,
    hearsPrimary: true,
    holders: [],
    heldVersion: -1,
  },
  promised: {
    kind: "promised",
    epoch: 2,
    lsn: 10,
    logEpoch: 1,
    usable: true,
    detached: true,
    fenced: true,
    grantLeftMs: 3_000,
  },
  promoted: { kind: "promoted", epoch: 2, lsn: 10, outcome: "open" },
  verified: { kind: "verified", epoch: 2, lsn: 11 },
  "stepped-down": { kind: "stepped-down", epoch: 2, lsn: 10 },
  refused: { kind: "refused", order: "step-down", epoch: 2, promised: 1, because: "a test" },
};

/** What may be written down at once because of a report: nothing else is. */
const writes: Partial<Record<string, readonly (readonly string[])[]>> = {
  "record-promotion": [["promoted"]],
  "record-verification": [["verified"]],
  "record-checkpoint": [[]],
  "call-off": [["aborted"]],
  "note-stop": [["promising"]],
  "count-promise": [["chosen"], []],
};
/** What a phase goes on to by itself, whatever is heard. */
const goesOn: Partial<Record<ControlPhase, readonly string[]>> = {
  intended: ["promising"],
  fenced: ["promoting"],
  routed: ["closed"],
};

const allPhases: readonly ControlPhase[] = ["idle", ...phases];
const table = allPhases.flatMap((phase) => reportKinds.map((kind) => ({ phase, kind })));

test("the table has a row for each phase and a column for each report", () => {
  expect(Object.keys(reactions).sort()).toEqual([...allPhases].sort());
  for (const row of Object.values(reactions))
    expect(Object.keys(row).sort()).toEqual([...reportKinds].sort());
  expect(table.length).toBe(12 * 6);
});

describe("the control plane", () => {
  test.each(table)("in $phase, told $kind, does what the table says", ({ phase, kind }) => {
    const state = controlAt(phase);
    const event = { kind: "message", from: "b", message: reports[kind] } as const;
    const step = stepControl(policy, state, event, at + 10);
    const reaction = reactionTo(phase, kind);
    const written = step.records.map((record) => record.kind);
    const own = goesOn[phase] ?? [];
    const allowed = (writes[reaction] ?? [[]]).map((because) => [...because, ...own]);
    expect(allowed).toContainEqual(written);
    expect(step.because).not.toBe("");
    // Said twice, it changes no more than said once.
    if (reaction === "too-late" || reaction === "not-asked") expect(written).toEqual(own);
    let kept = state.kept;
    for (const record of step.records) {
      expect(refusalOf(kept, record)).toBeNull();
      kept = applyRecord(kept, record);
    }
    expect(step.state.kept).toEqual(kept);
  });

  test.each(table)(
    "in $phase, told $kind of another epoch, writes nothing because of it",
    ({ phase, kind }) => {
      const report = reports[kind];
      if (report.kind === "state") return;
      const event = { kind: "message", from: "b", message: { ...report, epoch: 1 } } as const;
      const step = stepControl(policy, controlAt(phase), event, at + 10);
      expect(step.records.map((record) => record.kind)).toEqual(goesOn[phase] ?? []);
    },
  );

  test("listens to members only", () => {
    const message = reports.promoted;
    const step = stepControl(
      policy,
      controlAt("promoting"),
      { kind: "message", from: "mallory", message },
      at,
    );
    expect(step.records).toEqual([]);
  });
});

const databases: readonly DatabaseState[] = [
  "stopped",
  "starting",
  "standby",
  "detaching",
  "joining",
  "promoting",
  "opening",
  "open",
  "stopping",
];
const orders = (epoch: number): Readonly<Record<Order["kind"], Order>> => ({
  promise: { kind: "promise", epoch },
  promote: { kind: "promote", epoch },
  verify: { kind: "verify", epoch },
  follow: { kind: "follow", epoch, source: "a" },
  "step-down": { kind: "step-down", epoch },
  "carry-on": { kind: "carry-on", epoch },
  hold: { kind: "hold", epoch, holders: [holders] },
});

function agentAt(database: DatabaseState, role: "primary" | "replica"): AgentState {
  const kept = {
    ...firstKept(role === "primary" ? "b" : "a", "b"),
    promised: 5,
    epoch: 5,
    began: role === "primary" ? 5 : 0,
    opened: role === "primary" ? 5 : 0,
  };
  const { state } = bootAgent(policy, "b", kept, 1, at);
  return { ...state, database, leaseUntil: at + 3_000, lsn: 10 };
}

const meetings = databases.flatMap((database) =>
  (["primary", "replica"] as const).flatMap((role) =>
    orderKinds.flatMap((kind) => [4, 5, 6].map((epoch) => ({ database, role, kind, epoch }))),
  ),
);

describe("an agent", () => {
  test.each(meetings)(
    "($role, $database, promised 5) meets $kind of $epoch",
    ({ database, role, kind, epoch }) => {
      const state = agentAt(database, role);
      const message = orders(epoch)[kind];
      const once = stepAgent(policy, state, { kind: "message", from: CONTROL_PLANE, message }, at + 1);
      expect(once.because).not.toBe("");
      expect(once.state.kept.promised).toBeGreaterThanOrEqual(5);
      const did = once.effects.map((effect) => effect.kind);
      // An order of an epoch that is over moves nothing.
      if (epoch === 4) expect(did.filter((effect) => effect !== "send")).toEqual([]);
      // Nothing opens by an order alone: the lease comes first.
      expect(did).not.toContain("promote");
      // Whoever promises more than it owns is on its way to being closed.
      if (kind === "promise" && epoch === 6 && (database === "open" || database === "opening")) {
        expect(did).toContain("kill");
      }
      const twice = stepAgent(policy, once.state, { kind: "message", from: CONTROL_PLANE, message }, at + 2);
      const repeated = twice.effects.filter((effect) => effect.kind !== "send" && effect.kind !== "verify");
      expect(repeated).toEqual([]);
    },
  );

  test("obeys nobody but the control plane", () => {
    for (const message of Object.values(orders(6))) {
      const step = stepAgent(policy, agentAt("open", "primary"), { kind: "message", from: "a", message }, at);
      expect(step.effects).toEqual([]);
      expect(step.state.kept.promised).toBe(5);
    }
  });
});
