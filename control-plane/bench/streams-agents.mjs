/**
 * Made-up agents, each with its own certificate, its own mutual-TLS connection and its own stream, told what to do over
 * standard input, a line of JSON each. Bundled and started by streams.mjs. They speak HTTP/2 themselves, without a gRPC
 * library, so that the machine that they share with the control plane is left to it.
 */
import { generateKeyPairSync, webcrypto } from "node:crypto";
import { writeFileSync } from "node:fs";
import { get, Agent as HttpAgent } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { createInterface } from "node:readline";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AgentService,
  ConnectRequestSchema,
  ConnectResponseSchema,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import pg from "pg";
import { CertificateAuthority } from "../src/access/ca.ts";
import { fileKeyStore } from "../src/access/key-store.ts";
import { DAY } from "../src/kernel/time.ts";
import { system } from "../src/platform/system.ts";
import { Obedience } from "./obedient-agents.mjs";
import { quantile, sleep } from "./processes.mjs";
import { labelsOf, NodeValues, nodeName } from "./workload.mjs";

const { first, count, series, intervalMs, stateDirectory, databaseUrl } = JSON.parse(process.argv[2]);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const { connect } = toServiceDefinition(AgentService);
const CONTROL_PLANE_NAME = "control-plane.mainstay";
const HEARTBEAT_MS = 5_000;
const TICK_MS = 50;
/** Handshakes under way at the same time. */
const CONNECTING_MAX = 32;
const CONNECT_WITHIN_MS = 30_000;
const PROBE_WITHIN_MS = 10_000;
const REFS = Array.from({ length: series }, (_, ref) => ref + 1);

/** A message as gRPC frames it: a byte that says that it is not compressed, four of length. */
function framed(body) {
  const bytes = toBinary(ConnectRequestSchema, create(ConnectRequestSchema, { body }));
  const whole = Buffer.allocUnsafe(5 + bytes.length);
  whole[0] = 0;
  whole.writeUInt32BE(bytes.length, 1);
  whole.set(bytes, 5);
  return whole;
}

const heartbeat = framed({ case: "heartbeat", value: { sentAtMs: 0n } });
/** All agents measure the same; what is measured here is not how well it compresses. */
const values = new NodeValues(first, series);

class MadeUpAgent {
  sequence = 0;
  /** Whether it has nothing to say: before its welcome, and when it was told to be silent. */
  silent = true;
  announced = false;
  /** Whether its first series is below zero, which no counter is: what a rule can look for. */
  ails = false;
  /** When it last said anything. */
  saidAt = 0;
  orders = 0;
  #session;
  #stream;
  #partial = Buffer.alloc(0);
  #resolveWelcome;

  constructor(number, identity) {
    this.number = number;
    this.identity = identity;
  }

