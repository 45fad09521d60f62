/**
 * Hosts of one machine that can be parted: a network namespace each, joined by a bridge. Whoever runs in one is reached by
 * its address only, and what is cut is cut in silence, as a cable is: what is sent arrives nowhere, and nobody is told.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";

/** Where `ip netns` keeps its namespaces. */
const NAMESPACES = "/run/netns";
/** Names of links have at most 15 characters; the process's number tells what a dead one left. */
const PREFIX = "mst";
/** Nobody has this address, so what is sent there is lost. */
const NOWHERE = "02:00:00:00:00:00";
/** This process itself, which is on the bridge too. */
export const OUTSIDE = "outside";

interface Host {
  readonly name: string;
  /** Undefined: where this process is. */
  readonly namespace: string | undefined;
  readonly device: string;
  readonly address: string;
  readonly mac: string;
}

/** Why there can be no such network here, in a sentence; undefined when there can. */
export function whyNoNetwork(): string | undefined {
  if (process.platform !== "linux") return `network namespaces are Linux's, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return "only root may make network namespaces";
  const name = `${PREFIX}${process.pid}-try`;
  const link = `${PREFIX}${process.pid}t`;
  const tried = ip([`netns add ${name}`, `link add ${link} type bridge`]);
  ip([`link del ${link}`]);
  ip([`netns del ${name}`]);
  return tried === undefined ? undefined : `network namespaces cannot be made here: ${tried}`;
}

/** Runs lines of `ip`, each whether or not one before it failed; what was said against it, or undefined. */
function ip(lines: readonly string[], namespace?: string): string | undefined {
  const where = namespace === undefined ? [] : ["-n", namespace];
  const done = spawnSync("ip", [...where, "-force", "-batch", "-"], {
    input: `${lines.join("\n")}\n`,
    encoding: "utf8",
  });
  if (done.error !== undefined) return done.error.message;
  return done.status === 0 ? undefined : done.stderr.trim().split("\n").slice(0, 3).join("; ");
}

const open = new Set<Network>();
process.on("exit", () => {
  for (const network of open) network.close();
});
let made = 0;

export class Network {
  readonly #hosts = new Map<string, Host>();
  readonly #bridge: string;

  private constructor(names: readonly string[]) {
    made += 1;
    this.#bridge = `${PREFIX}${process.pid}b${made}`;
    // One of 65,536 networks that nobody routes; two of one process never have the same.
    const [high, low] = [64 + (Math.floor(process.pid / 256) % 64), (process.pid + made * 7) % 256];
    const mac = (index: number): string =>
      [0x02, 0x4d, high, low, made % 256, index].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
    const all = [OUTSIDE, ...names];
    all.forEach((name, index) => {
      this.#hosts.set(name, {
        name,
        namespace: index === 0 ? undefined : `${PREFIX}${process.pid}-${made}-${name}`,
        device: index === 0 ? this.#bridge : "eth0",
        address: `10.${high}.${low}.${index + 1}`,
        mac: mac(index + 1),
      });
    });
  }

  /** Makes it, with everyone reaching everyone. Throws when `whyNoNetwork` would have said why. */
  static open(names: readonly string[]): Network {
    sweep();
    const network = new Network(names);
    open.add(network);
    try {
      network.#build();
    } catch (error) {
      network.close();
      throw error;
    }
    return network;
  }

  #build(): void {
    const must = (lines: readonly string[], namespace?: string): void => {
      const fault = ip(lines, namespace);
      if (fault !== undefined) throw new Error(`the network was not made: ${fault}`);
    };
    const outside = this.host(OUTSIDE);
    must([
      `link add ${this.#bridge} address ${outside.mac} type bridge`,
      `addr add ${outside.address}/24 dev ${this.#bridge}`,
      `link set ${this.#bridge} up`,
    ]);
    let port = 0;
    for (const { namespace, address, mac } of this.#hosts.values()) {
      if (namespace === undefined) continue;
      port += 1;
      const near = `${this.#bridge}p${port}`;
      must([
        `netns add ${namespace}`,
        `link add ${near} type veth peer name eth0 address ${mac} netns ${namespace}`,
        `link set ${near} master ${this.#bridge}`,
        `link set ${near} up`,
      ]);
      must(["link set lo up", `addr add ${address}/24 dev eth0`, "link set eth0 up"], namespace);
    }
    this.mendAll();
  }

  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`there is no host "${name}" in this network`);
    return host;
  }

  address(name: string): string {
    return this.host(name).address;
  }

  /** Put before a command, it runs on that host; the process is the same, nothing stands in between. */
  on(name: string): readonly string[] {
    const { namespace } = this.host(name);
    return namespace === undefined ? [] : ["nsenter", `--net=${NAMESPACES}/${namespace}`, "--"];
  }

  /** From now on nothing that `from` sends reaches any of `to`. What they send still arrives. */
  cutWay(from: string, to: readonly string[]): void {
    this.#point(from, to, () => NOWHERE);
  }

  mendWay(from: string, to: readonly string[]): void {
    this.#point(from, to, ({ mac }) => mac);
  }

  /** Both ways. */
  cut(one: string, others: readonly string[]): void {
    this.cutWay(one, others);
    for (const other of others) this.cutWay(other, [one]);
  }

  mend(one: string, others: readonly string[]): void {
    this.mendWay(one, others);
    for (const other of others) this.mendWay(other, [one]);
  }

  mendAll(): void {
    const names = [...this.#hosts.keys()];
    for (const name of names) {
      this.mendWay(
        name,
        names.filter((other) => other !== name),
      );
    }
  }

  /** By whose card each is reached, said for good, so that nobody asks the bridge and learns otherwise. */
  #point(from: string, to: readonly string[], macOf: (host: Host) => string): void {
    const { namespace, device } = this.host(from);
    const lines = to
      .map((name) => this.host(name))
      .map((host) => `neigh replace ${host.address} lladdr ${macOf(host)} nud permanent dev ${device}`);
    const fault = ip(lines, namespace);
    if (fault !== undefined) throw new Error(`the way from ${from} to ${to.join(", ")}: ${fault}`);
  }

  /** What runs on the hosts must have ended. */
  close(): void {
    if (!open.delete(this)) return;
    const namespaces = [...this.#hosts.values()].flatMap(({ namespace }) => namespace ?? []);
    // A namespace goes when its last process has; its end of the bridge goes now.
    ip([
      ...namespaces.map((_, index) => `link del ${this.#bridge}p${index + 1}`),
      `link del ${this.#bridge}`,
      ...namespaces.map((name) => `netns del ${name}`),
    ]);
  }
}

/** What processes that were killed left behind: theirs is every name with the number of a process that is not there. */
function sweep(): void {
  const gone = (name: string): boolean => {
    const pid = new RegExp(`^${PREFIX}(\\d+)[-b]`).exec(name)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  };
  const namespaces = existsSync(NAMESPACES) ? readdirSync(NAMESPACES).filter(gone) : [];
  if (namespaces.length > 0) ip(namespaces.map((name) => `netns del ${name}`));
  const links = readdirSync("/sys/class/net").filter(gone);
  if (links.length > 0) ip(links.map((name) => `link del ${name}`));
}
