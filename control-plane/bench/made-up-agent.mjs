/**
 * A made-up agent: its own certificate, its own mutual-TLS connection and its own stream. It speaks HTTP/2 itself, without
 * a gRPC library, so that the machine that it shares with the control plane is left to it.
 */
import { connect as connectHttp2 } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AgentService,
  ConnectRequestSchema,
  ConnectResponseSchema,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { sleep } from "./processes.mjs";
import { labelsOf, nodeName } from "./workload.mjs";

const { connect } = toServiceDefinition(AgentService);
const CONTROL_PLANE_NAME = "control-plane.mainstay";
const CONNECT_WITHIN_MS = 30_000;

/** What all made-up agents of a process do with what they hear. */
export const manners = {
  /** What carries out orders; without it they are only counted. */
  obedience: undefined,
  /** At the bare server: what each message is answered with. */
  bareAnswer: undefined,
};

/** A message as gRPC frames it: a byte that says that it is not compressed, four of length. */
export function framed(body) {
  const bytes = toBinary(ConnectRequestSchema, create(ConnectRequestSchema, { body }));
  const whole = Buffer.allocUnsafe(5 + bytes.length);
  whole[0] = 0;
  whole.writeUInt32BE(bytes.length, 1);
  whole.set(bytes, 5);
  return whole;
}

export class MadeUpAgent {
  sequence = 0;
  /** Whether it has nothing to say: before its welcome, and when it was told to be silent. */
  silent = true;
  announced = false;
  /** Whether its first series is below zero, which no counter is: what a rule can look for. */
  ails = false;
  /** When it last said anything. */
  saidAt = 0;
  orders = 0;
  #session;
  #stream;
  #partial = Buffer.alloc(0);
  #resolveWelcome;

  /** `workload`: its values, one of all agents; how many series it has and how often, in ms, they are read. */
  constructor(number, identity, workload) {
    this.number = number;
    this.identity = identity;
    this.workload = workload;
  }

  /** Opens connection and stream; resolves with the bytes of the welcome. */
  async connect(target) {
    this.endedBecause = undefined;
    const { key, ca, certificate } = this.identity;
    const session = connectHttp2(`https://127.0.0.1:${target.port}`, {
      key,
      ca,
      cert: certificate,
      servername: CONTROL_PLANE_NAME,
    });
    this.#session = session;
    this.closed = new Promise((resolve) => {
      session.on("error", (error) => resolve(error.message));
      session.on("close", () => resolve("closed"));
    });
    const stream = session.request({
      ":method": "POST",
      ":path": connect.path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    this.#stream = stream;
    this.streamClosed = new Promise((resolve) => {
      stream.on("error", (error) => resolve(error.message));
      stream.on("response", (headers) => {
        if ((headers["grpc-status"] ?? "0") !== "0")
          resolve(decodeURIComponent(String(headers["grpc-message"])));
      });
      stream.on("trailers", (trailers) =>
        resolve(decodeURIComponent(String(trailers["grpc-message"] ?? "ended"))),
      );
      stream.on("close", () => resolve(`HTTP/2 code ${stream.rstCode}`));
    });
    const welcome = new Promise((resolve) => {
      this.#resolveWelcome = resolve;
    });
    stream.on("data", (data) => this.#hear(data));
    this.say(
      framed({
        case: "hello",
        value: {
          outboxId: `box-${this.number}`,
          agentVersion: "bench",
          hostname: nodeName(this.number),
          actions: ["collect-diagnostics"],
          intervalMs: this.workload.intervalMs,
        },
      }),
    );
    const failed = (why) => () => {
      throw new Error(`agent ${this.number} was not welcomed: ${why}`);
    };
    this.streamClosed.then((because) => {
      this.silent = true;
      this.endedBecause = because;
    });
    return Promise.race([
      welcome,
      this.closed.then((why) => failed(why)()),
      this.streamClosed.then((why) => failed(why)()),
      sleep(CONNECT_WITHIN_MS).then(failed(`nothing within ${CONNECT_WITHIN_MS / 1_000} s`)),
    ]);
  }

  /** False when the stream asks to wait. */
  say(bytes) {
    this.saidAt = Date.now();
    return this.#stream.write(bytes);
  }

  announce() {
    const refs = Array.from({ length: this.workload.series }, (_, ref) => ref + 1);
    const named = refs.map((ref) => ({ ref, labels: labelsOf(this.number, ref - 1) }));
    this.say(framed({ case: "series", value: { series: named } }));
    this.say(framed({ case: "layout", value: { layoutId: 1, refs } }));
    this.announced = true;
  }

  frame(timestamp) {
    const read = this.workload.values.next().slice();
    if (this.ails) read[0] = -1;
    const bytes = new Uint8Array(read.buffer);
    const sequence = BigInt(++this.sequence);
    return this.say(
      framed({
        case: "frame",
        value: { sequence, layoutId: 1, timestampMs: BigInt(timestamp), values: bytes },
      }),
    );
  }

  /** Reads no further. */
  stall() {
    this.#stream.pause();
  }

  drained() {
    return new Promise((resolve) => this.#stream.once("drain", resolve));
  }

  close() {
    this.#session?.destroy();
  }

  #hear(data) {
    this.#partial = this.#partial.length === 0 ? data : Buffer.concat([this.#partial, data]);
    while (this.#partial.length >= 5) {
      const length = this.#partial.readUInt32BE(1);
      if (this.#partial.length < 5 + length) return;
      const bytes = this.#partial.subarray(5, 5 + length);
      this.#partial = this.#partial.subarray(5 + length);
      // The first answer is the welcome; at the bare server it means nothing and is not read.
      const welcomed = this.#resolveWelcome;
      this.#resolveWelcome = undefined;
      if (manners.bareAnswer !== undefined) {
        if (welcomed === undefined) this.say(manners.bareAnswer);
        else welcomed(length);
        continue;
      }
      if (welcomed === undefined || manners.obedience !== undefined) this.#take(bytes);
      welcomed?.(length);
    }
  }

  #take(bytes) {
    const { body } = fromBinary(ConnectResponseSchema, bytes);
    switch (body.case) {
      case "welcome":
        return manners.obedience?.welcome(body.value);
      case "cancel":
        return manners.obedience?.cancel(body.value);
      case "acknowledge":
        return manners.obedience?.acknowledged(body.value);
      case "order":
        this.orders++;
        return manners.obedience?.take(body.value, (event) =>
          this.say(framed({ case: "commandEvent", value: event })),
        );
    }
  }
}
