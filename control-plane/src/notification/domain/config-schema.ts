/** The shape of alertmanager.yml, strict as Alertmanager's own reader is: an unknown key is a mistyped one. */
import { z } from "zod";
import { parseDuration } from "../../kernel/time.js";
import { type LabelMatcher, matcherFault, parseMatchers } from "./matcher.js";
import {
  type ReadRange,
  readDaysOfMonth,
  readMinute,
  readMonths,
  readWeekdays,
  readYears,
  zoneFault,
} from "./time-interval.js";

/** Most receivers, routes, rules and such in one list. */
const LIST_MAX = 10_000;

const TEXT = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const FLAG = z.boolean();
const TEXTS = z.record(z.string(), TEXT);

export const DURATION = z.union([z.string(), z.literal(0)]).transform((value, context) => {
  const duration = parseDuration(String(value));
  if (duration !== undefined) return duration;
  context.addIssue({ code: "custom", message: `not a valid duration string: ${JSON.stringify(value)}` });
  return z.NEVER;
});

const MATCHERS = z.array(TEXT).transform((texts, context) =>
  texts.flatMap((text, index): readonly LabelMatcher[] => {
    const parsed = parseMatchers(text);
    if (parsed.kind === "matchers") return parsed.matchers;
    context.addIssue({ code: "custom", message: parsed.because, path: [index] });
    return [];
  }),
);

const EQUALS = TEXTS.transform((labels) =>
  Object.entries(labels).map(([name, value]): LabelMatcher => ({ name, op: "=", value })),
);

/** The old form of expressions; Alertmanager writes the anchors into its group keys. */
const EXPRESSIONS = TEXTS.transform((labels, context) =>
  Object.entries(labels).map(([name, value]): LabelMatcher => {
    const matcher: LabelMatcher = { name, op: "=~", value: `^(?:${value})$` };
    const fault = matcherFault({ ...matcher, value });
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault, path: [name] });
    return matcher;
  }),
);

const TLS = z.strictObject({
  ca: TEXT.optional(),
  ca_file: TEXT.optional(),
  cert: TEXT.optional(),
  cert_file: TEXT.optional(),
  key: TEXT.optional(),
  key_file: TEXT.optional(),
  server_name: TEXT.optional(),
  insecure_skip_verify: FLAG.default(false),
  min_version: TEXT.optional(),
  max_version: TEXT.optional(),
});

export const HTTP = z.strictObject({
  basic_auth: z
    .strictObject({
      username: TEXT.default(""),
      username_file: TEXT.optional(),
      password: TEXT.optional(),
      password_file: TEXT.optional(),
    })
    .optional(),
  authorization: z
    .strictObject({
      type: TEXT.default("Bearer"),
      credentials: TEXT.optional(),
      credentials_file: TEXT.optional(),
    })
    .optional(),
  bearer_token: TEXT.optional(),
  bearer_token_file: TEXT.optional(),
  oauth2: z.unknown().optional(),
  tls_config: TLS.optional(),
  follow_redirects: FLAG.default(true),
  enable_http2: FLAG.optional(),
  proxy_url: TEXT.optional(),
  no_proxy: TEXT.optional(),
  proxy_from_environment: FLAG.optional(),
  proxy_connect_header: z.unknown().optional(),
  http_headers: z.unknown().optional(),
});

/** Global settings of ways that are not built are accepted and not looked at. */
const OF_OTHERS = [
  ...["opsgenie_api_url", "opsgenie_api_key", "opsgenie_api_key_file", "wechat_api_url", "wechat_api_secret"],
  ...["wechat_api_secret_file", "wechat_api_corp_id", "victorops_api_url", "victorops_api_key"],
  ...["victorops_api_key_file", "telegram_api_url", "telegram_bot_token", "telegram_bot_token_file"],
  ...["webex_api_url", "jira_api_url", "rocketchat_api_url", "rocketchat_token", "rocketchat_token_file"],
  ...[
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "mattermost_webhook_url",
    "mattermost_webhook_url_file",
  ],
] as const;

const GLOBAL = z.strictObject({
  resolve_timeout: DURATION.optional(),
  http_config: HTTP.optional(),
  smtp_from: TEXT.optional(),
  smtp_hello: TEXT.default("localhost"),
  smtp_smarthost: TEXT.optional(),
  smtp_auth_username: TEXT.optional(),
  smtp_auth_password: TEXT.optional(),
  smtp_auth_password_file: TEXT.optional(),
  smtp_auth_secret: TEXT.optional(),
  smtp_auth_secret_file: TEXT.optional(),
  smtp_auth_identity: TEXT.optional(),
  smtp_require_tls: FLAG.default(true),
  smtp_tls_config: TLS.optional(),
  smtp_force_implicit_tls: FLAG.optional(),
  slack_api_url: TEXT.optional(),
  slack_api_url_file: TEXT.optional(),
  slack_app_token: TEXT.optional(),
  slack_app_token_file: TEXT.optional(),
  slack_app_url: TEXT.optional(),
  pagerduty_url: TEXT.default("https://events.pagerduty.com/v2/enqueue"),
  ...Object.fromEntries(OF_OTHERS.map((name) => [name, TEXT.optional()])),
});

