/** Who calls, as the control plane knows them. */
export interface Principal {
  readonly name: string;
  readonly roles: readonly string[];
  readonly tokenId: string;
  /** When the token ends, in ms since the epoch; undefined when it does not. */
  readonly expiresAt: number | undefined;
}
