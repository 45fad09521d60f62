/** Adopting a cluster whose lease Patroni keeps, and letting it go again: nothing of it is changed by either. */
import { appendEntries } from "../../journal/journal.module.js";
import type { Actor } from "../../kernel/actor.js";
import { OpsError } from "../../kernel/errors.js";
import { SECOND } from "../../kernel/time.js";
import type { Guard } from "../../platform/breakers.js";
import type { Database } from "../../platform/postgres/database.js";
import type { System } from "../../platform/system.js";
import type { PatroniPolicy } from "../domain/patroni/patroni-cluster.js";
import type { PatroniCredentials } from "../domain/patroni/patroni-credentials.js";
import { openOwner, readSeen } from "../domain/patroni/patroni-seen.js";
import { adoptCluster, readAdopted } from "./patroni.store.js";
import { PatroniClient } from "./patroni-client.js";

const ENDPOINTS_MAX = 15;

export interface AdoptionPorts {
  readonly database: Database;
  readonly system: System;
  readonly guard: Guard;
  readonly credentialsOf: (cluster: string) => PatroniCredentials | undefined;
  /** There is a cluster more. */
  readonly wake: () => void;
}

export class Adoption {
  readonly #ports: AdoptionPorts;

  constructor(ports: AdoptionPorts) {
    this.#ports = ports;
  }

  /**
   * Looks at the cluster once, and adopts what it sees. Throws INVALID_ARGUMENT for endpoints that are none,
   * FAILED_PRECONDITION when nobody is open or a member is missing, ALREADY_EXISTS when the name is taken.
   */
  async adopt(
    cluster: string,
    wish: Omit<PatroniPolicy, "endpoints"> & { readonly endpoints: readonly string[] },
    by: Actor,
  ): Promise<void> {
    const { database, system, wake } = this.#ports;
    const endpoints = wish.endpoints.map(readEndpoint);
    if (endpoints.length > ENDPOINTS_MAX || new Set(endpoints).size !== endpoints.length) {
      throw new OpsError(
        "INVALID_ARGUMENT",
        `patroni: expected at most ${ENDPOINTS_MAX} different endpoints`,
      );
    }
    const heard = await this.#client(cluster, endpoints).look(
      { history: false, config: true },
      AbortSignal.timeout(10 * SECOND),
    );
    const seen = readSeen(heard, system.clock.now());
    const open = openOwner(seen);
    if (open === undefined) {
      const why = seen.silent.length > 0 ? seen.silent.join("; ") : "no member says that it takes writes";
      throw new OpsError("FAILED_PRECONDITION", `cluster "${cluster}" is not adopted: ${why}`);
    }
    const members = seen.members.map(({ name }) => name);
    const unnamed = seen.members.filter(({ own, endpoint }) => own === undefined && endpoint === undefined);
    if (unnamed.length > 0) {
      const names = unnamed.map(({ name }) => name).join(", ");
      throw new OpsError(
        "FAILED_PRECONDITION",
        `cluster "${cluster}" is not adopted: no endpoint that was given is that of ${names} (Patroni names each by its restapi.connect_address)`,
      );
    }
    const { manual, failoversPerHourMax } = wish;
    const record = {
      at: seen.at,
      kind: "patroni-adopted",
      leader: open.leader,
      timeline: open.timeline,
      members,
      version: seen.version,
      by: by.name,
    } as const;
    await database.transaction(async (tx) => {
      if (!(await adoptCluster(tx, cluster, { endpoints, manual, failoversPerHourMax }, record))) {
        throw new OpsError("ALREADY_EXISTS", `cluster "${cluster}" is registered already`);
      }
      const because = `${by.name} adopted it from Patroni: ${members.join(", ")}`;
      const facts = { leader: open.leader, endpoints };
      await appendEntries(tx, [
        {
          at: seen.at,
          kind: "recovery.registered",
          subject: `cluster:${cluster}`,
          actor: by,
          because,
          facts,
        },
      ]);
    });
    wake();
  }

  /**
   * After a cluster was released: the maintenance mode that was ours is ended. Throws UNAVAILABLE when Patroni cannot be
   * told; a person has to then. A cluster that is not Patroni's, or that we did not hold, is left alone.
   */
  async letGo(cluster: string, by: Actor): Promise<void> {
    const { database, system } = this.#ports;
    const found = (await readAdopted(database)).find((one) => one.cluster === cluster);
    if (found === undefined || found.releasedAt === undefined || found.state.pausing === "no") return;
    const client = this.#client(cluster, found.policy.endpoints);
    const signal = AbortSignal.timeout(15 * SECOND);
    await client.pause(false, signal);
    // Whoever looked at it until now may have had a request of its own on the way.
    await system.clock.sleep(SECOND, signal);
    const { status, says } = await client.pause(false, signal);
    const because =
      status === 200
        ? "Patroni was taken out of the maintenance mode that we had asked for"
        : `Patroni is still in maintenance mode (${status || "no answer"}: ${says}): a person has to end it`;
    await database.transaction((tx) =>
      appendEntries(tx, [
        {
          at: system.clock.now(),
          kind: "recovery.patroni-left",
          subject: `cluster:${cluster}`,
          actor: by,
          because,
          facts: { status },
        },
      ]),
    );
    if (status !== 200) throw new OpsError("UNAVAILABLE", `cluster "${cluster}" is let go, but ${because}`);
  }

  #client(cluster: string, endpoints: readonly string[]): PatroniClient {
    const { guard, credentialsOf } = this.#ports;
    return new PatroniClient(endpoints, { guard, credentials: () => credentialsOf(cluster) });
  }
}

/** Its origin. The value is not repeated: a URL may hold a password. */
function readEndpoint(text: string, index: number): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const fit =
    url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
  if (!fit) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `patroni: endpoint ${index + 1} is not http://host:port or https://host:port`,
    );
  }
  return url.origin;
}
