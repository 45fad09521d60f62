/**
 * Two regions on one machine: a PostgreSQL pair under failover, a Redis pair, two nodes of a Vault (contract servers), a pool of
 * API processes in the west and a name in a zone of a real BIND; and the plan that moves the east to the west.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { VaultContractServer } from "../contract-servers/vault.js";
import { Bind } from "./bind.js";
import type { Operator } from "./operator.js";
import { freePorts } from "./ports.js";
import { LEASE_MS, PostgresPair } from "./postgres-pair.js";
import { RedisMember } from "./redis-pair.js";
import { Stack } from "./stack.js";
import { untilTrue } from "./until.js";

export const EAST_ADDRESS = "192.0.2.1";
export const WEST_ADDRESS = "192.0.2.2";
const TTL_SECONDS = 3;
const REPLICAS = 2;
const PATIENCE_MS = 90_000;
// Compiled, this file lies one folder deeper; the program does not.
const API = resolve(
  import.meta.dirname,
  import.meta.dirname.endsWith("dist/harness") ? "../../harness" : ".",
  "region-api.mjs",
);

export class RegionHouse {
  readonly stack: Stack;
  readonly operator: Operator;
  readonly pair: PostgresPair;
  readonly east: { readonly redis: RedisMember; readonly vault: VaultContractServer };
  readonly west: { readonly redis: RedisMember; readonly vault: VaultContractServer };
  readonly bind: Bind;
  /** Where the west's API answers, once it runs. */
  readonly api: string;
  readonly #closers: (() => unknown)[];

  private constructor(parts: {
    readonly stack: Stack;
    readonly pair: PostgresPair;
    readonly east: RegionHouse["east"];
    readonly west: RegionHouse["west"];
    readonly bind: Bind;
    readonly api: string;
    readonly closers: (() => unknown)[];
  }) {
    this.stack = parts.stack;
    this.operator = parts.stack.operator();
    this.pair = parts.pair;
    this.east = parts.east;
    this.west = parts.west;
    this.bind = parts.bind;
    this.api = parts.api;
    this.#closers = parts.closers;
  }

  /** Everything runs, the database is protected, and the table of orders is there. */
  static async start(): Promise<RegionHouse> {
    const directory = mkdtempSync(join(tmpdir(), "mainstay-region-"));
    const closers: (() => unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
    const close = async (): Promise<void> => {
      for (const closer of closers.reverse()) await closer();
    };
    try {
      return await RegionHouse.#build(directory, closers);
    } catch (error) {
      await close();
      throw error;
    }
  }

  static async #build(directory: string, closers: (() => unknown)[]): Promise<RegionHouse> {
    const redis = await Promise.all(
      ["east", "west"].map((region) => RedisMember.make(join(directory, `redis-${region}`))),
    );
    const [redisEast, redisWest] = redis;
    if (redisEast === undefined || redisWest === undefined) throw new Error("no Redis");
    closers.push(() => Promise.all(redis.map((member) => member.stop())));
    await redisEast.start();
    await redisWest.start(redisEast);
    const vaultEast = await new VaultContractServer().start();
    closers.push(() => vaultEast.stop());
    vaultEast.secrets.set("app", { key: "of the application" });
    const vaultWest = (await new VaultContractServer().start()).standBy(vaultEast);
    closers.push(() => vaultWest.stop());
    const bind = await Bind.start(join(directory, "bind"), [`api ${TTL_SECONDS} IN A ${EAST_ADDRESS}`]);
    closers.push(() => bind.stop());
    const api = await freePorts(REPLICAS);
    const file = (name: string, content: unknown): string => {
      const path = join(directory, name);
      writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
      return path;
    };
    const tokenFile = file("vault-token", vaultWest.rootToken);
    const places = { redisEast, redisWest, vaultEast, vaultWest, tokenFile, api };
    const regions = file("regions.yaml", { regions: [planOf(places)] });
    const traffic = file("traffic.yaml", { targets: [targetOf(bind)] });
    const stack = await Stack.start({ args: ["--regions", regions, "--traffic", traffic] });
    closers.push(() => stack.stop());
    const pair = await PostgresPair.start(stack);
    const settings = {
      ports: api,
      database: `postgresql://postgres@${pair.address("db-2")}/postgres`,
      redisPort: redisWest.port,
      vault: vaultWest.address,
      token: vaultWest.rootToken,
    };
    const pidFile = join(directory, "api-%i.pid");
    closers.push(() => endAll(pidFile));
    await stack.startAgent("app-west", {
      actions: {
        scalePool: {
          pools: [
            {
              name: "api",
              min: 0,
              max: REPLICAS,
              start: [process.execPath, API, JSON.stringify(settings), "%i"],
              pidFile,
            },
          ],
        },
      },
    });
    const house = new RegionHouse({
      stack,
      pair,
      east: { redis: redisEast, vault: vaultEast },
      west: { redis: redisWest, vault: vaultWest },
      bind,
      api: `http://127.0.0.1:${api[0] ?? 0}`,
      closers,
    });
    await house.#protect();
    return house;
  }

  async #protect(): Promise<void> {
    await this.operator.recovery().registerCluster({
      cluster: "main",
      members: ["db-1", "db-2"],
      primary: "db-1",
      mode: "synchronous",
      leaseMs: LEASE_MS,
    });
    await untilTrue(
      "db-2 to be relied on",
      async () => {
        const [now] = (await this.operator.recovery().listClusters({})).clusters;
        return now?.primary === "db-1" && now.phase === "" && now.eligible.includes("db-2");
      },
      PATIENCE_MS,
    );
    await this.pair.query("db-1", "create table orders (marker text primary key)");
    await untilTrue("the pool to be offered", async () => {
      const { node } = await this.operator.fleet().getNode({ nodeId: "app-west" });
      return node?.actions.includes("scale-pool") === true;
    });
  }

  /** Everything in the east goes at once. */
  async loseEast(): Promise<void> {
    await Promise.all([this.pair.lose("db-1"), this.east.redis.killHard(), this.east.vault.stop()]);
  }

  /** What the name says at the authority. */
  addresses(): Promise<readonly string[]> {
    return this.bind.resolver("primary").resolve4(`api.${this.bind.zone}`);
  }

  async stop(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
  }
}

