/**
 * A process of made-up agents (made-up-agent.mjs), told what to do over standard input, a line of JSON each. Bundled and
 * started by agent-clients.mjs.
 */
import { get, Agent as HttpAgent } from "node:http";
import { createInterface } from "node:readline";
import { framed, MadeUpAgent, manners } from "./made-up-agent.mjs";
import { enroll, serverIdentity } from "./made-up-identities.mjs";
import { Obedience } from "./obedient-agents.mjs";
import { quantile, sleep } from "./processes.mjs";
import { NodeValues, nodeName } from "./workload.mjs";

const settings = JSON.parse(process.argv[2]);
const { first, series, intervalMs } = settings;
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const HEARTBEAT_MS = 5_000;
const TICK_MS = 50;
/** Handshakes under way at the same time. */
const CONNECTING_MAX = 32;
const PROBE_WITHIN_MS = 10_000;

const heartbeat = framed({ case: "heartbeat", value: { sentAtMs: 0n } });
/** All agents measure the same; what is measured here is not how well it compresses. */
const workload = { values: new NodeValues(first, series), series, intervalMs };

/** Opens all streams, some at a time; how long each took, and all. */
async function connectAll(agents, target) {
  const began = performance.now();
  const took = [];
  let welcomeBytes = 0;
  const waiting = agents.values();
  const worker = async () => {
    for (const agent of waiting) {
      const from = performance.now();
      welcomeBytes = await agent.connect(target);
      agent.silent = false;
      took.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: CONNECTING_MAX }, worker));
  return {
    seconds: (performance.now() - began) / 1_000,
    welcomeBytes,
    p50Ms: quantile(took, 0.5),
    p99Ms: quantile(took, 0.99),
  };
}

/** Lets each agent speak at its own time: a frame each interval, a heartbeat after each silence of 5 s. */
class Beat {
  #slots = intervalMs / TICK_MS;
  #bySlot;
  #began = performance.now();
  #ticks = 0;
  #timer;
  /** How late this process is; what it says late is not the control plane's doing. */
  lateMs = [];

