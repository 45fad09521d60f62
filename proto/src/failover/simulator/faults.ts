/** What goes wrong in a run, drawn from its seed: one fault after another, several at a time, each with its end. */
import type { Rng } from "./rng.js";
import type { SimulatedNode } from "./simulated.js";
import type { World } from "./world.js";

type Fault = (world: World, rng: Rng) => void;

const someNode = (world: World, rng: Rng): SimulatedNode => {
  // Twice as often the owner: what happens to it is what matters.
  const owner = world.nodes.find((node) => node.database.mode === "primary");
  if (owner !== undefined && rng.chance(0.4)) return owner;
  return world.nodes[rng.below(world.nodes.length)] as SimulatedNode;
};

const setCut = (world: World, from: number, to: number, isCut: boolean): void => {
  const row = world.network.cut[from];
  if (row !== undefined && from !== to) row[to] = isCut;
};

/** Cuts and heals; `ways` are pairs of from and to. */
function cutFor(world: World, ways: readonly (readonly [number, number])[], forMs: number): void {
  for (const [from, to] of ways) setCut(world, from, to, true);
  world.tell(() => `cut ${ways.map((way) => way.join(">")).join(" ")}`);
  world.agenda.after(forMs, () => {
    for (const [from, to] of ways) setCut(world, from, to, false);
    world.tell(() => `healed ${ways.map((way) => way.join(">")).join(" ")}`);
  });
}

const bothWays = (a: number, b: number): readonly (readonly [number, number])[] => [
  [a, b],
  [b, a],
];
const allBut = (world: World, index: number): number[] =>
  world.network.cut.map((_, other) => other).filter((other) => other !== index);

const cutOff = (world: World, { index }: SimulatedNode, forMs: number): void =>
  cutFor(
    world,
    allBut(world, index).flatMap((other) => bothWays(index, other)),
    forMs,
  );

