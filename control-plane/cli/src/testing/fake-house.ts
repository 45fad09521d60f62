/** A control plane that answers what a test says, and the command line typed at it in this process. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type DescMessage } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { AlertsService } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { BreakersService } from "@mainstay/proto/gen/mainstay/operator/v1/breakers_pb";
import { type CommandState, CommandsService } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { HealthService } from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import { JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { McpService } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import { TopologyService } from "@mainstay/proto/gen/mainstay/operator/v1/topology_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { run } from "../run.js";

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The hash of the plan that {@link FakeHouse.answerWith} gives. */
export const HASH = "0123456789ab".padEnd(64, "c");

const SERVICES = [
  AlertsService,
  BreakersService,
  CommandsService,
  HealthService,
  JournalService,
  McpService,
  TopologyService,
];

export class FakeHouse {
  /** By the method's name. */
  answers: Record<string, () => object> = {};
  /** What the program takes for the time. */
  clock = 0;
  /** Who sits there; undefined for nobody. */
  person: ((question: string) => Promise<string>) | undefined;
  /** The last that was shown. */
  seenToken = "";
  seenRequest: unknown;
  readonly folder = mkdtempSync(join(tmpdir(), "mainstay-cli-"));
  readonly #server = new Server();
  #address = "";

  static async open(): Promise<FakeHouse> {
    const house = new FakeHouse();
    for (const service of SERVICES) {
      const handlers = service.methods.map(({ localName }) => [
        localName,
        (call: ServerUnaryCall<unknown, object>, done: sendUnaryData<object>) => {
          house.seenRequest = call.request;
          house.seenToken = String(call.metadata.get("authorization")[0]);
          try {
            done(null, (house.answers[localName] ?? fails(status.UNIMPLEMENTED, "not in this test"))());
          } catch (error) {
            done(error as Error);
          }
        },
      ]);
      house.#server.addService(toServiceDefinition(service), Object.fromEntries(handlers));
    }
    const port = await new Promise<number>((resolve, reject) =>
      house.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    house.#address = `127.0.0.1:${port}`;
    writeFileSync(join(house.folder, "operator-token"), "secret-token\n");
    return house;
  }

  get address(): string {
    return this.#address;
  }

  close(): void {
    this.#server.forceShutdown();
    rmSync(this.folder, { recursive: true });
  }

  /** Whatever is asked of a command, it is answered with one in this state. */
  answerWith(state: CommandState, more: object = {}): void {
    const command = { commandId: "c-1", state, plan: planOf(), ...more };
    const has = (output: DescMessage): boolean =>
      output.fields.some(({ localName }) => localName === "command");
    this.answers = Object.fromEntries(
      CommandsService.methods
        .filter(({ output }) => has(output))
        .map(({ localName, output }) => [localName, () => create(output, { command })]),
    );
  }

  /** Types words where all may be changed. */
  readonly types = (...words: readonly string[]): Promise<Said> =>
    this.typesIn({ MAINSTAY_READ_ONLY: "false" }, ...words);

  async typesIn(env: Readonly<Record<string, string>>, ...words: readonly string[]): Promise<Said> {
    const out: string[] = [];
    const err: string[] = [];
    const code = await run(words, {
      env: { MAINSTAY_STATE: this.folder, MAINSTAY_ADDRESS: this.#address, ...env },
      workingDirectory: this.folder,
      home: this.folder,
      write: (text) => void out.push(text),
      warn: (text) => void err.push(text),
      now: () => this.clock,
      ...(this.person === undefined ? {} : { ask: this.person }),
      signal: new AbortController().signal,
    });
    return { code, out: out.join("\n"), err: err.join("\n") };
  }
}

export function planOf(more: object = {}): object {
  return { hash: HASH, summary: "sets web to drain", approvalsNeeded: 0, inverseKind: "action", ...more };
}

/** An answer that is a failure. */
export function fails(code: number, details: string): () => never {
  return () => {
    throw Object.assign(new Error(details), { code, details });
  };
}
