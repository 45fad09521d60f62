/** What an action is given in a test: the real machine, a policy of the test, and everything it says. */
import { Fields } from "../fields.js";
import type { ActionContext } from "../run/action.js";
import { readPolicy } from "../run/policy.js";
import { runProgram, startDetached } from "../run/process.js";
import { realSystem } from "../system.js";

export interface TestContext {
  readonly context: ActionContext;
  readonly said: string[];
  readonly stop: AbortController;
}

export function actionContext(actions: unknown, more: Partial<ActionContext> = {}): TestContext {
  const faults: ConstructorParameters<typeof Fields>[2] = [];
  const policy = readPolicy(new Fields(actions, "actions", faults));
  if (faults.length > 0) throw new Error(JSON.stringify(faults));
  const said: string[] = [];
  const stop = new AbortController();
  const context: ActionContext = {
    policy,
    system: realSystem,
    signal: stop.signal,
    deadline: realSystem.clock.monotonic() + 30_000,
    say: (text) => said.push(text),
    runProgram,
    startDetached,
    ...more,
  };
  return { context, said, stop };
}
