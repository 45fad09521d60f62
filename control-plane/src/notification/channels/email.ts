/** Mail. Its message id is the notice's, so that a mail that came twice is shown once. */

import { sendMail } from "../../platform/send-mail.js";
import { sha256Hex } from "../../platform/system.js";
import type { EmailSettings } from "../domain/channel-settings.js";
import type { Channel, ChannelPorts } from "./channel.js";
import { readTls, revealSecret, SEND_TIMEOUT } from "./http-sender.js";

/** A header is one line; a label may hold more. */
const oneLine = (text: string): string => text.replace(/\p{Cc}+/gu, " ").trim();

export function emailChannel(settings: EmailSettings, ports: ChannelPorts): Channel {
  return async ({ id, data, texts }) => {
    const filler = texts.filler(data, ports.clock.now());
    const headers = Object.fromEntries(
      Object.entries(settings.headers).map(([name, text]) => [name, oneLine(filler.text(text))]),
    );
    const { Subject: subject = "", From: from, To: to, ...others } = headers;
    const sender = oneLine(filler.text(settings.from));
    const mail = {
      from: from ?? sender,
      to: to ?? oneLine(filler.text(settings.to)),
      subject,
      messageId: `<${id}@${domainOf(sender)}>`,
      // Mails of one group are one thread.
      headers: { ...others, References: `<${sha256Hex(data.groupKey).slice(0, 32)}@${domainOf(sender)}>` },
      text: settings.text === "" ? "" : filler.text(settings.text),
      html: settings.html === "" ? "" : filler.html(settings.html),
    };
    let password: string;
    let tls: Awaited<ReturnType<typeof readTls>>;
    try {
      password = settings.password === undefined ? "" : await revealSecret(settings.password, ports);
      tls = await readTls(settings.tls, ports);
    } catch {
      return { kind: "failed", answer: "a file of the mail settings cannot be read" };
    }
    const answer = await sendMail(
      {
        ...settings.smarthost,
        hello: settings.hello,
        requireTls: settings.requireTls,
        login: settings.username === "" ? undefined : { username: settings.username, password },
        tls,
        timeout: SEND_TIMEOUT,
      },
      mail,
    );
    return answer.kind === "taken" ? { kind: "delivered", answer: "taken by the mail server" } : answer;
  };
}

function domainOf(address: string): string {
  const domain = /@([A-Za-z0-9.-]+)/.exec(address)?.[1];
  return domain ?? "mainstay.invalid";
}
