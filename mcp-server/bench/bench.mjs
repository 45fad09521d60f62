#!/usr/bin/env node
// What the whole MCP server costs, beside the official SDK's bare handler with one echo tool, in one run: the two are
// measured in turns, so that a busy machine slows both. Read the ratios.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ask, askStdio } from "./load.mjs";

const HELP = `npm run bench -w @mainstay/mcp-server -- [--seconds 4] [--rounds 3] [--json]

  --seconds  of each measurement
  --rounds   measurements of each server, in turns; the cheapest counts, for others only add
`;
const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const ms = Number(options.seconds) * 1_000;
const rounds = Number(options.rounds);
/** Of Linux: USER_HZ. */
const TICKS = 100;
const TOOLS = 40;
const CLIENTS = 16;
const children = [];

function start(args, env = {}) {
  const [script = "", ...rest] = args;
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [file, ...rest], {
    stdio: ["pipe", "pipe", "ignore"],
    env: { ...process.env, ...env },
  });
  children.push(child);
  return child;
}

/** Starts a server; answers its process and port. */
function serve(...args) {
  const child = start(args);
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${args.join(" ")} ended with ${code}`)));
    child.stdout.on("data", (piece) => {
      const [, port] = /ready (\d+)/.exec(String(piece)) ?? [];
      if (port !== undefined) resolve({ child, pid: child.pid, port: Number(port) });
    });
  });
}

function cpuSeconds(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function residentMb(pid) {
  const [, kb] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kb) / 1_024;
}

/** In turns, each as often as there are rounds; of each the lowest CPU a call, and the lowest p99. */
async function inTurns(servers, method, clients) {
  const best = servers.map(() => ({
    cpuMs: Number.POSITIVE_INFINITY,
    p99: Number.POSITIVE_INFINITY,
    rate: 0,
  }));
  for (const { port } of servers) await ask(port, method, clients, Math.min(ms, 3_000));
  for (let round = 0; round < rounds; round++) {
    for (const [i, { pid, port }] of servers.entries()) {
      const before = cpuSeconds(pid);
      const { calls, seconds, p99 } = await ask(port, method, clients, ms);
      const cpuMs = ((cpuSeconds(pid) - before) * 1_000) / calls;
      const so = best[i];
      best[i] = {
        cpuMs: Math.min(so.cpuMs, cpuMs),
        p99: Math.min(so.p99, p99),
        rate: Math.max(so.rate, calls / seconds),
      };
    }
  }
  return best;
}

const controlPlane = await serve("control-plane.mjs");
const address = `127.0.0.1:${controlPlane.port}`;
const rows = [];
const row = (what, ours, peer, ratio, wanted) => rows.push({ what, ours, peer, ratio, wanted });
try {
  // The product as it is started, with nobody there yet.
  const product = start(["../dist/main.js"], {
    MAINSTAY_CONTROL_PLANE: address,
    MAINSTAY_MCP_PORT: "0",
    MAINSTAY_MCP_ALLOW_WRITES: "true",
  });
  await sleep(6_000);
  const idle = residentMb(product.pid);
  product.kill();

  const bare = await serve("bare-server.mjs", "http", "1");
  const ours = await serve("our-server.mjs", "http", address, String(TOOLS));
  const [bareCall, ourCall] = await inTurns([bare, ours], "tools/call", CLIENTS);
  row("echo call, CPU ms", ourCall.cpuMs, bareCall.cpuMs, ourCall.cpuMs / bareCall.cpuMs, "<= 1.25");
  row("echo call, p99 ms at 16 clients", ourCall.p99, bareCall.p99, ourCall.p99 / bareCall.p99, "<= 2");
  row("echo calls a second", ourCall.rate, bareCall.rate, ourCall.rate / bareCall.rate, "");

  const bareMany = await serve("bare-server.mjs", "http", String(TOOLS));
  const [bareList, ourList] = await inTurns([bareMany, ours], "tools/list", CLIENTS);
  row("tools/list of 40, CPU ms", ourList.cpuMs, bareList.cpuMs, ourList.cpuMs / bareList.cpuMs, "<= 0.3");
  const loaded = residentMb(ours.pid);
  const bareLoaded = residentMb(bare.pid);
  row("resident idle, MB", idle, undefined, undefined, "<= 110");
  row("resident after load, MB", loaded, bareLoaded, loaded / bareLoaded, "<= 250");
  for (const { child } of [bare, ours, bareMany]) child.kill();

  let bareRate = 0;
  let ourRate = 0;
  for (let round = 0; round < rounds; round++) {
    for (const kind of ["bare", "ours"]) {
      const args =
        kind === "bare"
          ? ["bare-server.mjs", "stdio", "1"]
          : ["our-server.mjs", "stdio", address, String(TOOLS)];
      const child = start(args);
      const rate = await askStdio(child, CLIENTS, ms);
      child.kill();
      if (kind === "bare") bareRate = Math.max(bareRate, rate);
      else ourRate = Math.max(ourRate, rate);
    }
  }
  row("stdio calls a second", ourRate, bareRate, ourRate / bareRate, ">= 0.8");
} finally {
  for (const child of children) child.kill();
}

if (options.json) {
  process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
} else {
  const number = (value) => (value === undefined ? "-" : value >= 100 ? value.toFixed(0) : value.toFixed(2));
  process.stdout.write(
    `${"what".padEnd(34)}${"ours".padStart(9)}${"bare SDK".padStart(10)}${"ratio".padStart(8)}  wanted\n`,
  );
  for (const { what, ours, peer, ratio, wanted } of rows) {
    process.stdout.write(
      `${what.padEnd(34)}${number(ours).padStart(9)}${number(peer).padStart(10)}${number(ratio).padStart(8)}  ${wanted}\n`,
    );
  }
}
process.exit(0);
