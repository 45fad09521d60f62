// The floor plan as data. A room may look into kernel/, platform/ and the rooms written against its name, and only
// into rooms above it in this list: a cycle cannot be written down. A room is added when it is born.
export const rooms = {
  promql: [],
  journal: [],
  access: ["journal"],
  fleet: ["journal", "access"],
  timeseries: ["promql"],
  topology: ["fleet"],
  safety: ["journal"],
  commands: ["journal", "fleet", "safety", "topology"],
  alerting: ["journal", "promql", "timeseries"],
  notification: ["journal", "promql", "alerting"],
  rollouts: ["journal", "promql", "fleet", "safety", "topology", "commands", "alerting", "timeseries"],
  remediation: ["journal", "alerting", "commands", "fleet", "safety"],
  runbooks: ["journal", "promql", "fleet", "commands"],
  traffic: ["journal", "promql"],
  recovery: ["journal", "topology"],
  backups: ["promql", "topology", "recovery"],
  drills: ["journal", "topology", "commands", "recovery"],
  region: ["journal", "fleet", "topology", "commands", "recovery", "traffic"],
  edge: [
    "promql",
    "journal",
    "access",
    "fleet",
    "timeseries",
    "topology",
    "safety",
    "commands",
    "alerting",
    "notification",
    "rollouts",
    "remediation",
    "runbooks",
    "traffic",
    "recovery",
    "backups",
    "drills",
    "region",
  ],
};
const names = Object.keys(rooms);
for (const [room, seen] of Object.entries(rooms)) {
  for (const other of seen) {
    if (!(names.indexOf(other) < names.indexOf(room))) throw new Error(`${room} may not look up at ${other}`);
  }
}

const controlPlane = "^control-plane/src";
const test = "\\.test\\.(?:ts|mjs)$|/testing/";
const pure = `${controlPlane}/(?:kernel|promql|[^/]+/domain)/`;
/** The failover protocol: a contract of the control plane and the agents, so both run the same decisions. */
const failover = "^proto/src/failover/[^/]+\\.ts$";
const simulator = "^proto/src/failover/simulator/";
/** ground.ts, rooms.ts, house.ts, main.ts: they put the house together, and no room looks up at them. */
const composition = `${controlPlane}/[^/]+\\.ts$`;
const oneOf = (patterns) => `(?:${patterns.join("|")})`;

/** A library, or the wire types, may be imported only in the places named (and in tests). */
const onlyIn = (name, to, places) => ({
  name: `only-in-its-place-${name}`,
  severity: "error",
  from: { pathNot: `${oneOf(places)}|${test}` },
  to: { path: to },
});

const everywhere = [
  { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
  {
    name: "no-orphans",
    severity: "error",
    from: { orphan: true, path: "/src/", pathNot: `${test}|/main\\.ts$` },
    to: {},
  },
  { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  { name: "declared", severity: "error", from: {}, to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] } },
  {
    name: "tests-are-leaves",
    severity: "error",
    from: { pathNot: `${test}|^e2e/worlds/` },
    to: { path: test },
  },
];

const workspaces = [
  {
    name: "workspaces-meet-in-proto",
    comment:
      "Workspaces meet in proto/ and nowhere else; e2e reaches the others only as processes. Only its made-up worlds put the real decisions of both sides together.",
    severity: "error",
    from: { path: "^([^/]+)/", pathNot: "^e2e/worlds/" },
    to: { path: "^(?:agent|control-plane|mcp-server|e2e)/", pathNot: "^$1/" },
  },
];

const floor = [
  ...Object.entries(rooms).map(([room, seen]) => ({
    name: `room-${room}`,
    severity: "error",
    comment: `${room}/ may look into ${["kernel", "platform", ...seen].join(", ")}`,
    from: { path: `${controlPlane}/${room}/` },
    to: {
      path: `${controlPlane}/`,
      pathNot: `${controlPlane}/${oneOf(["kernel", "platform", room, ...seen])}/`,
    },
  })),
  {
    name: "platform-knows-no-room",
    severity: "error",
    from: { path: `${controlPlane}/platform/` },
    to: { path: `${controlPlane}/`, pathNot: `${controlPlane}/(?:platform|kernel)/` },
  },
  {
    name: "enter-by-the-door",
    severity: "error",
    comment: "Into another room: its domain/ (words and decisions) or its <room>.module.ts (what it offers).",
    from: { path: `${controlPlane}/([^/]+)/`, pathNot: test },
    to: {
      path: `${controlPlane}/[^/]+/`,
      pathNot: `${controlPlane}/(?:$1|kernel|platform|promql)/|${controlPlane}/[^/]+/(?:domain/|[^/]+\\.module\\.ts$)`,
    },
  },
  {
    name: "decisions-are-pure",
    severity: "error",
    comment: "A decision reads its arguments: kernel/, promql/, domain/ and zod; no node:, no other package.",
    from: { path: pure, pathNot: test },
    to: { pathNot: `${pure}|${failover}|(?:^|/)node_modules/zod/` },
  },
  {
    name: "failover-is-pure",
    severity: "error",
    comment:
      "The failover protocol reads its arguments, and knows nothing of the simulator that drives it. wire.ts and poolers-wire.ts alone know how its messages are sent.",
    from: { path: failover, pathNot: `${test}|/(?:poolers-)?wire\\.ts$` },
    to: { pathNot: failover },
  },
  {
    name: "the-simulator-drives-the-protocol",
    severity: "error",
    from: { path: simulator, pathNot: test },
    to: { pathNot: `${failover}|${simulator}` },
  },
];

