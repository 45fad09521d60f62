/** The control plane's settings by name: flag, environment variable, key in the config file, and what each says. */

interface Setting {
  readonly flag: string;
  readonly env: string;
  readonly file: string;
  readonly value: string;
  readonly help: string;
}

export const SETTINGS = {
  state: {
    flag: "state",
    env: "MAINSTAY_STATE",
    file: "state",
    value: "DIR",
    help: "where keys, tokens and the embedded database live (default ./.mainstay)",
  },
  databaseUrl: {
    flag: "database-url",
    env: "DATABASE_URL",
    file: "databaseUrl",
    value: "URL",
    help: "PostgreSQL 15 or newer; or --embedded",
  },
  redisUrl: {
    flag: "redis-url",
    env: "REDIS_URL",
    file: "redisUrl",
    value: "URL",
    help: "Redis for live updates between replicas (default: within this process)",
  },
  vaultAddress: {
    flag: "vault-addr",
    env: "VAULT_ADDR",
    file: "vaultAddress",
    value: "URL",
    help: "Vault to keep the CA's and the signing keys (default: files in the state directory, mode 0600)",
  },
  vaultTokenFile: {
    flag: "vault-token-file",
    env: "VAULT_TOKEN_FILE",
    file: "vaultTokenFile",
    value: "FILE",
    help: "a file with the Vault token (or VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID)",
  },
  vaultMount: {
    flag: "vault-mount",
    env: "VAULT_KV_MOUNT",
    file: "vaultMount",
    value: "NAME",
    help: "where the KV engine, version 2, is mounted (default secret)",
  },
  vaultTransitKey: {
    flag: "vault-transit-key",
    env: "VAULT_TRANSIT_KEY",
    file: "vaultTransitKey",
    value: "NAME",
    help: "a key of Vault's transit engine that signs orders, and never leaves it (default: one that is kept in the KV engine)",
  },
  vaultTransitMount: {
    flag: "vault-transit-mount",
    env: "VAULT_TRANSIT_MOUNT",
    file: "vaultTransitMount",
    value: "NAME",
    help: "where the transit engine is mounted (default transit)",
  },
  host: {
    flag: "host",
    env: "MAINSTAY_HOST",
    file: "host",
    value: "ADDRESS",
    help: "the address to listen at (default 127.0.0.1; elsewhere REST and gRPC speak TLS)",
  },
  restPort: {
    flag: "rest-port",
    env: "MAINSTAY_REST_PORT",
    file: "restPort",
    value: "N",
    help: "REST, Prometheus API and probes (default 7480)",
  },
  grpcPort: {
    flag: "grpc-port",
    env: "MAINSTAY_GRPC_PORT",
    file: "grpcPort",
    value: "N",
    help: "operator gRPC and enrolment (default 7481)",
  },
  agentPort: {
    flag: "agent-port",
    env: "MAINSTAY_AGENT_PORT",
    file: "agentPort",
    value: "N",
    help: "the agents' streams, mutual TLS (default 7482)",
  },
  tlsCert: {
    flag: "tls-cert",
    env: "MAINSTAY_TLS_CERT",
    file: "tlsCert",
    value: "FILE",
    help: "certificate for REST and operator gRPC, PEM (default: the house CA's)",
  },
  tlsKey: { flag: "tls-key", env: "MAINSTAY_TLS_KEY", file: "tlsKey", value: "FILE", help: "its key, PEM" },
  serverNames: {
    flag: "server-names",
    env: "MAINSTAY_SERVER_NAMES",
    file: "serverNames",
    value: "A,B",
    help: "further names and addresses for the server certificate",
  },
  timeseries: {
    flag: "timeseries",
    env: "MAINSTAY_TIMESERIES",
    file: "timeseries",
    value: "ENGINE",
    help: "who evaluates expressions: embedded (default), or remote",
  },
  remoteWriteUrl: {
    flag: "remote-write-url",
    env: "MAINSTAY_REMOTE_WRITE_URL",
    file: "remoteWriteUrl",
    value: "URL",
    help: "where the remote engine takes samples, such as http://host:9090/api/v1/write",
  },
  remoteQueryUrl: {
    flag: "remote-query-url",
    env: "MAINSTAY_REMOTE_QUERY_URL",
    file: "remoteQueryUrl",
    value: "URL",
    help: "where its query API is, without /api/v1, such as http://host:9090",
  },
  remoteTokenFile: {
    flag: "remote-token-file",
    env: "MAINSTAY_REMOTE_TOKEN_FILE",
    file: "remoteTokenFile",
    value: "FILE",
    help: "a file with the remote engine's bearer token (default: none is sent)",
  },
  advertise: {
    flag: "advertise",
    env: "MAINSTAY_ADVERTISE",
    file: "advertise",
    value: "HOST",
    help: "how other replicas reach this one (default: where it listens, or the host's name)",
  },
  rules: {
    flag: "rules",
    env: "MAINSTAY_RULES",
    file: "rules",
    value: "A,B",
    help: "Prometheus rule files (default: the runbook's eight, and those for backups and drills)",
  },
  externalLabels: {
    flag: "external-labels",
    env: "MAINSTAY_EXTERNAL_LABELS",
    file: "externalLabels",
    value: "A=B,C=D",
    help: "labels that say which installation this is, for templates of rules",
  },
  externalUrl: {
    flag: "external-url",
    env: "MAINSTAY_EXTERNAL_URL",
    file: "externalUrl",
    value: "URL",
    help: "where people reach this installation, for links in alerts (default: the REST address)",
  },
  alertmanager: {
    flag: "alertmanager",
    env: "MAINSTAY_ALERTMANAGER",
    file: "alertmanager",
    value: "FILE",
    help: "alertmanager.yml: who is told of which alert (default: nobody; notices stand in the journal)",
  },
  remediation: {
    flag: "remediation",
    env: "MAINSTAY_REMEDIATION",
    file: "remediation",
    value: "FILE",
    help: "which alert asks for which action (default: config/remediation.yaml)",
  },
  safety: {
    flag: "safety",
    env: "MAINSTAY_SAFETY",
    file: "safety",
    value: "FILE",
    help: "how much may be done, and when automatic action stops (default: config/safety.yaml)",
  },
  policy: {
    flag: "policy",
    env: "MAINSTAY_POLICY",
    file: "policy",
    value: "FILE",
    help: "who may do what: allow, ask or deny (default: config/command-policy.yaml)",
  },
  components: {
    flag: "components",
    env: "MAINSTAY_COMPONENTS",
    file: "components",
    value: "FILE",
    help: "what the house is made of, and what needs what (default: config/components.yaml)",
  },
  regions: {
    flag: "regions",
    env: "MAINSTAY_REGIONS",
    file: "regions",
    value: "FILE",
    help: "what is moved when a region is lost, and in which order (default: config/regions.yaml)",
  },
  traffic: {
    flag: "traffic",
    env: "MAINSTAY_TRAFFIC",
    file: "traffic",
    value: "FILE",
    help: "names in DNS and HAProxies, and where they send traffic (default: config/traffic.yaml, which declares none)",
  },
  patroniCredentials: {
    flag: "patroni-credentials",
    env: "MAINSTAY_PATRONI_CREDENTIALS",
    file: "patroniCredentials",
    value: "FILE",
    help: "how to show oneself to Patroni, by cluster: username, password or passwordFile, caFile, certFile, keyFile (default: nothing is shown)",
  },
  runbooks: {
    flag: "runbooks",
    env: "MAINSTAY_RUNBOOKS",
    file: "runbooks",
    value: "A,B",
    help: "runbooks: YAML files, and folders of them (default: config/runbooks)",
  },
  breakerOpenSeconds: {
    flag: "breaker-open-seconds",
    env: "MAINSTAY_BREAKER_OPEN_SECONDS",
    file: "breakerOpenSeconds",
    value: "N",
    help: "how long a service is left alone after five failures in a row (default 60; 1 to 3600)",
  },
  certificateHours: {
    flag: "certificate-hours",
    env: "MAINSTAY_CERTIFICATE_HOURS",
    file: "certificateHours",
    value: "N",
    help: "how long an agent's certificate lives (default 24; 0.01 to 8760)",
  },
  logLevel: {
    flag: "log-level",
    env: "MAINSTAY_LOG_LEVEL",
    file: "logLevel",
    value: "LEVEL",
    help: "debug, info, warn or error (default info)",
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;

/** What `--help` prints. */
export const HELP = `mainstay control plane: rules, alerts, commands and the journal, over gRPC and REST

usage: node control-plane/dist/main.js [--embedded | --database-url URL] [options]

${Object.values(SETTINGS)
  .map((s) => `  --${`${s.flag} ${s.value}`.padEnd(26)} ${s.help} [${s.env}]`)
  .join("\n")}
  --embedded                   run a PostgreSQL of our own in the state directory
  --config FILE                a YAML file with these settings, named as ${SETTINGS.databaseUrl.file}, ${SETTINGS.restPort.file} ... [MAINSTAY_CONFIG]
  --help                       this text

It stops cleanly on SIGINT and SIGTERM. Exit codes: 0 stopped, 1 could not start, 2 bad settings.
`;
