/** What the command ends with, so that a script can tell without reading. */
export const EXIT = {
  ok: 0,
  /** It could not be done, or the answer is a plain no. */
  failed: 1,
  /** It was done, and what was found is not as it should be. */
  degraded: 2,
  /** The caller may not, or policy says no. */
  denied: 3,
  /** A person has to approve first. */
  waiting: 4,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