/** The operator's command line: a client of the contract, and of nothing else in the control plane but what is pure. */
const cli = "^control-plane/cli/src/";
const commandLine = [
  {
    name: "cli-sees-what-is-pure",
    severity: "error",
    comment:
      "The CLI reads kernel/, promql/, domain/ and the YAML reader; all else it asks over the contract.",
    from: { path: cli, pathNot: `${cli}lint/sql-server\\.ts$` },
    to: {
      path: `${controlPlane}/`,
      pathNot: `${pure}|${controlPlane}/platform/yaml-text\\.ts$`,
    },
  },
  {
    name: "lint-may-start-a-database",
    severity: "error",
    comment: "To check SQL, runbook lint asks a PostgreSQL of its own, started for the while.",
    from: { path: `${cli}lint/sql-server\\.ts$` },
    to: {
      path: `${controlPlane}/`,
      pathNot: `${cli}|${controlPlane}/(?:kernel|platform)/`,
    },
  },
  {
    name: "nobody-sees-the-cli",
    severity: "error",
    from: { pathNot: cli },
    to: { path: cli },
  },
];

const libraries = [
  onlyIn("sql", "node_modules/(?:@types/)?pg/", [
    `${controlPlane}/platform/postgres/`,
    `${cli}lint/sql-server\\.ts$`,
    "^agent/src/run/actions/(?:database-session|pgbouncer-console|end-idle-sessions|terminate-query|maintain-table|table-state|set-postgres-parameter|postgres-setting)\\.ts$",
    "^agent/src/failover/(?:executor|pooler|check)/",
    "^agent/src/backups/scratch-server\\.ts$",
    "^e2e/",
  ]),
  onlyIn("sql-in-stores", `${controlPlane}/platform/postgres/sql\\.ts$`, [
    `${controlPlane}/platform/postgres/`,
    "\\.store\\.ts$",
  ]),
  onlyIn("redis", "node_modules/ioredis/", [`${controlPlane}/platform/redis/`, "^e2e/"]),
  onlyIn("vault", "node_modules/node-vault/", [`${controlPlane}/platform/vault/`]),
  onlyIn("dns-messages", "node_modules/(?:@types/)?dns-packet/", [`${controlPlane}/platform/dns/`]),
  onlyIn("aws", "node_modules/@aws-sdk/", [`${controlPlane}/platform/route53\\.ts$`]),
  onlyIn("mail", "node_modules/(?:@types/)?nodemailer/", [`${controlPlane}/platform/send-mail\\.ts$`]),
  onlyIn("metrics", "node_modules/prom-client/", [
    `${controlPlane}/platform/metrics\\.ts$`,
    "^mcp-server/src/(?:platform/)?metrics\\.ts$",
  ]),
  onlyIn("host-readings", "node_modules/systeminformation/", ["^agent/src/collect/"]),
  onlyIn("processes", "^(?:node:)?child_process$", [
    "^agent/src/run/process\\.ts$",
    "^agent/src/failover/(?:guard|executor)/",
    `${controlPlane}/platform/postgres/embedded\\.ts$`,
    `${cli}lint/shell-syntax\\.ts$`,
    "^e2e/harness/",
    "^scripts/",
    "(?:^|/)bench/",
  ]),
  onlyIn("threads", "^(?:node:)?worker_threads$", [`${controlPlane}/timeseries/`]),
  onlyIn("grpc", "node_modules/@grpc/", [
    "^proto/src/",
    composition,
    `${controlPlane}/edge/`,
    "^agent/src/(?:link|identity)/",
    "^agent/src/failover/peers\\.ts$",
    "^mcp-server/src/control-plane/",
    `${cli}connect\\.ts$`,
    "^e2e/",
    "(?:^|/)bench/",
  ]),
  onlyIn("nest", "node_modules/@nestjs/", [
    "\\.(?:module|controller|guard)\\.ts$",
    composition,
    `${controlPlane}/edge/`,
    "/src/(?:http-)?main\\.ts$",
  ]),
  onlyIn("wire-types", "^proto/gen/", [
    "^proto/",
    "\\.(?:api|module)\\.ts$",
    composition,
    `${controlPlane}/edge/`,
    // The agents' open streams: what is sent on them is what they are made of.
    `${controlPlane}/fleet/sessions?\\.ts$`,
    "^agent/",
    "^mcp-server/src/(?:control-plane|tools)/",
    cli,
    "^e2e/",
    "(?:^|/)bench/",
  ]),
];

export default {
  forbidden: [...everywhere, ...workspaces, ...floor, ...commandLine, ...libraries],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(?:proto|control-plane(?:/cli)?|agent|mcp-server|e2e)/dist/" },
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    // Sources, not what was built from them: the walls stand before anything is compiled.
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["source", "import", "node", "default", "types"],
    },
  },
};
