/** The receivers of alertmanager.yml, each way with its settings and what it inherits from `global`. */
import {
  type ChannelSettings,
  DATADOG_DEFAULTS,
  DATADOG_SITE,
  type DatadogText,
  EMAIL_HTML,
  EMAIL_SUBJECT,
  type EmailSettings,
  OTLP_DEFAULTS,
  PAGERDUTY_DEFAULTS,
  PAGERDUTY_DETAILS,
  type PagerdutyText,
  SLACK_DEFAULTS,
  type SlackText,
} from "./channel-settings.js";
import type { Integration, Receiver } from "./config.js";
import type { ConfigPath, NoteFault } from "./config-place.js";
import { type FileContent, type GlobalContent, UNBUILT_WAYS } from "./config-schema.js";
import { HttpReader, source } from "./read-http.js";
import { Secret } from "./secret.js";

type ReceiverContent = FileContent["receivers"][number];

/** Whether a way tells of resolved alerts when the file does not say. */
const SEND_RESOLVED = {
  ...{ webhook: true, template_webhook: true, pagerduty: true, slack: false, email: false },
  ...{ otlp: true, datadog: true },
};

const JOURNAL: Integration = { key: "journal[0]", sendResolved: true, settings: { kind: "journal" } };

export function readReceivers(file: FileContent, fault: NoteFault, warn: NoteFault): readonly Receiver[] {
  const names = new Set<string>();
  return file.receivers.map((content, index) => {
    const path: ConfigPath = ["receivers", index];
    if (content.name === "") fault([...path, "name"], "missing name in receiver");
    if (names.has(content.name))
      fault([...path, "name"], `notification config name "${content.name}" is not unique`);
    names.add(content.name);
    const reader = new WayReader(file.global, fault, warn);
    const integrations = reader.all(content, path);
    return { name: content.name, integrations: integrations.length > 0 ? integrations : [JOURNAL] };
  });
}

class WayReader {
  readonly #reader: HttpReader;

  constructor(
    private readonly global: GlobalContent,
    private readonly fault: NoteFault,
    private readonly warn: NoteFault,
  ) {
    this.#reader = new HttpReader(global, fault);
  }

