/**
 * What a made-up agent does with orders, as far as it costs the control plane anything: it verifies the signature with the
 * key that its welcome brought, writes each step into a journal before it is told, and tells it. The journal is one for
 * all agents of a process and is synced for what came together; on hosts of their own each has its own disk.
 */
import { createHash, createPublicKey, verify } from "node:crypto";
import { open } from "node:fs/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { FinishedOutcome, OrderMode, OrderSchema } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";

const PLAN = JSON.stringify({ action: "collect-diagnostics", arguments: {}, inverse: "nothing-to-undo" });
const PLAN_HASH = createHash("sha256").update(PLAN).digest("hex");
const PRINTED = Buffer.from("load 0.5 0.4 0.3\n");
const finished = (summary, resultJson) => ({
  case: "finished",
  value: { outcome: FinishedOutcome.SUCCEEDED, exitCode: 0, summary, resultJson, planHash: PLAN_HASH },
});
const STEPS = {
  [OrderMode.PREVIEW]: [finished("it would look", PLAN)],
  [OrderMode.RUN]: [
    { case: "accepted", value: {} },
    { case: "started", value: {} },
    { case: "output", value: { stream: 1, offset: 0n, data: PRINTED, skippedBytes: 0n } },
    finished("it looked", "{}"),
  ],
};

/** An order with these arguments runs until it is cancelled. */
export const UNTIL_CANCELLED = JSON.stringify({ until: "cancelled" });
const BEGUN = STEPS[OrderMode.RUN].slice(0, 2);
const CANCELLED = {
  case: "finished",
  value: { outcome: FinishedOutcome.CANCELLED, exitCode: 1, summary: "it was stopped", resultJson: "{}" },
};

export class Obedience {
  #file;
  /** What runs until it is cancelled: command id → how to tell of it. */
  #held = new Map();
  #waiting = [];
  #working = false;
  #keys = new Map();
  #known = new Set();
  /** When each command's order to run came, and when its last event was durable at the control plane. */
  ordered = new Map();
  durable = new Map();
  /** When the cancellation of each command came. */
  cancelled = new Map();
  refused = 0;
  doubled = 0;

  static async open(path) {
    const obedience = new Obedience();
    obedience.#file = await open(path, "a", 0o600);
    return obedience;
  }

  welcome({ orderKeys }) {
    for (const { keyId, publicKey } of orderKeys) {
      if (this.#keys.has(keyId)) continue;
      const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
      this.#keys.set(keyId, key);
    }
  }

  /** `tell` sends an event of the command. */
  take({ order: bytes, keyId, signature }, tell) {
    const key = this.#keys.get(keyId);
    if (key === undefined || !verify(null, bytes, key, signature)) {
      this.refused++;
      return;
    }
    const { commandId, mode, argumentsJson } = fromBinary(OrderSchema, bytes);
    const life = `${mode}/${commandId}`;
    if (this.#known.has(life)) {
      this.doubled++;
      return;
    }
    this.#known.add(life);
    if (mode === OrderMode.RUN) this.ordered.set(commandId, Date.now());
    const steps = mode === OrderMode.RUN && argumentsJson === UNTIL_CANCELLED ? BEGUN : STEPS[mode];
    if (steps === BEGUN) this.#held.set(commandId, tell);
    this.#waiting.push({ commandId, mode, steps, tell });
    if (!this.#working) void this.#work();
  }

  cancel({ commandId }) {
    const tell = this.#held.get(commandId);
    if (tell === undefined) return;
    this.#held.delete(commandId);
    this.cancelled.set(commandId, Date.now());
    const mode = OrderMode.RUN;
    const sequence = BEGUN.length + 1;
    tell({ commandId, mode, sequence, at: timestampFromMs(Date.now()), event: CANCELLED });
  }

  acknowledged({ commands }) {
    for (const { commandId, mode, throughSequence } of commands) {
      if (mode === OrderMode.RUN && throughSequence >= STEPS[mode].length && !this.durable.has(commandId)) {
        this.durable.set(commandId, Date.now());
      }
    }
  }

  async #work() {
    this.#working = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      // That it was taken and has begun is durable before it is done; what came of it before it is told.
      await this.#write(batch.map(({ commandId, mode }) => `${mode} ${commandId} begun\n`));
      await this.#write(batch.map(({ commandId, mode }) => `${mode} ${commandId} done\n`));
      for (const { commandId, mode, steps, tell } of batch) {
        for (const [index, event] of steps.entries()) {
          tell({ commandId, mode, sequence: index + 1, at: timestampFromMs(Date.now()), event });
        }
      }
    }
    this.#working = false;
  }

  async #write(lines) {
    await this.#file.write(lines.join(""));
    await this.#file.datasync();
  }
}
