/** What surrounds the program besides its words. */

/** Where the program runs. */
export interface Place {
  readonly workingDirectory: string;
  readonly home: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;