const ANY_WAY = {
  send_resolved: FLAG.optional(),
  http_config: HTTP.optional(),
  timeout: DURATION.optional(),
};

export const WEBHOOK = z.strictObject({
  ...ANY_WAY,
  url: TEXT.optional(),
  url_file: TEXT.optional(),
  max_alerts: z.int().min(0).default(0),
});

export const TEMPLATE_WEBHOOK = z.strictObject({
  ...ANY_WAY,
  url: TEXT.optional(),
  url_file: TEXT.optional(),
  method: z.enum(["POST", "PUT", "PATCH"]).default("POST"),
  content_type: TEXT.default("application/json"),
  headers: TEXTS.default({}),
  body: TEXT,
});

export const SLACK = z.strictObject({
  ...ANY_WAY,
  api_url: TEXT.optional(),
  api_url_file: TEXT.optional(),
  app_token: TEXT.optional(),
  app_token_file: TEXT.optional(),
  app_url: TEXT.optional(),
  channel: TEXT.optional(),
  username: TEXT.optional(),
  color: TEXT.optional(),
  title: TEXT.optional(),
  title_link: TEXT.optional(),
  pretext: TEXT.optional(),
  text: TEXT.optional(),
  message_text: TEXT.optional(),
  fallback: TEXT.optional(),
  callback_id: TEXT.optional(),
  icon_emoji: TEXT.optional(),
  icon_url: TEXT.optional(),
  image_url: TEXT.optional(),
  thumb_url: TEXT.optional(),
  footer: TEXT.optional(),
  short_fields: FLAG.default(false),
  link_names: FLAG.default(false),
  update_message: FLAG.optional(),
  mrkdwn_in: z.array(TEXT).default(["fallback", "pretext", "text"]),
  fields: z
    .array(z.strictObject({ title: TEXT, value: TEXT, short: FLAG.optional() }))
    .max(100)
    .default([]),
  actions: z
    .array(
      z.strictObject({
        type: TEXT,
        text: TEXT,
        url: TEXT.default(""),
        style: TEXT.default(""),
        name: TEXT.default(""),
        value: TEXT.default(""),
        confirm: z.unknown().optional(),
      }),
    )
    .max(100)
    .default([]),
});

export const PAGERDUTY = z.strictObject({
  ...ANY_WAY,
  service_key: TEXT.optional(),
  service_key_file: TEXT.optional(),
  routing_key: TEXT.optional(),
  routing_key_file: TEXT.optional(),
  url: TEXT.optional(),
  client: TEXT.optional(),
  client_url: TEXT.optional(),
  description: TEXT.optional(),
  severity: TEXT.optional(),
  source: TEXT.optional(),
  class: TEXT.optional(),
  component: TEXT.optional(),
  group: TEXT.optional(),
  details: TEXTS.default({}),
  images: z
    .array(z.strictObject({ src: TEXT.default(""), alt: TEXT.default(""), href: TEXT.default("") }))
    .default([]),
  links: z.array(z.strictObject({ href: TEXT.default(""), text: TEXT.default("") })).default([]),
});

export const EMAIL = z.strictObject({
  ...ANY_WAY,
  to: TEXT.optional(),
  from: TEXT.optional(),
  smarthost: TEXT.optional(),
  hello: TEXT.optional(),
  auth_username: TEXT.optional(),
  auth_password: TEXT.optional(),
  auth_password_file: TEXT.optional(),
  auth_secret: TEXT.optional(),
  auth_secret_file: TEXT.optional(),
  auth_identity: TEXT.optional(),
  require_tls: FLAG.optional(),
  force_implicit_tls: FLAG.optional(),
  tls_config: TLS.optional(),
  threading: z.unknown().optional(),
  headers: TEXTS.default({}),
  html: TEXT.optional(),
  text: TEXT.optional(),
});

export const OTLP = z.strictObject({
  ...ANY_WAY,
  url: TEXT.optional(),
  url_file: TEXT.optional(),
  headers: TEXTS.default({}),
  resource: TEXTS.default({}),
  body: TEXT.optional(),
  severity: TEXT.optional(),
});

export const DATADOG = z.strictObject({
  ...ANY_WAY,
  api_key: TEXT.optional(),
  api_key_file: TEXT.optional(),
  /** The account's site: datadoghq.eu, us3.datadoghq.com. */
  site: TEXT.optional(),
  /** Instead of the site's own address. */
  url: TEXT.optional(),
  title: TEXT.optional(),
  text: TEXT.optional(),
  alert_type: TEXT.optional(),
  priority: TEXT.optional(),
  host: TEXT.optional(),
  tags: z.array(TEXT).max(100).default([]),
});

