/**
 * The rules without which the protocol is wrong, each with a switch, so that the simulator can show for each what happens
 * without it. Programs use {@link soundRules} and offer no way to change it.
 */
export interface Rules {
  /** A node is promoted only when the old owner is proven to acknowledge nothing more. */
  readonly fenceBeforePromote: boolean;
  /** A voter that was restarted takes it that it granted a lease a moment ago. */
  readonly rememberGrants: boolean;
  /** The owner counts its lease from when it asked, not from when it was answered. */
  readonly leaseFromSend: boolean;
  /** A lease needs a majority, not any answer. */
  readonly leaseNeedsMajority: boolean;
  /** A database is never started as a primary when its agent starts. */
  readonly bootFenced: boolean;
  /** The guard kills the database at its deadline, though the agent says nothing. */
  readonly guardKills: boolean;
  /** A voter counts its grant longer than the owner counts its lease. */
  readonly margin: boolean;
  /** A promise outlives the agent's process. */
  readonly keepPromise: boolean;
  /** A replica that promises takes nothing more from its primary. */
  readonly detachOnPromise: boolean;
  /** An asynchronous primary acknowledges no more than `rpoBytes` ahead of its holders. */
  readonly limitByRpo: boolean;
  /** Only those whom the primary's writes wait for are promoted without a person. */
  readonly onlyEligible: boolean;
  /** Who is to be relied on is waited for by the primary first. */
  readonly holdBeforeEligible: boolean;
  /** Who is no longer waited for is no longer relied on first. */
  readonly ineligibleBeforeLetGo: boolean;
  /** An order is obeyed in its own epoch only. */
  readonly checkEpoch: boolean;
  /** A promotion is begun once in its epoch. */
  readonly promoteOnce: boolean;
  /** The control plane's decision outlives its process. */
  readonly keepLog: boolean;
  /** A decision that goes on after a crash goes on with the same candidate. */
  readonly keepCandidate: boolean;
  /** A planned switchover promotes who holds all that the old primary wrote. */
  readonly switchoverComplete: boolean;
  /** A node rejoins only after the new primary's checkpoint. */
  readonly rejoinAfterCheckpoint: boolean;
}

export const soundRules: Rules = {
  fenceBeforePromote: true,
  rememberGrants: true,
  leaseFromSend: true,
  leaseNeedsMajority: true,
  bootFenced: true,
  guardKills: true,
  margin: true,
  keepPromise: true,
  detachOnPromise: true,
  limitByRpo: true,
  onlyEligible: true,
  holdBeforeEligible: true,
  ineligibleBeforeLetGo: true,
  checkEpoch: true,
  promoteOnce: true,
  keepLog: true,
  keepCandidate: true,
  switchoverComplete: true,
  rejoinAfterCheckpoint: true,
};
