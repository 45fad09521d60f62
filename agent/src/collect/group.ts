import type { Reading } from "./reading.js";

/** What is read together and at one pace. */
export interface CollectGroup {
  /** For log lines and figures: `host`, `certificates`, `scrape:<job>:<instance>`. */
  readonly name: string;
  readonly intervalMs: number;
  /** One reading: usually one, a farewell before it when series are gone, none when there is nothing to say. */
  read(timestampMs: number): Reading[] | Promise<Reading[]>;
  close(): void;
}