/** Ways of Alertmanager that this house does not have. */
export const UNBUILT_WAYS = [
  ...["opsgenie", "victorops", "pushover", "wechat", "sns", "telegram", "webex", "msteams", "msteamsv2"],
  ...["discord", "jira", "rocketchat", "mattermost", "incidentio"],
] as const;

const UNBUILT = z.array(z.looseObject({ send_resolved: FLAG.optional() })).default([]);

export const RECEIVER = z.strictObject({
  name: TEXT,
  labels: TEXTS.optional(),
  webhook_configs: z.array(WEBHOOK).default([]),
  slack_configs: z.array(SLACK).default([]),
  pagerduty_configs: z.array(PAGERDUTY).default([]),
  email_configs: z.array(EMAIL).default([]),
  // Ours, which Alertmanager does not know: a request of any shape, log records, Datadog's events.
  template_webhook_configs: z.array(TEMPLATE_WEBHOOK).default([]),
  otlp_configs: z.array(OTLP).default([]),
  datadog_configs: z.array(DATADOG).default([]),
  ...Object.fromEntries(UNBUILT_WAYS.map((name) => [`${name}_configs`, UNBUILT])),
});

const ROUTE_FIELDS = {
  receiver: TEXT.optional(),
  group_by: z.array(TEXT).optional(),
  matchers: MATCHERS.default([]),
  match: EQUALS.default([]),
  match_re: EXPRESSIONS.default([]),
  continue: FLAG.default(false),
  group_wait: DURATION.optional(),
  group_interval: DURATION.optional(),
  repeat_interval: DURATION.optional(),
  mute_time_intervals: z.array(TEXT).default([]),
  active_time_intervals: z.array(TEXT).default([]),
};

const ROUTE_ALONE = z.strictObject(ROUTE_FIELDS);
export type RouteContent = z.infer<typeof ROUTE_ALONE> & { readonly routes: readonly RouteContent[] };

export const ROUTE: z.ZodType<RouteContent> = z.strictObject({
  ...ROUTE_FIELDS,
  routes: z.lazy(() => z.array(ROUTE).max(LIST_MAX).default([])),
});

const INHIBIT_RULE = z.strictObject({
  name: TEXT.optional(),
  source_matchers: MATCHERS.default([]),
  source_match: EQUALS.default([]),
  source_match_re: EXPRESSIONS.default([]),
  target_matchers: MATCHERS.default([]),
  target_match: EQUALS.default([]),
  target_match_re: EXPRESSIONS.default([]),
  equal: z.array(TEXT).default([]),
});

const ranges = (read: (text: string) => ReadRange) =>
  z
    .array(
      TEXT.transform((text, context) => {
        const range = read(text);
        if (typeof range === "object") return range;
        context.addIssue({ code: "custom", message: range });
        return z.NEVER;
      }),
    )
    .default([]);

const MINUTE_OF_DAY = z.union([z.string(), z.number()]).transform((value, context) => {
  // YAML 1.1 reads 17:30 without quotes as a number in base sixty; either way it is the same minute.
  const minute =
    typeof value === "number" && value >= 0 && value <= 1_440 ? value : readMinute(String(value));
  if (minute !== undefined) return minute;
  context.addIssue({ code: "custom", message: `${JSON.stringify(value)} is not a time from 00:00 to 24:00` });
  return z.NEVER;
});

const SPAN = z.strictObject({
  times: z
    .array(
      z
        .strictObject({ start_time: MINUTE_OF_DAY, end_time: MINUTE_OF_DAY })
        .refine(
          ({ start_time, end_time }) => start_time < end_time,
          "start time cannot be equal or greater than end time",
        ),
    )
    .default([]),
  weekdays: ranges(readWeekdays),
  days_of_month: ranges(readDaysOfMonth),
  months: ranges(readMonths),
  years: ranges(readYears),
  location: TEXT.default("UTC").transform((zone, context) => {
    const fault = zoneFault(zone);
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
    return zone;
  }),
});

const TIME_INTERVAL = z.strictObject({ name: z.string().min(1), time_intervals: z.array(SPAN).default([]) });

export const FILE = z.strictObject({
  global: GLOBAL.prefault({}),
  route: ROUTE.optional(),
  receivers: z.array(RECEIVER).max(LIST_MAX).default([]),
  inhibit_rules: z.array(INHIBIT_RULE).max(LIST_MAX).default([]),
  mute_time_intervals: z.array(TIME_INTERVAL).max(LIST_MAX).default([]),
  time_intervals: z.array(TIME_INTERVAL).max(LIST_MAX).default([]),
  templates: z.array(TEXT).max(1_000).default([]),
  tracing: z.unknown().optional(),
});
export type FileContent = z.infer<typeof FILE>;
export type GlobalContent = FileContent["global"];
export type HttpContent = z.infer<typeof HTTP>;
export type TlsContent = z.infer<typeof TLS>;