  all(content: ReceiverContent, path: ConfigPath): readonly Integration[] {
    const ways = <Name extends keyof typeof SEND_RESOLVED>(
      name: Name,
      read: (
        way: ReceiverContent[`${Name}_configs`][number],
        path: ConfigPath,
      ) => ChannelSettings | undefined,
    ): Integration[] => {
      const list: readonly ReceiverContent[`${Name}_configs`][number][] = content[`${name}_configs`];
      return list.flatMap((way, index) => {
        const settings = read(way, [...path, `${name}_configs`, index]);
        if (settings === undefined) return [];
        const sendResolved = way.send_resolved ?? SEND_RESOLVED[name];
        return [{ key: `${name}[${index}]`, sendResolved, settings }];
      });
    };
    return [
      ...ways("webhook", (way, at) => this.#webhook(way, at)),
      ...ways("template_webhook", (way, at) => this.#templateWebhook(way, at)),
      ...ways("slack", (way, at) => this.#slack(way, at)),
      ...ways("pagerduty", (way, at) => this.#pagerduty(way, at)),
      ...ways("email", (way, at) => this.#email(way, at)),
      ...ways("otlp", (way, at) => this.#otlp(way, at)),
      ...ways("datadog", (way, at) => this.#datadog(way, at)),
      ...this.#unbuilt(content, path),
    ];
  }

  #webhook(way: ReceiverContent["webhook_configs"][number], path: ConfigPath): ChannelSettings | undefined {
    const url = this.#reader.url(way.url, way.url_file, path, "url");
    if (url === undefined) return undefined;
    return {
      kind: "webhook",
      url,
      http: this.#reader.http(way.http_config, path),
      maxAlerts: way.max_alerts,
    };
  }

  #templateWebhook(
    way: ReceiverContent["template_webhook_configs"][number],
    path: ConfigPath,
  ): ChannelSettings | undefined {
    const url = this.#reader.url(way.url, way.url_file, path, "url");
    if (url === undefined) return undefined;
    const { method, content_type: contentType, headers, body } = way;
    return {
      kind: "template-webhook",
      url,
      http: this.#reader.http(way.http_config, path),
      method,
      contentType,
      headers,
      body,
    };
  }

  #slack(way: ReceiverContent["slack_configs"][number], path: ConfigPath): ChannelSettings | undefined {
    const { global } = this;
    const app =
      source(way.app_token, way.app_token_file) ??
      source(global.slack_app_token, global.slack_app_token_file);
    const hook = source(way.api_url, way.api_url_file);
    let http = this.#reader.http(way.http_config, path);
    let url = hook ?? source(global.slack_api_url, global.slack_api_url_file);
    if (app !== undefined && hook === undefined) {
      url = source(
        way.app_url ?? global.slack_app_url ?? "https://slack.com/api/chat.postMessage",
        undefined,
      );
      http = { ...http, authorization: { type: "Bearer", credentials: app } };
    }
    if (url === undefined) {
      this.fault(path, "no global Slack API URL set either inline or in a file");
      return undefined;
    }
    this.#reader.judgeUrl(url, path, "api_url");
    if (way.update_message === true)
      this.warn(path, "update_message is not built: each notice is a message of its own");
    const names = Object.keys(SLACK_DEFAULTS) as SlackText[];
    return {
      kind: "slack",
      url,
      http,
      texts: Object.fromEntries(names.map((name) => [name, way[name] ?? SLACK_DEFAULTS[name]])) as Record<
        SlackText,
        string
      >,
      fields: way.fields.map(({ title, value, short }) => ({ title, value, short })),
      actions: way.actions.map(({ type, text, url: link, style, name, value }) => ({
        type,
        text,
        url: link,
        style,
        name,
        value,
      })),
      shortFields: way.short_fields,
      linkNames: way.link_names,
      markdownIn: way.mrkdwn_in,
    };
  }

  #pagerduty(
    way: ReceiverContent["pagerduty_configs"][number],
    path: ConfigPath,
  ): ChannelSettings | undefined {
    const routingKey = source(way.routing_key, way.routing_key_file);
    if (routingKey === undefined) {
      if (source(way.service_key, way.service_key_file) === undefined) {
        this.fault(path, "missing service or routing key in PagerDuty config");
        return undefined;
      }
      this.warn(path, "service_key (Events API v1) is not built: give a routing_key of Events API v2");
      return { kind: "unbuilt", name: "pagerduty with service_key" };
    }
    const url = way.url ?? this.global.pagerduty_url;
    this.#reader.judgeUrl({ kind: "text", secret: new Secret(url) }, path, "url");
    const names = Object.keys(PAGERDUTY_DEFAULTS) as PagerdutyText[];
    const texts = Object.fromEntries(names.map((name) => [name, way[name] ?? PAGERDUTY_DEFAULTS[name]]));
    return {
      kind: "pagerduty",
      url,
      routingKey,
      http: this.#reader.http(way.http_config, path),
      texts: texts as Record<PagerdutyText, string>,
      details: { ...PAGERDUTY_DETAILS, ...way.details },
      images: way.images,
      links: way.links,
    };
  }

  #email(way: ReceiverContent["email_configs"][number], path: ConfigPath): EmailSettings | undefined {
    const { global, fault } = this;
    const before = (): boolean => smarthost !== undefined && from !== undefined && to !== undefined;
    const to = way.to;
    if (to === undefined) fault(path, "missing to address in email config");
    const from = way.from ?? global.smtp_from;
    if (from === undefined) fault(path, "no global SMTP from set");
    const host = way.smarthost ?? global.smtp_smarthost;
    if (host === undefined) fault(path, "no global SMTP smarthost set");
    const smarthost = host === undefined ? undefined : readHostPort(host);
    if (host !== undefined && smarthost === undefined)
      fault([...path, "smarthost"], `"${host}" is not an address with a port, such as mail.example.com:587`);
    if (!before() || to === undefined || from === undefined || smarthost === undefined) return undefined;
    if (way.auth_secret !== undefined || way.auth_identity !== undefined)
      this.warn(path, "auth_secret (CRAM-MD5) and auth_identity are not built: PLAIN and LOGIN are");
    if (way.threading !== undefined) this.warn(path, "threading is not built");
    const headers: Record<string, string> = { Subject: EMAIL_SUBJECT };
    for (const [name, text] of Object.entries(way.headers)) {
      const known = Object.keys(headers).find((other) => other.toLowerCase() === name.toLowerCase());
      headers[known ?? name] = text;
    }
    return {
      kind: "email",
      to,
      from,
      smarthost,
      hello: way.hello ?? global.smtp_hello,
      username: way.auth_username ?? global.smtp_auth_username ?? "",
      password:
        source(way.auth_password, way.auth_password_file) ??
        source(global.smtp_auth_password, global.smtp_auth_password_file),
      requireTls: way.require_tls ?? global.smtp_require_tls,
      tls: this.#reader.tls(way.tls_config ?? global.smtp_tls_config, path),
      headers,
      html: way.html ?? EMAIL_HTML,
      text: way.text ?? "",
    };
  }

  #otlp(way: ReceiverContent["otlp_configs"][number], path: ConfigPath): ChannelSettings | undefined {
    const url = this.#reader.url(way.url, way.url_file, path, "url");
    if (url === undefined) return undefined;
    const headers = Object.entries(way.headers).map(
      ([name, text]) => [name, { kind: "text", secret: new Secret(text) }] as const,
    );
    return {
      kind: "otlp",
      url,
      http: this.#reader.http(way.http_config, path),
      headers: Object.fromEntries(headers),
      resource: { "service.name": "mainstay", ...way.resource },
      body: way.body ?? OTLP_DEFAULTS.body,
      severity: way.severity ?? OTLP_DEFAULTS.severity,
    };
  }

  #datadog(way: ReceiverContent["datadog_configs"][number], path: ConfigPath): ChannelSettings | undefined {
    const apiKey = source(way.api_key, way.api_key_file);
    const site = way.site ?? DATADOG_SITE;
    if (apiKey === undefined) this.fault(path, "missing api_key or api_key_file in Datadog config");
    if (!/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(site))
      this.fault([...path, "site"], `"${site}" is not a site of Datadog, such as datadoghq.eu`);
    const url = source(way.url ?? `https://api.${site}/api/v1/events`, undefined);
    if (apiKey === undefined || url === undefined) return undefined;
    this.#reader.judgeUrl(url, path, "url");
    const names = Object.keys(DATADOG_DEFAULTS) as DatadogText[];
    return {
      kind: "datadog",
      url,
      apiKey,
      http: this.#reader.http(way.http_config, path),
      texts: Object.fromEntries(names.map((name) => [name, way[name] ?? DATADOG_DEFAULTS[name]])) as Record<
        DatadogText,
        string
      >,
      tags: way.tags,
    };
  }

  #unbuilt(content: ReceiverContent, path: ConfigPath): readonly Integration[] {
    const lists: Readonly<Record<string, unknown>> = content;
    return UNBUILT_WAYS.flatMap((name) => {
      const list = lists[`${name}_configs`];
      if (!Array.isArray(list)) return [];
      return list.map((_, index): Integration => {
        this.warn(
          [...path, `${name}_configs`, index],
          `${name} is not built: its notices fail; template_webhook_configs can send its requests`,
        );
        return { key: `${name}[${index}]`, sendResolved: true, settings: { kind: "unbuilt", name } };
      });
    });
  }
}

function readHostPort(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host === undefined || port > 65_535 ? undefined : { host, port };
}
