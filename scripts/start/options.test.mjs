import { expect, test } from "vitest";
import { portPlan, readCommandLine } from "./options.mjs";

const around = { env: {}, home: "/home/ann", isRoot: false, cwd: "/srv/mainstay" };

/**
 * @param {string[]} args
 * @param {Partial<typeof around> & { env?: Record<string, string> }} [over]
 */
const read = (args, over = {}) => readCommandLine(args, { ...around, ...over });

test("without options the ports follow one another from 7480", () => {
  expect(read([])).toEqual({
    kind: "run",
    options: {
      ports: { rest: 7480, grpc: 7481, agents: 7482, mcp: 7483, agentHealth: 7484 },
      state: "/home/ann/.local/state/mainstay",
      showToken: false,
    },
  });
});

test("a base moves all ports, and a flag moves one", () => {
  expect(read(["--port-base", "9000", "--mcp-port=9100", "--show-token"])).toMatchObject({
    options: {
      ports: { rest: 9000, grpc: 9001, agents: 9002, mcp: 9100, agentHealth: 9004 },
      showToken: true,
    },
  });
});

test.each([
  { when: "root", args: [], over: { isRoot: true }, state: "/var/lib/mainstay" },
  { when: "XDG_STATE_HOME is set", args: [], over: { env: { XDG_STATE_HOME: "/x" } }, state: "/x/mainstay" },
  {
    when: "XDG_STATE_HOME is relative",
    args: [],
    over: { env: { XDG_STATE_HOME: "x" } },
    state: "/home/ann/.local/state/mainstay",
  },
  {
    when: "MAINSTAY_STATE is set",
    args: [],
    over: { isRoot: true, env: { MAINSTAY_STATE: "/m" } },
    state: "/m",
  },
  {
    when: "--state is given too",
    args: ["--state", "s"],
    over: { env: { MAINSTAY_STATE: "/m" } },
    state: "/srv/mainstay/s",
  },
])("the state lives in $state when $when", ({ args, over, state }) => {
  expect(read(args, over)).toMatchObject({ options: { state } });
});

test.each([
  { args: ["--rest-port", "0"], fault: '--rest-port is "0", expected a whole number from 1 to 65535' },
  {
    args: ["--rest-port", "65536"],
    fault: '--rest-port is "65536", expected a whole number from 1 to 65535',
  },
  { args: ["--grpc-port", "1e3"], fault: '--grpc-port is "1e3", expected a whole number from 1 to 65535' },
  {
    args: ["--port-base", "65532"],
    fault: '--port-base is "65532", expected a whole number from 1 to 65531',
  },
  { args: ["--state"], fault: "--state: expected a value after it" },
  { args: ["--state", "--show-token"], fault: "--state: expected a value after it" },
  { args: ["--verbose"], fault: "--verbose: no such option; npm start -- --help lists them" },
  {
    args: ["--mcp-port", "7480"],
    fault: "--mcp-port is 7480, and so is --rest-port: expected five different ports",
  },
])("$args is refused: $fault", ({ args, fault }) => {
  expect(read(args)).toEqual({ kind: "faults", faults: [fault] });
});

test("all faults are told at once", () => {
  expect(read(["--rest-port", "x", "--nope"])).toMatchObject({ kind: "faults", faults: { length: 2 } });
});

test("help wins over everything else", () => {
  expect(read(["--nope", "--help"])).toEqual({ kind: "help" });
});

test("the highest base leaves room for every port", () => {
  expect(read(["--port-base", "65531"])).toMatchObject({ options: { ports: { agentHealth: 65_535 } } });
  expect(portPlan).toHaveLength(5);
});
