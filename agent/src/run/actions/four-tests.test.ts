/** Every action is proved in four ways, and here stands where: a new one without them does not compile or does not pass. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type ActionName, actionNames } from "../action-names.js";
import { allActions } from "../actions.js";

/** Titles of tests in one file: beginnings, as they stand there. A title may prove several of the four. */
interface Proofs {
  readonly file: string;
  /** The preview plans, and touches nothing. */
  readonly preview: string;
  readonly run: string;
  /** A run whose effect is not there is a failure, or the effect is looked for from outside. */
  readonly verify: string;
  /** The inverse brings the same state back; or, where there is none, what is refused. */
  readonly undo: string;
}

/** On a real cluster's contract, and looked at by kubectl: there the run is verified from outside. */
const kubernetes = (action: ActionName, title: string): Proofs => ({
  file: "../../../../e2e/scenarios/kubernetes.test.ts",
  preview: `${action}: its plan touches nothing`,
  run: title,
  verify: title,
  undo: title,
});

const proofs: Readonly<Record<ActionName, Proofs>> = {
  "clean-directory": {
    file: "clean-directory.test.ts",
    preview: "old files in all directories below",
    run: "exactly the plan",
    verify: "it stops between two files when it is told to, and says how far it came",
    undo: "nothing when the directory is another one than was planned",
  },
  "restart-service": {
    file: "restart-service.test.ts",
    preview: "one that systemd does not know cannot be planned",
    run: "starts one that does not run, and restarts it as another process",
    verify: "says so when it ends at once or cannot be started",
    undo: "does nothing to a process that is another one than was planned",
  },
  "end-idle-sessions": {
    file: "end-idle-sessions.pg.test.ts",
    preview: "lists no more than asked for",
    run: "ends those of the plan and no other",
    verify: "nothing idle is a plan of nothing",
    undo: "a pid of the plan that is another session now is left alone",
  },
  "collect-diagnostics": {
    file: "collect-diagnostics.test.ts",
    preview: "the plan says what is read and reads nothing",
    run: "reads this machine, bounded",
    verify: "a program that fails costs its own part only",
    undo: "is refused where it is not enabled",
  },
  "terminate-query": {
    file: "terminate-query.pg.test.ts",
    preview: "the plan names the query and its session, and lets it run",
    run: "cancels the long ones of the plan",
    verify: "ends the session when asked to, and only the one named",
    undo: "leaves a session alone that has gone on to another query since",
  },
  "maintain-table": {
    file: "maintain-table.pg.test.ts",
    preview: "the plan says how the table stands, and changes nothing of it",
    run: "rebuilds indexes while others write",
    verify: "gives up on a lock it does not get",
    undo: "does nothing to a table that is another one now",
  },
  "set-postgres-parameter": {
    file: "set-postgres-parameter.pg.test.ts",
    preview: "says that a restart is needed before it is done",
    run: "sets it, new sessions have it",
    verify: "puts the old value back when the new one does not count",
    undo: "setting it and back is the same state",
  },
  "reload-service": {
    file: "reload-and-rotate.test.ts",
    preview: "not one that cannot be reloaded",
    run: "it hears of it once and goes on as the same process",
    verify: "one that ends at its reload is a failure",
    undo: "one that the signal would end is not asked, nor one that is another process now",
  },
  "rotate-logs": {
    file: "reload-and-rotate.test.ts",
    preview: "a process that the signal would end is not asked",
    run: "loses no line, compresses the old file",
    verify: "one that does not open its log anew gets the old name back",
    undo: "does nothing when the file is another one than was planned",
  },
  "redis-save": {
    file: "redis.test.ts",
    preview: "a wrong password is said without it",
    run: "the copy is the data of now",
    verify: "a copy that is not good is no copy",
    undo: "a wrong password is said without it",
  },
  "redis-restart": {
    file: "redis.test.ts",
    preview: "its plan names the server and how much it holds",
    run: "it is another server afterwards",
    verify: "one that comes back without its keys is a failure",
    undo: "one that cannot be saved is not restarted",
  },
  netcheck: {
    file: "netcheck.test.ts",
    preview: "the plan names the ways, and nobody is asked",
    run: "reaches what is there, each step timed, and changes nothing",
    verify: "names the step at which each way ends",
    undo: "looks at one alone when asked to, and at nothing that was declared otherwise since the plan",
  },
  "set-backend-state": {
    file: "set-backend-state.test.ts",
    preview: "a server that is not there cannot be planned",
    run: "drains without breaking a request",
    verify: "never the last one, whatever the plan said",
    undo: "out and back is the same state",
  },
  "pgbouncer-pause": {
    file: "pgbouncer.pg.test.ts",
    preview: "the plan of a pause names its inverse and holds nobody back",
    run: "what runs may end, what comes waits",
    verify: "a transaction that does not end is not waited for for ever",
    undo: "pausing and resuming is the same state as before",
  },
  "pgbouncer-resume": {
    file: "pgbouncer.pg.test.ts",
    preview: "the plan of a resumption names its inverse and lets nobody go on",
    run: "what runs may end, what comes waits",
    verify: "a resumption is one when PgBouncer says so, asked anew",
    undo: "pausing and resuming is the same state as before",
  },
  "pgbouncer-reload": {
    file: "pgbouncer.pg.test.ts",
    preview: "the plan of a reload names what the file has that is new, and loads nothing",
    run: "a new database and a new setting are found afterwards",
    verify: "a file that PgBouncer cannot read is no reload",
    undo: "a file that changed since the plan is not loaded",
  },
  "scale-pool": {
    file: "scale-pool.test.ts",
    preview: "the load says how many",
    run: "grows to what is asked for",
    verify: "one that does not start takes back what had been started",
    undo: "there and back is the same state",
  },
  "heap-snapshot": {
    file: "heap-snapshot.test.ts",
    preview: "without twice its memory free on the disk it cannot be planned",
    run: "names the constructor that leaks",
    verify: "who holds what, weak references left out",
    undo: "one that would die of the signal is never asked",
  },
  "renew-certificate": {
    file: "renew-certificate.test.ts",
    preview: "what was never kept cannot be put back",
    run: "the new one is in place and served",
    verify: "one that ends no later, and one that is not served, is taken back",
    undo: "renewing and putting back is the same state",
  },
  "restore-drill": {
    file: "restore-drill.pg.test.ts",
    preview: "the plan names the backup and touches nothing",
    run: "the newest moment is restored, measured, and taken away again",
    verify: "a flipped byte of the backup is caught",
    undo: "the live database is as it was, and so is the repository",
  },
  "evict-pod": kubernetes("evict-pod", "evict-pod: the owner's new pod is ready before it is called done"),
  "scale-workload": kubernetes("scale-workload", "scale-workload: there and back"),
  "rollout-restart": kubernetes("rollout-restart", "rollout-restart: every pod is another"),
  "rollout-undo": kubernetes("rollout-undo", "rollout-undo: back to what ran, forth again"),
  "cordon-node": kubernetes(
    "cordon-node",
    "cordon-node and uncordon-node: one at a time, and the same state",
  ),
  "uncordon-node": kubernetes(
    "uncordon-node",
    "cordon-node and uncordon-node: one at a time, and the same state",
  ),
  "drain-node": kubernetes("drain-node", "drain-node: pod by pod within the budget"),
};

describe("every action has its four tests", () => {
  test.each([...actionNames])("%s", (name) => {
    const { file, ...titles } = proofs[name];
    const text = readFileSync(join(import.meta.dirname, file), "utf8");
    for (const [what, title] of Object.entries(titles)) {
      const found = text.split(`test("${title}`).length - 1;
      expect(found, `${what}: tests that begin with "${title}" in ${file}`).toBe(1);
    }
    // What shows that a plan touches nothing cannot be what carries it out.
    expect(titles.preview).not.toBe(titles.run);
    expect(allActions[name].name).toBe(name);
  });

  test("no two actions show the same preview, and there is one for each", () => {
    const previews = Object.values(proofs).map(({ file, preview }) => `${file}: ${preview}`);
    expect(new Set(previews).size).toBe(actionNames.length);
  });

  test("an action whose test goes is missed", () => {
    const text = readFileSync(join(import.meta.dirname, proofs.netcheck.file), "utf8");
    expect(text.includes('test("a title that nobody wrote')).toBe(false);
  });
});
