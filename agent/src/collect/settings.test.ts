import { expect, test } from "vitest";
import { describeFault } from "../fields.js";
import { parseCollectSettings } from "./settings.js";

function faultsOf(value: unknown): string[] {
  return parseCollectSettings(value).faults.map(describeFault);
}

test("nothing at all is a configuration: 15 s, the host, certificates where servers keep them", () => {
  const { settings, faults } = parseCollectSettings(undefined);
  expect(faults).toEqual([]);
  expect(settings.intervalMs).toBe(15_000);
  expect(settings.scrape).toEqual([]);
  expect(settings.probes).toEqual([]);
  const globs = settings.certificates.files.map(({ glob }) => glob);
  expect(globs).toContain("/etc/letsencrypt/live/*/fullchain.pem");
  // The host's bundle of authorities is not a server's certificate.
  expect(globs.filter((glob) => glob.startsWith("/etc/ssl/certs"))).toEqual([]);
});

test("everything that can be said", () => {
  const { settings, faults } = parseCollectSettings({
    intervalMs: 5_000,
    roots: { proc: "/host/proc" },
    filesystem: { mountPointsExclude: "^/mnt", timeoutMs: 500 },
    network: { exclude: "^veth", devicesMax: 8 },
    certificates: {
      files: ["/a/*.pem", { glob: "/b/*.p12", passwordFile: "/b/password" }],
      endpoints: [
        "shop.example:443",
        { address: "[::1]:8443", serverName: "shop.example", caFile: "/ca.pem" },
      ],
    },
    services: { units: ["nginx.service", "getty@tty1.service"] },
    processes: {
      declared: [
        { name: "app", pidFile: "/run/app.pid" },
        { name: "job", command: "node job.js" },
      ],
      topCount: 0,
    },
    scrape: [
      { job: "mcp-server", url: "http://127.0.0.1:3000/metrics", labels: { tier: "1" } },
      { job: "mcp-server", url: "http://127.0.0.1:3001/metrics", intervalMs: 30_000, timeoutMs: 1_000 },
    ],
  });
  expect(faults).toEqual([]);
  expect(settings.roots).toEqual({ proc: "/host/proc", sys: "/sys" });
  expect(settings.certificates.files[1]).toEqual({ glob: "/b/*.p12", passwordFile: "/b/password" });
  expect(settings.certificates.endpoints).toEqual([
    { host: "shop.example", port: 443, serverName: "shop.example", caFile: undefined },
    { host: "::1", port: 8_443, serverName: "shop.example", caFile: "/ca.pem" },
  ]);
  expect(settings.processes.declared[1]).toEqual({
    name: "job",
    find: { kind: "command", contains: "node job.js" },
  });
  expect(settings.scrape.map(({ intervalMs, timeoutMs }) => [intervalMs, timeoutMs])).toEqual([
    [15_000, 10_000],
    [30_000, 1_000],
  ]);
});

test("all faults come at once, each with its place, what stands there and what was expected", () => {
  expect(
    faultsOf({
      intervalMs: 10,
      colour: "blue",
      filesystem: { mountPointsExclude: "(" },
      certificates: { files: ["relative.pem"], endpoints: ["shop.example", "shop.example:70000", 5] },
      services: { units: ["--help"], intervalMs: 1_000 },
      processes: { declared: [{ name: "both", pidFile: "/a", command: "b" }, { name: "neither" }] },
      scrape: [
        { url: "ftp://x/" },
        { job: "a", url: "http://h/", timeoutMs: 60_000, labels: { __name__: "x" } },
        "nonsense",
      ],
    }),
  ).toEqual([
    "collect.intervalMs: found 10, expected a whole number from 1000 to 240000",
    'collect.filesystem.mountPointsExclude: found "(", expected a regular expression',
    'collect.certificates.files[0].glob: found "relative.pem", expected an absolute path, in which *, ? and ** may stand',
    'collect.certificates.endpoints[0].address: found "shop.example", expected host:port, an IPv6 address in brackets',
    'collect.certificates.endpoints[1].address: found "shop.example:70000", expected a port from 1 to 65535',
    "collect.certificates.endpoints[2]: found 5, expected a mapping of names to values",
    "collect.certificates.endpoints[2].address: found nothing, expected host:port, an IPv6 address in brackets",
    'collect.services.units[0]: found "--help", expected a unit name such as "nginx.service"',
    "collect.services.intervalMs: found 1000, expected a whole number from 60000 to 3600000",
    'collect.processes.declared[0].pidFile: found "/a", expected either pidFile or command, and not both',
    "collect.processes.declared[1].pidFile: found nothing, expected either pidFile or command, and not both",
    'collect.scrape[2]: found "nonsense", expected a mapping of names to values',
    "collect.scrape[0].job: found nothing, expected the job's name, of 1 to 128 characters, which becomes the label job",
    "collect.scrape[0].url: found (not shown), expected a URL that begins with http:// or https://",
    'collect.scrape[1].labels.__name__: found "x", expected label names of letters, digits and _, not beginning with __, with texts',
    "collect.scrape[1].timeoutMs: found 60000, expected a whole number from 100 to 15000",
    "collect.scrape[2].job: found nothing, expected the job's name, of 1 to 128 characters, which becomes the label job",
    "collect.scrape[2].url: found nothing, expected a URL such as http://127.0.0.1:9100/metrics",
    expect.stringMatching(
      /^collect\.colour: found "blue", expected no such setting; known here: backups, certificates, disk,/u,
    ),
  ]);
});

test("a password in a URL is a fault and is not shown", () => {
  const faults = faultsOf({ scrape: [{ job: "a", url: "http://me:hunter2@h/" }] });
  expect(faults).toHaveLength(1);
  expect(faults[0]).not.toContain("hunter2");
});

test("two targets that would write the same series are a fault", () => {
  const target = { job: "a", url: "http://h:1/metrics" };
  expect(faultsOf({ scrape: [target, { ...target, url: "http://h:2/metrics" }] })).toEqual([]);
  expect(faultsOf({ scrape: [target, target] })[0]).toContain("collect.scrape[1].labels");
  expect(faultsOf({ scrape: [target, { ...target, labels: { tier: "2" } }] })).toEqual([]);
});

test("there are bounds to the lists", () => {
  const scrape = Array.from({ length: 65 }, (_, i) => ({ job: "a", url: `http://h:${i + 1}/` }));
  expect(faultsOf({ scrape })).toEqual(["collect.scrape: found 65, expected at most 64 items"]);
});

test("probes: a name once, a URL, at most every second", () => {
  const { settings, faults } = parseCollectSettings({
    probes: [{ name: "api-eu", url: "https://eu.example/health/failover" }],
  });
  expect(faults).toEqual([]);
  expect(settings.probes).toMatchObject([{ name: "api-eu", intervalMs: 30_000, timeoutMs: 5_000 }]);
  const url = "https://eu.example/";
  expect(
    faultsOf({
      probes: [
        { name: "a", url },
        { name: "a", url },
      ],
    }).join(),
  ).toContain("collect.probes[1].name");
  expect(faultsOf({ probes: [{ name: "A", url: "ftp://x", intervalMs: 10 }] })).toHaveLength(3);
});
