/** What a drill on this machine came to. */
export interface DrillReport {
  readonly passed: boolean;
  readonly lines: readonly string[];
}

/** A drill by its name, with what has to be on the machine for it. */
export interface Drill {
  /** One line for people. */
  readonly says: string;
  /** Programs of Debian's packages, as the tests' list of servers names them. */
  readonly programs: readonly string[];
  /** Why it cannot be run here, whatever is installed; undefined when it can. */
  readonly whyNot?: () => string | undefined;
  readonly run: () => Promise<DrillReport>;
}
