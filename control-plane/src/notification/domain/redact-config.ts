/** alertmanager.yml as it may be shown: secrets as `<secret>`, and nothing that Alertmanager's own tools would refuse. */

const SECRET_KEYS: ReadonlySet<string> = new Set([
  ...["password", "credentials", "bearer_token", "client_secret", "secret", "auth_password", "auth_secret"],
  ...["smtp_auth_password", "smtp_auth_secret", "slack_api_url", "slack_app_token", "app_token", "api_url"],
  ...["routing_key", "service_key", "api_key", "api_secret", "opsgenie_api_key", "victorops_api_key"],
  ...["wechat_api_secret", "telegram_bot_token", "rocketchat_token", "rocketchat_token_id", "user_key"],
  ...["token", "token_id", "bot_token", "webhook_url", "mattermost_webhook_url", "secret_key", "access_key"],
  ...["alert_source_token"],
]);

/** Keys whose `api_url` is an address and no secret. */
const OPEN_ADDRESSES: ReadonlySet<string> = new Set([
  ...["opsgenie_configs", "victorops_configs", "wechat_configs", "telegram_configs", "webex_configs"],
  ...["sns_configs", "jira_configs", "rocketchat_configs"],
]);

/** Ours alone: Alertmanager's tools would refuse the file for it. */
const OURS: ReadonlySet<string> = new Set(["template_webhook_configs", "otlp_configs", "datadog_configs"]);

export function redactConfig(content: unknown, within = ""): unknown {
  if (Array.isArray(content)) return content.map((item) => redactConfig(item, within));
  if (typeof content !== "object" || content === null)
    return typeof content === "string" ? withoutLogin(content) : content;
  return Object.fromEntries(
    Object.entries(content)
      .filter(([key]) => !OURS.has(key))
      .map(([key, value]) => [key, redacted(key, value, within)]),
  );
}

function redacted(key: string, value: unknown, within: string): unknown {
  if (typeof value !== "string")
    return SECRET_KEYS.has(key) && value !== null && typeof value !== "object"
      ? "<secret>"
      : redactConfig(value, key.endsWith("_configs") ? key : within);
  if (key === "url" && within === "webhook_configs") return hostOnly(value);
  if (key === "api_url" && OPEN_ADDRESSES.has(within)) return value;
  return SECRET_KEYS.has(key) ? "<secret>" : withoutLogin(value);
}

/** Wherever a URL stands, a name and password in it are nobody's business. */
const withoutLogin = (text: string): string => text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/gi, "$1");

/** A webhook's path or query may be its key. Older tools want to see a URL there. */
function hostOnly(url: string): string {
  const match = /^(https?:\/\/)(?:[^/@?#]*@)?([^/@?#]+)/.exec(url);
  return match === null ? "<secret>" : `${match[1]}${match[2]}/hidden`;
}
