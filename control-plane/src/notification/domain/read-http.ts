/** What the ways over HTTP have in common in alertmanager.yml: addresses, credentials, TLS. */
import type { HttpSettings, TlsSettings } from "./channel-settings.js";
import type { ConfigPath, NoteFault } from "./config-place.js";
import type { GlobalContent, HttpContent, TlsContent } from "./config-schema.js";
import { Secret, type SecretSource } from "./secret.js";

export class HttpReader {
  constructor(
    private readonly global: GlobalContent,
    private readonly fault: NoteFault,
  ) {}

  url(
    text: string | undefined,
    file: string | undefined,
    path: ConfigPath,
    name: string,
  ): SecretSource | undefined {
    if ((text === undefined) === (file === undefined)) {
      this.fault(path, `exactly one of ${name} and ${name}_file must be configured`);
      return undefined;
    }
    const url = source(text, file);
    if (url !== undefined) this.judgeUrl(url, path, name);
    return url;
  }

  /** The URL itself is not repeated: it may hold a secret. */
  judgeUrl(url: SecretSource, path: ConfigPath, name: string): void {
    if (url.kind === "text" && !/^https?:\/\/[^/\s]/.test(url.secret.reveal()))
      this.fault(
        [...path, name],
        "unsupported scheme or missing host for URL: expected http://… or https://…",
      );
  }

  http(own: HttpContent | undefined, path: ConfigPath): HttpSettings {
    const http = own ?? this.global.http_config;
    const place: ConfigPath = own === undefined ? ["global", "http_config"] : [...path, "http_config"];
    if (http === undefined) return { followRedirects: true };
    for (const name of [
      "oauth2",
      "proxy_url",
      "proxy_from_environment",
      "proxy_connect_header",
      "http_headers",
    ] as const)
      if (http[name] !== undefined && http[name] !== false) this.fault([...place, name], "is not built");
    if (http.basic_auth?.username_file !== undefined)
      this.fault([...place, "basic_auth"], "username_file is not built");
    const authorization = this.#authorization(http, place);
    return {
      followRedirects: http.follow_redirects,
      ...(http.basic_auth === undefined
        ? {}
        : {
            basicAuth: {
              username: http.basic_auth.username,
              password: source(http.basic_auth.password, http.basic_auth.password_file),
            },
          }),
      ...(authorization === undefined ? {} : { authorization }),
      ...(http.tls_config === undefined ? {} : { tls: this.tls(http.tls_config, place) }),
    };
  }

  #authorization(http: HttpContent, place: ConfigPath): HttpSettings["authorization"] {
    const token = source(http.bearer_token, http.bearer_token_file);
    const given = http.authorization;
    const credentials = given === undefined ? token : source(given.credentials, given.credentials_file);
    const ways = [http.basic_auth, given, token].filter((way) => way !== undefined).length;
    if (ways > 1)
      this.fault(place, "at most one of basic_auth, authorization and bearer_token must be configured");
    if (given !== undefined && credentials === undefined)
      this.fault([...place, "authorization"], "no credentials are given");
    return credentials && { type: given?.type.trim() ?? "Bearer", credentials };
  }

  tls(tls: TlsContent | undefined, path: ConfigPath): TlsSettings {
    if (tls?.ca !== undefined || tls?.cert !== undefined || tls?.key !== undefined)
      this.fault(
        [...path, "tls_config"],
        "ca, cert and key within the file are not built: give ca_file, cert_file, key_file",
      );
    return {
      insecureSkipVerify: tls?.insecure_skip_verify ?? false,
      ...(tls?.ca_file === undefined ? {} : { caFile: tls.ca_file }),
      ...(tls?.cert_file === undefined ? {} : { certFile: tls.cert_file }),
      ...(tls?.key_file === undefined ? {} : { keyFile: tls.key_file }),
      ...(tls?.server_name === undefined ? {} : { serverName: tls.server_name }),
    };
  }
}

/** What is said in the file itself, or the file that is named. */
export function source(text: string | undefined, file: string | undefined): SecretSource | undefined {
  if (text !== undefined && text !== "") return { kind: "text", secret: new Secret(text) };
  return file === undefined || file === "" ? undefined : { kind: "file", path: file };
}
