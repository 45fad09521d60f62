/**
 * What a client carries between being asked and answering, as a text it can neither read nor change: AES-256-GCM, with
 * whom, which plan and until when inside. That it is used once is for the control plane to say (request-states.ts).
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { z } from "zod";

/** What an answer is bound to. */
export interface Subject {
  /** Who was asked, as the control plane names the caller. */
  readonly principal: string;
  readonly commandId: string;
  readonly planHash: string;
}

export interface State extends Subject {
  /** Hex. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

const stateSchema = z.tuple([z.string(), z.string(), z.string(), z.string(), z.number()]);

const ALGORITHM = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Authenticated with every state, so that nothing else that the key may seal one day can be taken for one. */
const PURPOSE = Buffer.from("mainstay approval state 1");
/** A state is a few hundred characters. */
export const STATE_CHARS_MAX = 2_048;

/** @param iv 12 random bytes, hex, never the same twice under one key */
export function seal(state: State, key: Uint8Array, iv: string): string {
  const nonce = Buffer.from(iv, "hex");
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES }).setAAD(PURPOSE);
  const { id, principal, commandId, planHash, expiresAt } = state;
  const inside = JSON.stringify([id, principal, commandId, planHash, expiresAt]);
  const sealed = Buffer.concat([cipher.update(inside, "utf8"), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64url");
}

/** The state in a text that somebody brought; undefined for anything that was not sealed with this key. */
export function open(text: string, key: Uint8Array): State | undefined {
  if (text.length > STATE_CHARS_MAX) return undefined;
  const bytes = Buffer.from(text, "base64url");
  // A text that is written in another way than ours would be another text with the same inside.
  if (bytes.length <= IV_BYTES + TAG_BYTES || bytes.toString("base64url") !== text) return undefined;
  const nonce = bytes.subarray(0, IV_BYTES);
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(PURPOSE)
    .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  try {
    const inside = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
    const [id, principal, commandId, planHash, expiresAt] = stateSchema.parse(
      JSON.parse(inside.toString("utf8")),
    );
    return { id, principal, commandId, planHash, expiresAt };
  } catch {
    return undefined;
  }
}

/** Why a state is not good for this answer; undefined when it is, but for having been used. */
export function refusesState(state: State | undefined, subject: Subject, now: number): string | undefined {
  if (state === undefined) return "the state that came with the answer is not one that this server gave";
  if (state.principal !== subject.principal) return "another caller was asked";
  if (state.commandId !== subject.commandId || state.planHash !== subject.planHash) {
    return "the answer is about another plan";
  }
  if (now > state.expiresAt) return "the answer came too late";
  return undefined;
}