  constructor(agents) {
    this.#bySlot = Array.from({ length: this.#slots }, () => []);
    for (const agent of agents) this.#bySlot[agent.number % this.#slots].push(agent);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  #tick() {
    const due = Math.floor((performance.now() - this.#began) / TICK_MS);
    if (this.lateMs.length < 10_000) {
      this.lateMs.push(performance.now() - this.#began - (this.#ticks + 1) * TICK_MS);
    }
    for (; this.#ticks < due; this.#ticks++) {
      const now = Date.now();
      for (const agent of this.#at(0)) {
        if (agent.silent) continue;
        if (agent.announced) agent.frame(now);
        else agent.say(heartbeat);
      }
      for (let after = HEARTBEAT_MS; after < intervalMs; after += HEARTBEAT_MS) {
        for (const agent of this.#at(after / TICK_MS)) if (!agent.silent) agent.say(heartbeat);
      }
    }
  }

  #at(slotsAgo) {
    return this.#bySlot[(((this.#ticks - slotsAgo) % this.#slots) + this.#slots) % this.#slots];
  }
}

/** Announces all series and sends a first frame, spread over one interval. */
async function announceAll(agents) {
  const pause = intervalMs / agents.length;
  const began = performance.now();
  for (const [index, agent] of agents.entries()) {
    const early = began + index * pause - performance.now();
    if (early > 5) await sleep(early);
    agent.announce();
    agent.frame(Date.now());
  }
}

const keptOpen = new HttpAgent({ keepAlive: true, maxSockets: 8 });

function query({ restPort, token }, expression) {
  const options = {
    host: "127.0.0.1",
    port: restPort,
    path: `/api/v1/query?query=${encodeURIComponent(expression)}`,
    headers: { authorization: `Bearer ${token}` },
    agent: keptOpen,
  };
  return new Promise((resolve, reject) => {
    get(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (data) => {
        text += data;
      });
      response.on("end", () => {
        try {
          resolve(JSON.parse(text));
        } catch (error) {
          reject(error);
        }
      });
    }).on("error", reject);
  });
}

/**
 * Sends a frame and asks for its newest sample until the answer has it: from the sample's time to the arrival of the
 * answer that holds it, the question included.
 */
async function probe(agent, house) {
  const timestamp = Date.now();
  agent.frame(timestamp);
  const expression = `timestamp(bench_metric_0_bytes_total{node="${nodeName(agent.number)}",device="device-0"})`;
  const began = performance.now();
  while (performance.now() - began < PROBE_WITHIN_MS) {
    const { data } = await query(house, expression);
    const [seconds] = data?.result?.[0]?.value?.slice(1) ?? [];
    if (Number(seconds) * 1_000 >= timestamp) return performance.now() - began;
    await sleep(2);
  }
  return Number.POSITIVE_INFINITY;
}

/** Probes, one after another at a fixed pace and over all agents, for so long. */
async function probeFor(agents, { ms, everyMs, ...house }) {
  const running = [];
  const took = [];
  let next = 0;
  for (const began = performance.now(); performance.now() - began < ms; ) {
    next = (next + 37) % agents.length;
    if (!agents[next].silent) running.push(probe(agents[next], house).then((each) => took.push(each)));
    await sleep(everyMs);
  }
  await Promise.all(running);
  return took;
}

/** As many frames as the stream takes. */
async function flood(agent, ms) {
  const began = performance.now();
  const before = agent.sequence;
  while (performance.now() - began < ms) {
    if (!agent.frame(Date.now())) await Promise.race([agent.drained(), sleep(1_000)]);
    if (agent.sequence % 32 === 0) await sleep(0);
  }
  return agent.sequence - before;
}

const { agents, authority } = await enroll(
  settings,
  (number, identity) => new MadeUpAgent(number, identity, workload),
);
say({ said: "enrolled" });
let beat;

const answers = {
  obey: async ({ journal }) => {
    manners.obedience = await Obedience.open(journal);
  },
  forget: () => {
    manners.obedience.ordered.clear();
    manners.obedience.durable.clear();
    manners.obedience.cancelled.clear();
  },
  obeyed: () => {
    const { ordered, durable, cancelled, refused, doubled } = manners.obedience;
    return { ordered: [...ordered], durable: [...durable], cancelled: [...cancelled], refused, doubled };
  },
  answer: ({ bytes }) => {
    const answer = Buffer.alloc(5 + bytes, 0x61);
    answer[0] = 0;
    answer.writeUInt32BE(bytes, 1);
    manners.bareAnswer = answer;
  },
  identity: ({ file }) => serverIdentity(authority, file),
  connect: async (target) => {
    beat = new Beat(agents);
    return connectAll(agents, target);
  },
  allEnded: async () => {
    await Promise.all(agents.map((agent) => Promise.race([agent.closed, agent.streamClosed])));
  },
  /** As agents do it: each after a wait of its own, again and again. */
  reconnect: async (target) => {
    const again = async (agent) => {
      for (let tries = 0; ; tries++) {
        await sleep(Math.random() * Math.min(30_000, 1_000 * 2 ** tries));
        agent.close();
        try {
          await agent.connect(target);
          agent.silent = false;
          return;
        } catch (error) {
          if (tries > 20) throw error;
        }
      }
    };
    await Promise.all(agents.map(again));
  },
  announce: () => announceAll(agents),
  probe: async (options) => ({ tookMs: await probeFor(agents, options) }),
  late: () => ({ p99Ms: quantile(beat.lateMs.splice(0), 0.99) }),
  open: () => {
    const ended = agents.filter(({ endedBecause }) => endedBecause !== undefined);
    return { open: agents.length - ended.length, because: ended[0]?.endedBecause };
  },
  ail: ({ agent: number }) => {
    const agent = agents[number - first];
    agent.ails = true;
    const at = Date.now();
    agent.frame(at);
    return { agent: number, at };
  },
  silence: ({ agent: number }) => {
    const agent = agents[number - first];
    agent.silent = true;
    return { lastWordAt: agent.saidAt };
  },
  stall: ({ agent: number }) => agents[number - first].stall(),
  end: async ({ agent: number }) => ({ because: await agents[number - first].streamClosed, at: Date.now() }),
  flood: async ({ agent: number, ms }) => ({ frames: await flood(agents[number - first], ms) }),
  disconnect: async () => {
    beat?.stop();
    for (const agent of agents) {
      agent.silent = true;
      agent.close();
    }
    await Promise.all(agents.map((agent) => agent.closed));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { ask, ...options } = JSON.parse(line);
  Promise.resolve(answers[ask](options)).then(
    (answer) => say({ said: ask, ...answer }),
    (error) => say({ said: "failed", ask, because: error.message }),
  );
}
process.exit(0);
