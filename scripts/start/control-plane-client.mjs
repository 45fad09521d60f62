import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { CannotStart } from "./preflight.mjs";

const callTimeoutMs = 5_000;
const bodyBytesMax = 1024 * 1024;

/** The few calls that `npm start` makes of the control plane, as the operator whose token it made. */
export class ControlPlaneClient {
  /**
   * @param {number} restPort
   * @param {string} operatorTokenFile
   */
  constructor(restPort, operatorTokenFile) {
    this.base = `http://127.0.0.1:${restPort}/api/mainstay/v1`;
    this.token = readFileSync(operatorTokenFile, "utf8").trim();
  }

  /**
   * @param {string} path
   * @param {RequestInit} [init]
   * @returns {Promise<Record<string, unknown>>} throws with the path and what came back
   */
  async #call(path, init = {}) {
    const response = await fetch(`${this.base}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(callTimeoutMs),
    });
    const text = (await response.text()).slice(0, bodyBytesMax);
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text.slice(0, 200)}`);
    /** @type {unknown} */
    const body = JSON.parse(text);
    return typeof body === "object" && body !== null ? /** @type {Record<string, unknown>} */ (body) : {};
  }

  /**
   * A one-time join token, for an agent that joins within ten minutes. Throws CannotStart.
   * @returns {Promise<string>}
   */
  async createJoinToken() {
    try {
      const body = await this.#call("/join-tokens", {
        method: "POST",
        body: JSON.stringify({ validSeconds: 600 }),
      });
      if (typeof body["token"] === "string" && body["token"] !== "") return body["token"];
      throw new Error("/join-tokens answered without a token");
    } catch (error) {
      throw new CannotStart(
        `the control plane gave no join token for this machine's agent: ${reasonOf(error)}`,
      );
    }
  }

  /**
   * The first facts about this machine, once the agent's first readings are there.
   * @param {number} patienceMs
   * @param {AbortSignal} stopping
   * @returns {Promise<string[] | string>} the facts, or why there are none yet
   */
  async firstFacts(patienceMs, stopping) {
    const until = performance.now() + patienceMs;
    let because = "no readings have come yet";
    while (!stopping.aborted) {
      try {
        const { facts, nodesLive } = await this.#call("/health");
        const texts = Array.isArray(facts) ? facts.filter((fact) => typeof fact === "string") : [];
        if (texts.length > 0 && Number(nodesLive ?? 0) > 0) return texts;
        because = "no readings have come yet";
      } catch (error) {
        because = reasonOf(error);
      }
      if (performance.now() >= until) break;
      await sleep(500, undefined, { signal: stopping }).catch(() => {});
    }
    return because;
  }
}

/** @param {unknown} error */
function reasonOf(error) {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
