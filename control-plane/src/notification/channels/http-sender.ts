/** What the channels over HTTP share: credentials, TLS, and what an answer means. */
import { cleanText } from "../../kernel/clean-text.js";
import { OpsError } from "../../kernel/errors.js";
import { type Duration, SECOND } from "../../kernel/time.js";
import { judgeHttp } from "../../platform/breakers.js";
import { type HttpAnswer, type HttpRequest, sendHttp } from "../../platform/http-request.js";
import type { HttpSettings, TlsSettings } from "../domain/channel-settings.js";
import { answerOf, type DeliveryAnswer } from "../domain/deliver-again.js";
import type { SecretSource } from "../domain/secret.js";
import type { ChannelPorts } from "./channel.js";

/** How long one attempt may take. */
export const SEND_TIMEOUT: Duration = 15 * SECOND;
/** How much of a receiver's words is kept. */
const EXCERPT_MAX = 200;

export interface HttpMessage {
  readonly url: SecretSource | string;
  readonly http: HttpSettings;
  readonly method?: HttpRequest["method"];
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  /** Further texts that must not be repeated. */
  readonly secrets?: readonly string[];
  /** A second look at an answer that was taken; undefined: it stands. */
  readonly judge?: (answer: HttpAnswer) => DeliveryAnswer | undefined;
}

export async function revealSecret(source: SecretSource, ports: ChannelPorts): Promise<string> {
  return source.kind === "text" ? source.secret.reveal() : (await ports.readFile(source.path)).trim();
}

export async function readTls(
  tls: TlsSettings,
  ports: ChannelPorts,
): Promise<NonNullable<HttpRequest["tls"]>> {
  const read = async (path: string | undefined) => (path === undefined ? undefined : ports.readFile(path));
  const [ca, cert, key] = await Promise.all([tls.caFile, tls.certFile, tls.keyFile].map(read));
  return {
    insecureSkipVerify: tls.insecureSkipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
  };
}

/** Sends and says what became of it. No answer is a failure; a file that cannot be read too: it may be there next time. */
export async function sendMessage(
  message: HttpMessage,
  ports: ChannelPorts,
  signal: AbortSignal,
): Promise<DeliveryAnswer> {
  const secrets = [...(message.secrets ?? [])];
  try {
    const url = typeof message.url === "string" ? message.url : await revealSecret(message.url, ports);
    secrets.push(url);
    const authorization = await authorize(message.http, ports, secrets);
    const answer = await guarded(
      {
        url,
        method: message.method ?? "POST",
        headers: {
          ...message.headers,
          "Content-Type": message.contentType,
          "User-Agent": "Mainstay",
          ...(authorization === undefined ? {} : { Authorization: authorization }),
        },
        body: message.body,
        followRedirects: message.http.followRedirects,
        timeout: SEND_TIMEOUT,
        ...(message.http.tls === undefined ? {} : { tls: await readTls(message.http.tls, ports) }),
      },
      ports,
      signal,
    );
    return message.judge?.(answer) ?? judgeAnswer(answer, secrets, ports);
  } catch (error) {
    if (error instanceof OpsError && error.code === "INVALID_ARGUMENT")
      return { kind: "refused", answer: error.message };
    if (error instanceof OpsError) {
      const { retryAfterMs } = error.facts;
      const retryAfter = typeof retryAfterMs === "number" ? retryAfterMs : undefined;
      return { kind: "failed", answer: error.message, ...(retryAfter === undefined ? {} : { retryAfter }) };
    }
    // A file's path is no secret, its content is never in the message.
    if (error instanceof Error && "code" in error) return { kind: "failed", answer: error.message };
    throw error;
  }
}

/** The request, unless its server is left alone for now; a server is known by scheme, host and port. */
function guarded(request: HttpRequest, { guard }: ChannelPorts, signal: AbortSignal): Promise<HttpAnswer> {
  const send = (): Promise<HttpAnswer> => sendHttp(request, signal);
  return guard === undefined || !URL.canParse(request.url)
    ? send()
    : guard(new URL(request.url).origin, send, judgeHttp);
}

function judgeAnswer(answer: HttpAnswer, secrets: readonly string[], ports: ChannelPorts): DeliveryAnswer {
  const retryAfter = answer.headers["retry-after"];
  return answerOf(
    answer.status,
    excerpt(answer.body, secrets),
    typeof retryAfter === "string" ? retryAfter : undefined,
    ports.clock.now(),
  );
}

/** What a receiver said, fit to be stored: short, clean, and without what it may repeat of ours. */
export function excerpt(body: string, secrets: readonly string[]): string {
  let text = body.slice(0, 4 * EXCERPT_MAX);
  for (const secret of secrets) if (secret.length > 3) text = text.replaceAll(secret, "<secret>");
  return cleanText(text.trim(), EXCERPT_MAX);
}

async function authorize(
  { basicAuth, authorization }: HttpSettings,
  ports: ChannelPorts,
  secrets: string[],
): Promise<string | undefined> {
  if (authorization !== undefined) {
    const credentials = await revealSecret(authorization.credentials, ports);
    secrets.push(credentials);
    return `${authorization.type} ${credentials}`;
  }
  if (basicAuth === undefined) return undefined;
  const password = basicAuth.password === undefined ? "" : await revealSecret(basicAuth.password, ports);
  secrets.push(password);
  return `Basic ${Buffer.from(`${basicAuth.username}:${password}`, "utf8").toString("base64")}`;
}