interface Places {
  readonly redisEast: RedisMember;
  readonly redisWest: RedisMember;
  readonly vaultEast: VaultContractServer;
  readonly vaultWest: VaultContractServer;
  readonly tokenFile: string;
  readonly api: readonly number[];
}

function planOf({ redisEast, redisWest, vaultEast, vaultWest, tokenFile, api }: Places) {
  const cluster = { cluster: "main", to: ["db-2"] };
  const requests = api.flatMap((port, instance) => {
    const url = `http://127.0.0.1:${port}/orders`;
    // Each instance makes an order of its own.
    const marker = `{marker}-${instance + 1}`;
    return [
      { method: "POST", url, body: JSON.stringify({ marker }), status: 201, contains: marker },
      { url: `${url}/${marker}`, contains: marker },
    ];
  });
  return {
    id: "east",
    to: "west",
    rto: "1m",
    // On a busy host a step may take long; that is told, and nobody is there to be asked.
    overBudget: "continue",
    steps: [
      { id: "fence", do: "fence", ...cluster, budget: "30s" },
      { id: "database", do: "promote", component: "pg-primary", ...cluster, budget: "30s" },
      {
        ...{ id: "vault", do: "vault", component: "vault", budget: "20s" },
        ...{ from: vaultEast.address, to: vaultWest.address, tokenFile, check: "secret/data/app" },
      },
      {
        ...{ id: "cache", do: "redis", component: "redis", budget: "20s" },
        ...{ from: redisEast.place, to: redisWest.place },
      },
      {
        ...{ id: "api", do: "scale", component: "mcp-api", node: "app-west", action: "scale-pool" },
        ...{
          arguments: { pool: "api", replicas: REPLICAS },
          needs: ["database", "vault", "cache"],
          budget: "30s",
        },
      },
      { id: "outside", do: "verify", requests, times: 2, budget: "30s" },
      { id: "dns", do: "traffic", target: "api", to: "west", budget: "20s" },
      { id: "told", do: "status", text: "the west has taken over", budget: "5s" },
    ],
  };
}

const targetOf = (bind: Bind) => ({
  id: "api",
  kind: "dns",
  servers: [`127.0.0.1:${bind.primary}`, `127.0.0.1:${bind.secondary}`],
  zone: bind.zone,
  name: `api.${bind.zone}`,
  ttl: `${TTL_SECONDS}s`,
  key: { name: bind.keyName, secretFile: bind.secretFile },
  destinations: { east: EAST_ADDRESS, west: WEST_ADDRESS },
});

/** What the pool started outlives its agent. */
function endAll(pidFile: string): void {
  for (let instance = 1; instance <= REPLICAS; instance++) {
    try {
      process.kill(Number(readFileSync(pidFile.replace("%i", `${instance}`), "utf8")), "SIGKILL");
    } catch {
      // It was never started, or has ended.
    }
  }
}
