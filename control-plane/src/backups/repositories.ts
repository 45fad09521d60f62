/** The repositories of backups, as the agents' series tell of them now. */
import type { Instant } from "../kernel/time.js";
import type { Value } from "../promql/value.js";
import type { NewestRestorable } from "../recovery/domain/judge-restores.js";
import {
  newestRestorable,
  type RepositoryStanding,
  SERIES,
  standRepositories,
} from "./domain/repository-standing.js";

export class Repositories {
  readonly #query: (expr: string, at: Instant) => Promise<Value>;

  constructor(query: (expr: string, at: Instant) => Promise<Value>) {
    this.#query = query;
  }

  /** Throws what the query throws. */
  async read(now: Instant): Promise<readonly RepositoryStanding[]> {
    const [values, times] = await Promise.all([
      this.#query(SERIES, now),
      this.#query("timestamp(mainstay_backup_repository_up)", now),
    ]);
    if (values.kind !== "vector") return [];
    const seen = new Map<string, Instant>();
    for (const { labels, value } of times.kind === "vector" ? times.samples : [])
      seen.set(keyOf(labels), value * 1_000);
    return standRepositories(
      values.samples.map(({ labels, value }) => ({
        labels,
        value,
        timestamp: seen.get(keyOf(labels)) ?? now,
      })),
    );
  }

  /** What each component could be brought back to. Answers with nothing when series cannot be asked now. */
  async newest(now: Instant): Promise<(component: string) => NewestRestorable | undefined> {
    try {
      const stood = await this.read(now);
      return (component) => newestRestorable(stood, component);
    } catch {
      return () => undefined;
    }
  }
}

const keyOf = ({ component, node, repository }: Readonly<Record<string, string>>): string =>
  JSON.stringify([component, node, repository]);
