/**
 * A control plane with behaviour, over the real contracts on a real socket: it knows tokens and roles, stores commands
 * by request id, makes plans, and keeps what it was told. Tests set its world and read what it heard.
 */
import { create, type DescMethod, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { Health, HealthCheckResponse_ServingStatus } from "@mainstay/proto/gen/grpc/health/v1/health_pb";
import { AccessService, Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import {
  type AlertSchema,
  AlertState,
  AlertsService,
} from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import {
  type Command,
  CommandSchema,
  CommandState,
  CommandsService,
  type OutputPieceSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import {
  FleetService,
  type FoundCertificateSchema,
  type NodeSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { HealthService, HealthStatus } from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import { type EntrySchema, JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { type McpCall, McpService, McpSwitch } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import { MetricsService, type SeriesResultSchema } from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import type { RunbookSchema } from "@mainstay/proto/gen/mainstay/operator/v1/runbooks_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { type Answers, addFurtherServices, planOf, Refusal } from "./fake-services.js";

export interface Heard {
  readonly method: string;
  readonly token: string;
  readonly traceparent: string;
}

export class FakeControlPlane {
  readonly tokens = new Map<string, { readonly name: string; readonly roles: readonly Role[] }>([
    ["viewer-token", { name: "vera", roles: [Role.VIEWER] }],
    ["operator-token", { name: "otto", roles: [Role.OPERATOR] }],
    ["server-token", { name: "mcp-1", roles: [Role.DELEGATE, Role.OPERATOR] }],
  ]);
  nodes: MessageInitShape<typeof NodeSchema>[] = [];
  certificates: MessageInitShape<typeof FoundCertificateSchema>[] = [];
  alerts: MessageInitShape<typeof AlertSchema>[] = [];
  entries: MessageInitShape<typeof EntrySchema>[] = [];
  series: MessageInitShape<typeof SeriesResultSchema>[] = [];
  output: MessageInitShape<typeof OutputPieceSchema>[] = [];
  readonly commands = new Map<string, Command>();
  readonly heard: Heard[] = [];
  /** Calls that were written in the journal, with the token that wrote them. */
  readonly journalled: (McpCall & { readonly token: string })[] = [];
  /** Whether the journal takes calls. */
  journalWrites = true;
  mcpSwitch = McpSwitch.ON;
  /** Roles of an identity provider's subjects. */
  readonly subjects = new Map<string, readonly Role[]>();
  delegated = 0;
  /** Milliseconds before each answer. */
  delayMs = 0;
  serving = true;
  /** Whether agents make plans in time. */
  plansInTime = true;
  planSummary = "would delete 12 files, 3.1 GB";
  /** What policy says to plans, and whether the person at the client may approve them. */
  verdict = "ask";
  elicitation = true;
  approvalsNeeded = 1;
  planSteps: unknown = { delete: ["/var/tmp/a", "/var/tmp/b"] };
  processName = "postgres";
  serviceName = "db.service";
  fact = "/ 22 % full";
  finding = "";
  /** What is said, besides, of a command that there is not. */
  refusal = "";
  readonly usedStates = new Set<string>();
  runbooks: MessageInitShape<typeof RunbookSchema>[] = [];
  brokenAt = 0n;
  /** Streams of the journal that are open. */
  readonly watchers = new Set<(entry: MessageInitShape<typeof EntrySchema>) => void>();
  #server: Server | undefined;
  #port = 0;

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Listens; after `stop` again on the same port. */
  async start(): Promise<void> {
    const server = new Server();
    server.addService(toServiceDefinition(Health), {
      check: (_call: unknown, answer: (error: null, value: unknown) => void) => {
        const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
        setTimeout(
          () =>
            answer(
              null,
              create(Health.method.check.output, { status: this.serving ? SERVING : NOT_SERVING }),
            ),
          this.delayMs,
        );
      },
    });
    const { whoAmI } = AccessService.method;
    server.addService(toServiceDefinition(AccessService), {
      whoAmI: this.#answers(whoAmI, (_request, caller) => ({
        ...caller,
        roles: [...caller.roles],
        tokenId: `id-${caller.name}`,
      })),
    });
    const { getOverview } = HealthService.method;
    server.addService(toServiceDefinition(HealthService), {
      getOverview: this.#answers(getOverview, () => ({
        status: HealthStatus.DEGRADED,
        nodesLive: this.nodes.length,
        alertsFiring: this.alerts.filter((alert) => alert.state === AlertState.FIRING).length,
        components: [
          {
            name: "postgres",
            status: HealthStatus.HEALTHY,
            because: "answers in 2 ms",
            figures: { lag_seconds: 0, odd: Number.NaN },
          },
        ],
        facts: [this.fact],
      })),
    });
    server.addService(toServiceDefinition(FleetService), this.#fleet());
    server.addService(toServiceDefinition(AlertsService), this.#alerts());
    server.addService(toServiceDefinition(MetricsService), this.#metrics());
    server.addService(toServiceDefinition(JournalService), this.#journal());
    server.addService(toServiceDefinition(McpService), this.#mcp());
    server.addService(toServiceDefinition(CommandsService), this.#commands());
    const answers: Answers = (method, answer) => this.#answers(method, answer);
    addFurtherServices(server, this, answers);
    this.#port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(
        this.#port === 0 ? "127.0.0.1:0" : this.address,
        ServerCredentials.createInsecure(),
        (error, port) => (error === null ? resolve(port) : reject(error)),
      ),
    );
    this.#server = server;
  }

  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** Writes an entry about a thing, and tells whoever watches. */
  note(kind: string, subject: string): void {
    const entry = { position: BigInt(this.entries.length + 1), kind, subject, hash: "ef".repeat(32) };
    this.entries = [...this.entries, entry];
    for (const tell of this.watchers) tell(entry);
  }

  /** Moves a command on, and says so in the journal. */
  move(commandId: string, state: CommandState): void {
    for (const command of this.commands.values()) if (command.commandId === commandId) command.state = state;
    this.note("command.moved", `command:${commandId}`);
  }

  /** Calls of a method that were heard, oldest first. */
  heardOf(method: string): Heard[] {
    return this.heard.filter((call) => call.method === method);
  }

  #answers<M extends DescMethod>(
    method: M,
    answer: (
      request: MessageShape<M["input"]>,
      caller: { readonly name: string; readonly roles: readonly Role[] },
      token: string,
    ) => MessageInitShape<M["output"]>,
  ) {
    return (
      call: ServerUnaryCall<MessageShape<M["input"]>, MessageShape<M["output"]>>,
      done: sendUnaryData<MessageShape<M["output"]>>,
    ): void => {
      const read = (name: string): string => call.metadata.get(name)[0]?.toString() ?? "";
      const token = read("authorization").replace(/^Bearer /, "");
      if (method.parent.typeName !== McpService.typeName)
        this.heard.push({ method: method.name, token, traceparent: read("traceparent") });
      setTimeout(() => {
        try {
          const caller = this.tokens.get(token);
          if (caller === undefined)
            throw new Refusal(status.UNAUTHENTICATED, "the token is unknown, revoked or expired");
          done(null, create<M["output"]>(method.output, answer(call.request, caller, token)));
        } catch (error) {
          if (error instanceof Refusal) done({ code: error.code, details: error.details });
          else done({ code: status.INTERNAL, details: String(error) });
        }
      }, this.delayMs);
    };
  }

  #streams<M extends DescMethod>(
    method: M,
    serve: (call: ServerWritableStream<MessageShape<M["input"]>, MessageShape<M["output"]>>) => void,
  ) {
    return (call: ServerWritableStream<MessageShape<M["input"]>, MessageShape<M["output"]>>): void => {
      const read = (name: string): string => call.metadata.get(name)[0]?.toString() ?? "";
      const token = read("authorization").replace(/^Bearer /, "");
      this.heard.push({ method: method.name, token, traceparent: read("traceparent") });
      if (this.tokens.has(token)) serve(call);
      else call.emit("error", { code: status.UNAUTHENTICATED, details: "the token is unknown" });
    };
  }

  #fleet() {
    const { listNodes, getNode, listCertificates } = FleetService.method;
    return {
      listNodes: this.#answers(listNodes, ({ page, liveness }) => {
        const all = this.nodes.filter((node) => liveness === 0 || node.liveness === liveness);
        const from = Number(page?.token || 0);
        const size = page?.size || 100;
        return {
          nodes: all.slice(from, from + size),
          nextToken: from + size < all.length ? String(from + size) : "",
        };
      }),
      getNode: this.#answers(getNode, ({ nodeId }) => {
        const node = this.nodes.find((candidate) => candidate.nodeId === nodeId || candidate.name === nodeId);
        if (node === undefined) throw new Refusal(status.NOT_FOUND, `no node "${nodeId}"`);
        return {
          node,
          certificates: this.certificates.filter((found) => found.nodeId === node.nodeId),
          services: [
            { name: "ssh.service", activeState: "active", subState: "running" },
            { name: this.serviceName, activeState: "failed", subState: "failed" },
          ],
          processes: [
            { pid: 7, name: this.processName, cpuRatio: 0.5, residentBytes: 1_000n, user: "postgres" },
          ],
        };
      }),
      listCertificates: this.#answers(listCertificates, ({ nodeId, page }) => {
        const all = this.certificates.filter((found) => nodeId === "" || found.nodeId === nodeId);
        const from = Number(page?.token || 0);
        const size = page?.size || 100;
        return {
          certificates: all.slice(from, from + size),
          nextToken: from + size < all.length ? String(from + size) : "",
        };
      }),
    };
  }

  #alerts() {
    const { listAlerts, getAlert, getAlertChart } = AlertsService.method;
    return {
      listAlerts: this.#answers(listAlerts, ({ state, rule }) => ({
        alerts: this.alerts.filter(
          (alert) =>
            (state === 0 ? alert.state !== AlertState.RESOLVED : alert.state === state) &&
            (rule === "" || alert.rule === rule),
        ),
      })),
      getAlert: this.#answers(getAlert, ({ alertId }) => {
        const alert = this.alerts.find((candidate) => candidate.alertId === alertId);
        if (alert === undefined) throw new Refusal(status.NOT_FOUND, `no alert "${alertId}"`);
        return {
          alert,
          expr: "disk_used > 0.9",
          forMs: 300_000n,
          commandIds: [...this.commands.values()]
            .filter((command) => command.alertId === alertId)
            .map((command) => command.commandId),
          transitions: [
            { to: AlertState.PENDING, value: 0.91, because: "the expression holds" },
            { to: AlertState.FIRING, value: 0.93, because: "it has held for 5m" },
          ],
          receivers: ["team"],
          notices: [
            {
              receiver: "team",
              integration: "slack[0]",
              reason: "first",
              state: "failed",
              lastAnswer: "HTTP 500",
            },
          ],
          hiddenBy: [{ kind: "silence", name: "s-1", what: "by ann", hidesNow: true, notices: 2n }],
          seen: [{ labels: { __name__: "disk_used" }, points: [{ timestampMs: 1n, value: 0.93 }] }],
        };
      }),
      getAlertChart: this.#answers(getAlertChart, ({ file }) => ({
        chart: { contentType: "image/png", data: Buffer.from(`picture ${file}`) },
      })),
    };
  }

  #metrics() {
    const { query, queryRange } = MetricsService.method;
    return {
      query: this.#answers(query, ({ expr }) => {
        if (expr.includes("(("))
          throw new Refusal(status.INVALID_ARGUMENT, "1:2: parse error: unclosed left parenthesis");
        return {
          kind: "vector",
          series: this.series.map(({ labels = {}, points = [] }) => ({ labels, points: points.slice(-1) })),
        };
      }),
      queryRange: this.#answers(queryRange, () => ({ series: this.series })),
    };
  }

  #mcp() {
    const { journalCalls, getMcpSwitch, issueDelegation } = McpService.method;
    return {
      journalCalls: this.#answers(journalCalls, ({ calls }, _caller, token) => {
        if (!this.journalWrites) throw new Refusal(status.UNAVAILABLE, "PostgreSQL is away");
        this.journalled.push(...calls.map((call) => ({ ...call, token })));
        return { position: BigInt(this.journalled.length) };
      }),
      getMcpSwitch: this.#answers(getMcpSwitch, () => ({
        state: this.mcpSwitch,
        because: "a drill",
        setBy: "ada",
      })),
      issueDelegation: this.#answers(issueDelegation, ({ subject, client, scopes }, caller) => {
        const roles = this.subjects.get(subject);
        if (!caller.roles.includes(Role.DELEGATE))
          throw new Refusal(status.PERMISSION_DENIED, "needs role delegate");
        if (roles === undefined)
          throw new Refusal(status.PERMISSION_DENIED, "no rule gives them a role here");
        this.delegated += 1;
        const token = `msd_${this.delegated}_secret`;
        const name = `${client} for ${subject}@idp`;
        const given = scopes.includes("mainstay:plan") ? roles : [Role.VIEWER];
        this.tokens.set(token, { name, roles: given });
        const seconds = BigInt(Math.floor(Date.now() / 1_000) + 300);
        return { token, name, roles: [...given], rolesWithAllScopes: [...roles], expiresAt: { seconds } };
      }),
    };
  }

  #journal() {
    const { listEntries, verifyJournal, watchJournal } = JournalService.method;
    return {
      watchJournal: this.#streams(watchJournal, (call) => {
        const tell = (entry: MessageInitShape<typeof EntrySchema>): void => {
          call.write(create(watchJournal.output, { entry }));
        };
        for (const entry of this.entries) {
          if ((entry.position ?? 0n) > call.request.afterPosition) tell(entry);
        }
        this.watchers.add(tell);
        call.on("cancelled", () => {
          this.watchers.delete(tell);
          call.end();
        });
      }),
      listEntries: this.#answers(listEntries, ({ afterPosition, size, subject, kind, tail }) => {
        const matching = this.entries.filter(
          (entry) =>
            (entry.position ?? 0n) > afterPosition &&
            (subject === "" || entry.subject === subject) &&
            (kind === "" ||
              entry.kind === kind ||
              (kind.endsWith(".") && entry.kind?.startsWith(kind) === true)),
        );
        const most = size || 100;
        return {
          entries: tail ? matching.slice(-most) : matching.slice(0, most),
          lastPosition: BigInt(this.entries.length),
        };
      }),
      verifyJournal: this.#answers(verifyJournal, () => ({
        intact: this.brokenAt === 0n,
        entries: BigInt(this.entries.length),
        brokenAt: this.brokenAt,
        because: this.brokenAt === 0n ? "" : "the hash does not follow from the entry",
        headHash: "ab".repeat(32),
      })),
    };
  }

  #commands() {
    const { requestCommand, applyCommand, approveCommand, undoCommand } = CommandsService.method;
    const { cancelCommand, getCommand, listCommands } = CommandsService.method;
    const ended = [CommandState.SUCCEEDED, CommandState.FAILED, CommandState.CANCELLED, CommandState.REFUSED];
    const find = (id: string): Command => {
      const command = [...this.commands.values()].find((candidate) => candidate.commandId === id);
      if (command === undefined) throw new Refusal(status.NOT_FOUND, `no command "${id}"${this.refusal}`);
      return command;
    };
    return {
      requestCommand: this.#answers(requestCommand, (request, caller) => {
        if (!caller.roles.includes(Role.OPERATOR))
          throw new Refusal(status.PERMISSION_DENIED, "RequestCommand needs the role operator");
        const before = this.commands.get(request.requestId);
        if (before !== undefined) return { command: before };
        const made = this.plansInTime;
        const command = create(CommandSchema, {
          commandId: `c-${this.commands.size + 1}`,
          nodeId: request.nodeId,
          nodeName: this.nodes.find((node) => node.nodeId === request.nodeId)?.name ?? "",
          action: request.action,
          argumentsJson: request.argumentsJson,
          reason: request.reason,
          alertId: request.alertId,
          requestedBy: { kind: "human", name: caller.name },
          state: made ? CommandState.PLANNED : CommandState.PLANNING,
          because: made ? "the plan is held" : "the agent is asked",
          ...(made ? { plan: planOf(this) } : {}),
        });
        this.commands.set(request.requestId, command);
        return { command };
      }),
      applyCommand: this.#answers(applyCommand, ({ commandId, planHash }) => {
        const command = find(commandId);
        if (command.state !== CommandState.PLANNED || command.plan?.hash !== planHash)
          throw new Refusal(status.FAILED_PRECONDITION, "it is not held with this plan");
        const { verdict } = this;
        command.state =
          verdict === "allow"
            ? CommandState.APPROVED
            : verdict === "ask"
              ? CommandState.AWAITING_APPROVAL
              : CommandState.REFUSED;
        return { command };
      }),
      approveCommand: this.#answers(approveCommand, ({ commandId, planHash, elicited }) => {
        const command = find(commandId);
        if (command.state !== CommandState.AWAITING_APPROVAL || command.plan?.hash !== planHash)
          throw new Refusal(status.FAILED_PRECONDITION, "it does not wait for an approval of this plan");
        if (!elicited || !this.elicitation || this.approvalsNeeded > 1)
          throw new Refusal(status.PERMISSION_DENIED, "another person must approve it");
        command.state = CommandState.APPROVED;
        return { command };
      }),
      undoCommand: this.#answers(undoCommand, ({ commandId, requestId }) => {
        const undone = find(commandId);
        if (undone.state !== CommandState.SUCCEEDED)
          throw new Refusal(status.FAILED_PRECONDITION, "it has not succeeded: nothing-to-undo");
        const command = create(CommandSchema, {
          ...undone,
          commandId: `c-${this.commands.size + 1}`,
          undoesCommandId: undone.commandId,
          state: CommandState.PLANNED,
          plan: planOf(this),
        });
        this.commands.set(requestId, command);
        return { command };
      }),
      cancelCommand: this.#answers(cancelCommand, ({ commandId }) => {
        const command = find(commandId);
        if (ended.includes(command.state)) throw new Refusal(status.FAILED_PRECONDITION, "it has ended");
        this.move(commandId, CommandState.CANCELLED);
        return { command };
      }),
      getCommand: this.#answers(getCommand, ({ commandId }) => ({
        command: find(commandId),
        output: this.output,
      })),
      listCommands: this.#answers(listCommands, ({ state, nodeId }) => ({
        commands: [...this.commands.values()]
          .filter(
            (command) =>
              (state === 0 || command.state === state) && (nodeId === "" || command.nodeId === nodeId),
          )
          .reverse(),
      })),
    };
  }
}
