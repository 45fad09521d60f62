/** How each way to a receiver is set up. Texts are templates unless they are said to be plain. */
import type { SecretSource } from "./secret.js";

export interface HttpSettings {
  readonly basicAuth?: { readonly username: string; readonly password: SecretSource | undefined };
  readonly authorization?: { readonly type: string; readonly credentials: SecretSource };
  readonly tls?: TlsSettings;
  readonly followRedirects: boolean;
}

/** Paths of PEM files, plain. */
export interface TlsSettings {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
  readonly insecureSkipVerify: boolean;
}

export interface WebhookSettings {
  readonly kind: "webhook";
  readonly url: SecretSource;
  readonly http: HttpSettings;
  /** 0: all. */
  readonly maxAlerts: number;
}

/** A request of any shape, its body filled in from a template. */
export interface TemplateWebhookSettings {
  readonly kind: "template-webhook";
  readonly url: SecretSource;
  readonly http: HttpSettings;
  readonly method: "POST" | "PUT" | "PATCH";
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface SlackField {
  readonly title: string;
  readonly value: string;
  readonly short: boolean | undefined;
}

export interface SlackAction {
  readonly type: string;
  readonly text: string;
  readonly url: string;
  readonly style: string;
  readonly name: string;
  readonly value: string;
}

export interface SlackSettings {
  readonly kind: "slack";
  readonly url: SecretSource;
  readonly http: HttpSettings;
  /** By Slack's own name: channel, username, title, text … */
  readonly texts: Readonly<Record<SlackText, string>>;
  readonly fields: readonly SlackField[];
  readonly actions: readonly SlackAction[];
  readonly shortFields: boolean;
  readonly linkNames: boolean;
  readonly markdownIn: readonly string[];
}

export const SLACK_DEFAULTS = {
  channel: "",
  username: '{{ template "slack.default.username" . }}',
  color: '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}',
  title: '{{ template "slack.default.title" . }}',
  title_link: '{{ template "slack.default.titlelink" . }}',
  pretext: '{{ template "slack.default.pretext" . }}',
  text: '{{ template "slack.default.text" . }}',
  fallback: '{{ template "slack.default.fallback" . }}',
  callback_id: '{{ template "slack.default.callbackid" . }}',
  icon_emoji: '{{ template "slack.default.iconemoji" . }}',
  icon_url: '{{ template "slack.default.iconurl" . }}',
  image_url: "",
  thumb_url: "",
  footer: '{{ template "slack.default.footer" . }}',
} as const;
export type SlackText = keyof typeof SLACK_DEFAULTS;

export interface PagerdutySettings {
  readonly kind: "pagerduty";
  /** Plain. */
  readonly url: string;
  readonly routingKey: SecretSource;
  readonly http: HttpSettings;
  readonly texts: Readonly<Record<PagerdutyText, string>>;
  readonly details: Readonly<Record<string, string>>;
  readonly images: readonly { readonly src: string; readonly alt: string; readonly href: string }[];
  readonly links: readonly { readonly href: string; readonly text: string }[];
}

export const PAGERDUTY_DEFAULTS = {
  client: '{{ template "pagerduty.default.client" . }}',
  client_url: '{{ template "pagerduty.default.clientURL" . }}',
  description: '{{ template "pagerduty.default.description" .}}',
  severity: "error",
  source: "",
  class: "",
  component: "",
  group: "",
} as const;
export type PagerdutyText = keyof typeof PAGERDUTY_DEFAULTS;

export const PAGERDUTY_DETAILS: Readonly<Record<string, string>> = {
  firing: '{{ template "pagerduty.default.instances" .Alerts.Firing }}',
  resolved: '{{ template "pagerduty.default.instances" .Alerts.Resolved }}',
  num_firing: "{{ .Alerts.Firing | len }}",
  num_resolved: "{{ .Alerts.Resolved | len }}",
};

export interface EmailSettings {
  readonly kind: "email";
  readonly to: string;
  readonly from: string;
  /** Plain: host and port. */
  readonly smarthost: { readonly host: string; readonly port: number };
  /** Plain: how we greet. */
  readonly hello: string;
  readonly username: string;
  readonly password: SecretSource | undefined;
  readonly requireTls: boolean;
  readonly tls: TlsSettings;
  /** Templates by header; Subject is always among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly html: string;
  readonly text: string;
}

export const EMAIL_SUBJECT = '{{ template "email.default.subject" . }}';
export const EMAIL_HTML = '{{ template "email.default.html" . }}';

/** Log records over OTLP/HTTP with JSON: one for each alert. */
export interface OtlpSettings {
  readonly kind: "otlp";
  /** With or without `/v1/logs` at its end. */
  readonly url: SecretSource;
  readonly http: HttpSettings;
  /** Plain, and not to be shown: collectors in the cloud take their keys here. */
  readonly headers: Readonly<Record<string, SecretSource>>;
  /** Of the resource, plain; `service.name` is among them. */
  readonly resource: Readonly<Record<string, string>>;
  readonly body: string;
  /** Gives TRACE, DEBUG, INFO, WARN, ERROR or FATAL. */
  readonly severity: string;
}

export const OTLP_DEFAULTS = {
  body: '{{ template "__subject" . }}',
  severity:
    '{{ if ne .Status "firing" }}INFO{{ else if eq .CommonLabels.severity "critical" }}ERROR{{ else }}WARN{{ end }}',
} as const;

/** Events of Datadog, API v1. */
export interface DatadogSettings {
  readonly kind: "datadog";
  /** The whole address. */
  readonly url: SecretSource;
  readonly apiKey: SecretSource;
  readonly http: HttpSettings;
  readonly texts: Readonly<Record<DatadogText, string>>;
  /** Each a template; empty ones are left out. */
  readonly tags: readonly string[];
}

export const DATADOG_DEFAULTS = {
  title: '{{ template "__subject" . }}',
  text: '{{ template "__text_alert_list" .Alerts }}',
  alert_type:
    '{{ if ne .Status "firing" }}success{{ else if eq .CommonLabels.severity "critical" }}error{{ else }}warning{{ end }}',
  priority: "normal",
  host: "{{ .CommonLabels.node }}",
} as const;
export type DatadogText = keyof typeof DATADOG_DEFAULTS;
export const DATADOG_SITE = "datadoghq.com";

/** A way that alertmanager.yml knows and this house does not: each notice to it fails and says so. */
export interface UnbuiltSettings {
  readonly kind: "unbuilt";
  /** As the file names it: `telegram`. */
  readonly name: string;
}

/** A receiver that the file names without any way to it: what it is told stands in the journal. */
export interface JournalSettings {
  readonly kind: "journal";
}

export type ChannelSettings =
  | JournalSettings
  | WebhookSettings
  | TemplateWebhookSettings
  | SlackSettings
  | PagerdutySettings
  | EmailSettings
  | OtlpSettings
  | DatadogSettings
  | UnbuiltSettings;
