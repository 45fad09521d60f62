/** One way to a receiver: the port that every channel is, and what channels are given. */

import type { Guard } from "../../platform/breakers.js";
import type { Clock } from "../../platform/system.js";
import type { DeliveryAnswer } from "../domain/deliver-again.js";
import type { NoticeData } from "../domain/notice-data.js";
import type { NoticeTexts } from "../domain/notice-texts.js";

/** A notice on its way out. */
export interface OutgoingMessage {
  /** Stable over attempts: a receiver that knows it again takes it once. */
  readonly id: string;
  readonly data: NoticeData;
  readonly texts: NoticeTexts;
}

/** Delivers one notice. What may well happen is an answer; a template that fails throws TemplateError. */
export type Channel = (message: OutgoingMessage, signal: AbortSignal) => Promise<DeliveryAnswer>;

export interface ChannelPorts {
  readonly clock: Clock;
  /** A file of alertmanager.yml: a secret, a certificate. */
  readonly readFile: (path: string) => Promise<string>;
  /** Leaves a receiver alone that does not answer. @default every attempt is made */
  readonly guard?: Guard;
}
