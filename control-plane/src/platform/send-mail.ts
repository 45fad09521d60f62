/** Mail over SMTP, with STARTTLS and a login where they are asked for; nodemailer behind a small port. */
import { createTransport } from "nodemailer";
import type { Duration } from "../kernel/time.js";

export interface MailServer {
  readonly host: string;
  readonly port: number;
  /** How we greet. */
  readonly hello: string;
  /** Refuse to speak in clear. Port 465 speaks TLS from the start. */
  readonly requireTls: boolean;
  readonly login: { readonly username: string; readonly password: string } | undefined;
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
    readonly insecureSkipVerify: boolean;
  };
  readonly timeout: Duration;
}

export interface Mail {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  /** Stable over attempts: `<…@…>`. */
  readonly messageId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly html: string;
}

export type MailAnswer =
  | { readonly kind: "taken"; readonly answer: string }
  /** It may work later: no answer, a 4xx of SMTP. */
  | { readonly kind: "failed"; readonly answer: string }
  /** It will not: a 5xx of SMTP, a login that is refused, no TLS where it is required. */
  | { readonly kind: "refused"; readonly answer: string };

/** Port of SMTP over TLS from the first byte. */
const IMPLICIT_TLS_PORT = 465;

export async function sendMail(server: MailServer, mail: Mail): Promise<MailAnswer> {
  const { tls, login } = server;
  const transport = createTransport({
    host: server.host,
    port: server.port,
    name: server.hello,
    secure: server.port === IMPLICIT_TLS_PORT,
    requireTLS: server.requireTls,
    ...(login === undefined ? {} : { auth: { user: login.username, pass: login.password } }),
    connectionTimeout: server.timeout,
    greetingTimeout: server.timeout,
    socketTimeout: server.timeout,
    disableFileAccess: true,
    disableUrlAccess: true,
    tls: {
      rejectUnauthorized: !tls.insecureSkipVerify,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    },
  });
  try {
    const sent = await transport.sendMail({
      from: mail.from,
      to: mail.to,
      subject: mail.subject,
      messageId: mail.messageId,
      headers: { ...mail.headers },
      ...(mail.text === "" ? {} : { text: mail.text }),
      ...(mail.html === "" ? {} : { html: mail.html }),
    });
    return { kind: "taken", answer: sent.response };
  } catch (error) {
    return failure(error);
  } finally {
    transport.close();
  }
}

/** Errors that a second attempt cannot mend. */
const FINAL = new Set(["EAUTH", "EENVELOPE", "EMESSAGE", "ETLS"]);

function failure(error: unknown): MailAnswer {
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown };
  const status = typeof responseCode === "number" ? responseCode : undefined;
  const name = typeof code === "string" ? code : "ECONNECTION";
  // The server's own words may repeat the login; its status says enough.
  const answer = status === undefined ? name : `${name}, SMTP ${status}`;
  const refused = status === undefined ? FINAL.has(name) && name !== "ETLS" : status >= 500;
  return { kind: refused || name === "ETLS" ? "refused" : "failed", answer };
}
