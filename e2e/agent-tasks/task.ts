/** What a task for an agent is: a question or an order, how its outcome is checked, and how a client without a mind does it. */

export interface AgentTask {
  readonly id: string;
  /** What the agent is told. `{name}` stands for a fact of the world. */
  readonly ask: string;
  /** What its answer must be; absent: only what became of the world counts. */
  readonly answer?: AnswerCheck;
  /** Commands that the agent must have asked for; absent: none. */
  readonly commands?: readonly CommandCheck[];
  /** Files that must be there afterwards, or must not. Before the task all are there. */
  readonly files?: Readonly<Record<string, boolean>>;
  /** What the person at the client says when asked. @default declines */
  readonly person?: "approves" | "declines";
  readonly script: Script;
}

export type AnswerCheck =
  /** Each of these stands in it, whatever the case; none of the others does. */
  | { readonly has: readonly string[]; readonly hasNot?: readonly string[] }
  /** The first number in it. */
  | { readonly number: number; readonly within?: number };

export interface CommandCheck {
  readonly action: string;
  readonly node: string;
  /** Lower case, as the tools have them. */
  readonly state: string;
}

export interface Script {
  /** Calls, one after another. `{i/path}` in an argument stands for what an earlier answer has at that path. */
  readonly calls: readonly (readonly [tool: string, args: Readonly<Record<string, unknown>>])[];
  /** The answer, with `{i/path}` in it; `text` as a path is the whole text. @default nothing */
  readonly say?: string;
}
