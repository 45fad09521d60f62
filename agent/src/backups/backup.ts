/** A backup from which a restore can begin. Times in ms since the epoch. */
export interface Backup {
  readonly label: string;
  /** full, diff or incr. */
  readonly type: string;
  readonly startedAt: number;
  /** From here on it is consistent: nothing before can be restored of it. */
  readonly endedAt: number;
  /** As large as the data is when it is restored; 0 when nothing tells. */
  readonly bytes: number;
  /** Where its log begins. */
  readonly firstSegment: string;
  /** Pages were found wrong while it was made. */
  readonly faulty: boolean;
}