  /** Opens connection and stream; resolves with the bytes of the welcome. */
  async connect(target) {
    this.endedBecause = undefined;
    const { key, ca, certificate } = this.identity;
    const session = connectHttp2(`https://127.0.0.1:${target.port}`, {
      key,
      ca,
      cert: certificate,
      servername: CONTROL_PLANE_NAME,
    });
    this.#session = session;
    this.closed = new Promise((resolve) => {
      session.on("error", (error) => resolve(error.message));
      session.on("close", () => resolve("closed"));
    });
    const stream = session.request({
      ":method": "POST",
      ":path": connect.path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    this.#stream = stream;
    this.streamClosed = new Promise((resolve) => {
      stream.on("error", (error) => resolve(error.message));
      stream.on("response", (headers) => {
        if ((headers["grpc-status"] ?? "0") !== "0")
          resolve(decodeURIComponent(String(headers["grpc-message"])));
      });
      stream.on("trailers", (trailers) =>
        resolve(decodeURIComponent(String(trailers["grpc-message"] ?? "ended"))),
      );
      stream.on("close", () => resolve(`HTTP/2 code ${stream.rstCode}`));
    });
    const welcome = new Promise((resolve) => {
      this.#resolveWelcome = resolve;
    });
    stream.on("data", (data) => this.#hear(data));
    this.say(
      framed({
        case: "hello",
        value: {
          outboxId: `box-${this.number}`,
          agentVersion: "bench",
          hostname: nodeName(this.number),
          actions: ["collect-diagnostics"],
          intervalMs,
        },
      }),
    );
    const failed = (why) => () => {
      throw new Error(`agent ${this.number} was not welcomed: ${why}`);
    };
    this.streamClosed.then((because) => {
      this.silent = true;
      this.endedBecause = because;
    });
    return Promise.race([
      welcome,
      this.closed.then((why) => failed(why)()),
      this.streamClosed.then((why) => failed(why)()),
      sleep(CONNECT_WITHIN_MS).then(failed(`nothing within ${CONNECT_WITHIN_MS / 1_000} s`)),
    ]);
  }

  /** False when the stream asks to wait. */
  say(bytes) {
    this.saidAt = Date.now();
    return this.#stream.write(bytes);
  }

  announce() {
    const named = REFS.map((ref) => ({ ref, labels: labelsOf(this.number, ref - 1) }));
    this.say(framed({ case: "series", value: { series: named } }));
    this.say(framed({ case: "layout", value: { layoutId: 1, refs: REFS } }));
    this.announced = true;
  }

  frame(timestamp) {
    const read = values.next().slice();
    if (this.ails) read[0] = -1;
    const bytes = new Uint8Array(read.buffer);
    const sequence = BigInt(++this.sequence);
    return this.say(
      framed({
        case: "frame",
        value: { sequence, layoutId: 1, timestampMs: BigInt(timestamp), values: bytes },
      }),
    );
  }

  /** Reads no further. */
  stall() {
    this.#stream.pause();
  }

  drained() {
    return new Promise((resolve) => this.#stream.once("drain", resolve));
  }

  close() {
    this.#session?.destroy();
  }

  #hear(data) {
    this.#partial = this.#partial.length === 0 ? data : Buffer.concat([this.#partial, data]);
    while (this.#partial.length >= 5) {
      const length = this.#partial.readUInt32BE(1);
      if (this.#partial.length < 5 + length) return;
      const bytes = this.#partial.subarray(5, 5 + length);
      this.#partial = this.#partial.subarray(5 + length);
      // The first answer is the welcome; at the bare server it means nothing and is not read.
      const welcomed = this.#resolveWelcome;
      this.#resolveWelcome = undefined;
      if (bareAnswer !== undefined) {
        if (welcomed === undefined) this.say(bareAnswer);
        else welcomed(length);
        continue;
      }
      if (welcomed === undefined || obedience !== undefined) this.#take(bytes);
      welcomed?.(length);
    }
  }

  #take(bytes) {
    const { body } = fromBinary(ConnectResponseSchema, bytes);
    switch (body.case) {
      case "welcome":
        return obedience?.welcome(body.value);
      case "acknowledge":
        return obedience?.acknowledged(body.value);
      case "order":
        this.orders++;
        return obedience?.take(body.value, (event) =>
          this.say(framed({ case: "commandEvent", value: event })),
        );
    }
  }
}

/** What carries out orders; without it they are only counted. */
let obedience;
/** At the bare server: what each message is answered with. */
let bareAnswer;

/**
 * Identities as enrolling gives them, made with the house's own key and written as it writes them: what is measured
 * begins when the agents connect. One key serves all; each has a certificate of its own.
 */
async function enroll() {
  const store = fileKeyStore(stateDirectory, system.draws);
  const authority = await CertificateAuthority.open({ store, system, clientLifetime: DAY });
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = pair.privateKey.export({ type: "pkcs8", format: "pem" });
  const csr = await requestFor(pair);
  const { keyHash } = await authority.inspect(csr);
  const agents = [];
  const rows = { nodes: [], names: [], serials: [], issued: [], expires: [] };
  const ca = authority.certificatePem;
  for (let number = first; number < first + count; number++) {
    const node = system.draws.id(Date.now());
    const issued = await authority.issueForNode(csr, node);
    rows.nodes.push(node);
    rows.names.push(nodeName(number));
    rows.serials.push(issued.serial);
    rows.issued.push(new Date(issued.issuedAt));
    rows.expires.push(new Date(issued.expiresAt));
    agents.push(new MadeUpAgent(number, { key, ca, certificate: issued.chainPem }));
  }
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  await database.query(
    `insert into node (node_id, name, key_hash, enrolled_at, liveness_since)
     select node, name, $3, now(), now() from unnest($1::text[], $2::text[]) as t (node, name)`,
    [rows.nodes, rows.names, keyHash],
  );
  await database.query(
    `insert into node_certificate (serial, node_id, issued_at, expires_at)
     select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])`,
    [rows.serials, rows.nodes, rows.issued, rows.expires],
  );
  await database.end();
  return { agents, authority };
}

async function requestFor({ privateKey, publicKey }) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const { subtle } = webcrypto;
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=bench",
    keys: {
      privateKey: await subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
      publicKey: await subtle.importKey("spki", spki, algorithm, true, ["verify"]),
    },
    signingAlgorithm: algorithm,
  });
  return new Uint8Array(request.rawData);
}

/** An identity for the bare server, of the same house. */
async function serverIdentity(authority, file) {
  const { chainPem, keyPem } = await authority.issueForServer([]);
  writeFileSync(file, JSON.stringify({ ca: authority.certificatePem, key: keyPem, certificate: chainPem }), {
    mode: 0o600,
  });
}

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

const { agents, authority } = await enroll();
say({ said: "enrolled" });
let beat;

const answers = {
  obey: async ({ journal }) => {
    obedience = await Obedience.open(journal);
  },
  forget: () => {
    obedience.ordered.clear();
    obedience.durable.clear();
  },
  obeyed: () => {
    const { ordered, durable, refused, doubled } = obedience;
    return { ordered: [...ordered], durable: [...durable], refused, doubled };
  },
  answer: ({ bytes }) => {
    bareAnswer = Buffer.alloc(5 + bytes, 0x61);
    bareAnswer[0] = 0;
    bareAnswer.writeUInt32BE(bytes, 1);
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