const faults: Readonly<Record<string, Fault>> = {
  "power loss": (world, rng) => {
    const node = someNode(world, rng);
    world.crashNode(node);
    world.agenda.after(rng.between(100, 9_000), () => world.startNode(node));
  },
  "agent dies": (world, rng) => {
    const node = someNode(world, rng);
    world.crashAgent(node);
    world.agenda.after(rng.between(50, 5_000), () => world.bootAgent(node));
  },
  "database crashes": (world, rng) => world.crashDatabase(someNode(world, rng)),
  "database crashes again and again": (world, rng) => {
    const node = someNode(world, rng);
    for (let at = 0; at < 4; at += 1) {
      world.agenda.after(at * rng.between(200, 900), () => world.crashDatabase(node));
    }
  },
  "agent freezes": (world, rng) => {
    const node = someNode(world, rng);
    world.freezeAgent(node);
    world.agenda.after(rng.between(100, 8_000), () => world.thawAgent(node));
  },
  "guard freezes": (world, rng) => {
    const node = someNode(world, rng);
    world.freezeGuard(node);
    world.agenda.after(rng.between(100, 8_000), () => world.thawGuard(node));
  },
  "host is suspended": (world, rng) => {
    const node = someNode(world, rng);
    world.suspend(node);
    world.agenda.after(rng.between(100, 9_000), () => world.wake(node));
  },
  "control plane dies": (world, rng) => {
    world.crashControl();
    world.agenda.after(rng.between(50, 7_000), () => world.startControl());
  },
  "control plane freezes": (world, rng) => {
    world.controlFrozen = true;
    world.agenda.after(rng.between(100, 6_000), () => world.thawControl());
  },
  "full partition": (world, rng) => {
    cutOff(world, someNode(world, rng), rng.between(300, 9_000));
  },
  "one-way partition": (world, rng) => {
    const { index } = someNode(world, rng);
    const out = rng.chance(0.5);
    cutFor(
      world,
      allBut(world, index).map((other) => (out ? [index, other] : [other, index])),
      rng.between(300, 9_000),
    );
  },
  "control plane cut off": (world, rng) => {
    const { index } = someNode(world, rng);
    cutFor(world, bothWays(index, world.nodes.length), rng.between(300, 9_000));
  },
  "control plane cut off from all": (world, rng) => {
    const control = world.nodes.length;
    cutFor(
      world,
      allBut(world, control).flatMap((other) => bothWays(control, other)),
      rng.between(300, 9_000),
    );
  },
  "replica cut off": (world, rng) => {
    const { index } = someNode(world, rng);
    const other = rng.below(world.nodes.length);
    if (other !== index) cutFor(world, bothWays(index, other), rng.between(300, 9_000));
  },
  "link flaps": (world, rng) => {
    const { index } = someNode(world, rng);
    const ways = allBut(world, index).flatMap((other) => bothWays(index, other));
    const period = rng.between(500, 3_000);
    for (let at = 0; at < 4; at += 1) {
      world.agenda.after(at * 2 * period, () => cutFor(world, ways, period));
    }
  },
  "the owner is cut off and all others start again": (world, rng) => {
    const owner = world.nodes.find((node) => node.database.mode === "primary");
    if (owner === undefined) return;
    cutOff(world, owner, rng.between(3_000, 9_000));
    world.crashControl();
    world.agenda.after(rng.between(10, 300), () => world.startControl());
    for (const node of world.nodes) {
      if (node === owner) continue;
      world.crashAgent(node);
      world.agenda.after(rng.between(10, 300), () => world.bootAgent(node));
    }
  },
  "answers come late, and then nothing goes out": (world, rng) => {
    const owner = world.nodes.find((node) => node.database.mode === "primary");
    if (owner === undefined) return;
    const { index } = owner;
    world.network.slow = { to: index, byMs: rng.between(350, 480) };
    world.agenda.after(rng.between(600, 1_500), () => {
      const out = allBut(world, index).map((other): readonly [number, number] => [index, other]);
      cutFor(world, out, rng.between(4_000, 9_000));
    });
    world.agenda.after(5_000, () => {
      world.network.slow = null;
    });
  },
  "a switchover to a replica that crashes": (world, rng) => {
    world.stepControl({ kind: "switchover", to: null, by: "simulated" });
    world.agenda.after(rng.between(1, 80), () => {
      for (const node of world.nodes) if (node.database.mode === "standby") world.crashDatabase(node);
    });
  },
  "slow network": (world, rng) => {
    world.network.latencyFactor = rng.between(2, 40);
    world.agenda.after(rng.between(500, 4_000), () => {
      world.network.latencyFactor = 1;
    });
  },
  "a person wants a switchover": (world) =>
    world.stepControl({ kind: "switchover", to: null, by: "simulated" }),
  "a person pauses": (world, rng) => {
    world.stepControl({ kind: "pause", by: "simulated" });
    world.agenda.after(rng.between(500, 4_000), () => world.stepControl({ kind: "resume", by: "simulated" }));
  },
  "a person forces a failover": (world, rng) => {
    if (rng.chance(0.2)) world.stepControl({ kind: "force", by: "simulated", reason: "a drill" });
  },
};
export const faultNames: readonly string[] = Object.keys(faults);

/** Until `until`, at intervals that are drawn as well. */
export function bringTrouble(
  world: World,
  rng: Rng,
  until: number,
  names: readonly string[] = faultNames,
): void {
  world.network.turbulent = true;
  const next = (): void => {
    if (world.agenda.now >= until) return;
    const name = names[rng.below(names.length)] ?? "";
    world.tell(() => `fault: ${name}`);
    faults[name]?.(world, rng);
    // Bursts, and quiet in between in which a decision can get somewhere.
    world.agenda.after(rng.chance(0.3) ? rng.between(10, 400) : rng.between(400, 5_000), next);
  };
  next();
}

/** Everything is whole again, at once. */
export function endTrouble(world: World): void {
  world.network.heal();
  world.tell(() => "all faults end");
  for (const node of world.nodes) {
    world.startNode(node);
    world.wake(node);
    world.thawGuard(node);
    world.thawAgent(node);
    world.bootAgent(node);
  }
  world.thawControl();
  world.startControl();
  world.stepControl({ kind: "resume", by: "simulated" });
}
