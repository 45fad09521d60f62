import { unlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Columns } from "../columns.js";
import type { Reading } from "../reading.js";
import { FixtureHost } from "../testing/fixture-host.js";
import { linesOf } from "../testing/read-out.js";
import { TurnedClock } from "../testing/turned-clock.js";
import { DISK_EXCLUDE, DiskReader } from "./disk.js";
import { HostGroup } from "./host-group.js";
import type { HostReader } from "./host-reader.js";
import { PressureReader, SoftnetReader, VmstatReader } from "./kernel.js";
import { MemoryReader, memoryMetricName } from "./memory.js";
import { NetworkReader } from "./network.js";
import { NetstatReader, SockstatReader } from "./network-counters.js";
import { numbersReaders } from "./numbers.js";
import { pageBytesOf } from "./page-size.js";
import { StatReader } from "./stat.js";
import { OsReader, parseOsRelease } from "./system-facts.js";

let host: FixtureHost;
beforeEach(() => {
  host = new FixtureHost();
});
afterEach(() => host.remove());

/** Reads once and gives the lines, farewells included. */
function readOnce(reader: HostReader, columns = new Columns()): string[] {
  reader.read(columns, 1_000);
  return columns.finish(1_000).flatMap(linesOf);
}

const stat = (cpu1: string): string => `cpu  300 0 0 0 0 0 0 0 0 0
cpu0 100 20 30 4000 50 6 7 8 90 10
${cpu1}intr 987654 ${"0 ".repeat(5_000)}
ctxt 4321
btime 1700000000
processes 777
procs_running 3
procs_blocked 1
softirq 5 1 2 3
`;

test("/proc/stat: seconds a CPU and mode, and the kernel's counters; the sum over all CPUs is left out", () => {
  host.write("stat", stat(""));
  expect(readOnce(new StatReader(host.roots, {}))).toEqual([
    'node_cpu_seconds_total{cpu="0",mode="user"} 1',
    'node_cpu_seconds_total{cpu="0",mode="nice"} 0.2',
    'node_cpu_seconds_total{cpu="0",mode="system"} 0.3',
    'node_cpu_seconds_total{cpu="0",mode="idle"} 40',
    'node_cpu_seconds_total{cpu="0",mode="iowait"} 0.5',
    'node_cpu_seconds_total{cpu="0",mode="irq"} 0.06',
    'node_cpu_seconds_total{cpu="0",mode="softirq"} 0.07',
    'node_cpu_seconds_total{cpu="0",mode="steal"} 0.08',
    'node_cpu_guest_seconds_total{cpu="0",mode="user"} 0.9',
    'node_cpu_guest_seconds_total{cpu="0",mode="nice"} 0.1',
    "node_intr_total 987654",
    "node_context_switches_total 4321",
    "node_boot_time_seconds 1700000000",
    "node_forks_total 777",
    "node_procs_running 3",
    "node_procs_blocked 1",
  ]);
});

test("a CPU that comes and goes takes only its own series with it", () => {
  const reader = new StatReader(host.roots, {});
  const columns = new Columns();
  host.write("stat", stat("cpu1 1 1 1 1 1 1 1 1 1 1\n"));
  expect(readOnce(reader, columns)).toHaveLength(26);
  host.write("stat", stat(""));
  const lines = readOnce(reader, columns);
  expect(lines.filter((line) => line.endsWith("stale"))).toHaveLength(10);
  expect(lines.filter((line) => line.endsWith("stale") && !line.includes('cpu="1"'))).toEqual([]);
});

test.each([
  { what: "a step back under 3 s is held, as a counter must not fall", idle: 3_701, seconds: "40" },
  { what: "a step back of 3 s is a CPU that was changed", idle: 3_700, seconds: "37" },
])("$what", ({ idle, seconds }) => {
  const reader = new StatReader(host.roots, {});
  host.write("stat", stat(""));
  readOnce(reader);
  host.write("stat", stat("").replace(" 4000 ", ` ${idle} `));
  expect(readOnce(reader)).toContain(`node_cpu_seconds_total{cpu="0",mode="idle"} ${seconds}`);
});

test("a stat without CPUs is a failure and not an empty reading", () => {
  host.write("stat", "ctxt 1\n");
  expect(() => readOnce(new StatReader(host.roots, {}))).toThrow('no line begins with "cpu0"');
});

test("/proc/meminfo: bytes where the kernel says kB, counts where it does not", () => {
  host.write("meminfo", "MemTotal:       2048 kB\nActive(anon):   1 kB\nHugePages_Total:       3\nOdd:\n");
  expect(readOnce(new MemoryReader(host.roots, { job: "node" }))).toEqual([
    'node_memory_MemTotal_bytes{job="node"} 2097152',
    'node_memory_Active_anon_bytes{job="node"} 1024',
    'node_memory_HugePages_Total{job="node"} 3',
  ]);
  expect(memoryMetricName("Inactive(file)", true)).toBe("node_memory_Inactive_file_bytes");
});

const netDev = (devices: readonly string[]): string =>
  `Inter-|   Receive   |  Transmit\n face |bytes |bytes\n${devices
    .map((device, i) => `${device.padStart(6)}:${i}1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n`)
    .join("")}`;

test("/proc/net/dev: sixteen counters a device, also where a number touches the colon", () => {
  host.write("net/dev", netDev(["eth0"]));
  const lines = readOnce(new NetworkReader(host.roots, {}, { exclude: undefined, devicesMax: 64 }));
  expect(lines).toHaveLength(16);
  expect(lines[0]).toBe('node_network_receive_bytes_total{device="eth0"} 1');
  expect(lines[3]).toBe('node_network_receive_drop_total{device="eth0"} 4');
  expect(lines[8]).toBe('node_network_transmit_bytes_total{device="eth0"} 9');
  expect(lines[15]).toBe('node_network_transmit_compressed_total{device="eth0"} 16');
});

test("devices are left out by expression and by number", () => {
  host.write("net/dev", netDev(["lo", "veth1", "eth0", "eth1", "eth2"]));
  const reader = new NetworkReader(host.roots, {}, { exclude: /^veth/u, devicesMax: 3 });
  const devices = new Set(readOnce(reader).map((line) => /device="(\w+)"/u.exec(line)?.[1]));
  expect([...devices]).toEqual(["lo", "eth0", "eth1"]);
});

test("a device that goes away is marked stale and its place is taken by no other", () => {
  const reader = new NetworkReader(host.roots, {}, { exclude: undefined, devicesMax: 64 });
  const columns = new Columns();
  host.write("net/dev", netDev(["eth0", "tun0", "eth1"]));
  readOnce(reader, columns);
  host.write("net/dev", netDev(["eth0", "eth1"]));
  const lines = readOnce(reader, columns);
  expect(lines.filter((line) => line.endsWith(" stale"))).toHaveLength(16);
  expect(lines).toContain('node_network_receive_bytes_total{device="tun0"} stale');
  expect(lines).toContain('node_network_receive_bytes_total{device="eth1"} 11');
});

test("/proc/diskstats: sectors are 512 bytes, times are ms, old kernels have fewer columns", () => {
  host.write(
    "diskstats",
    `   8  0 sda 1 2 3 4000 5 6 7 8000 9 10000 11000 12 13 14 15000 16 17000
   8  1 sda1 1 1 1 1 1 1 1 1 1 1 1
 253  0 dm-0 1 2 3 4000 5 6 7 8000 9 10000 11000
 259  0 nvme0n1 1 0 0 0 0 0 0 0 0 0 0
 259  1 nvme0n1p1 1 0 0 0 0 0 0 0 0 0 0
   7  0 loop0 0 0 0 0 0 0 0 0 0 0 0
`,
  );
  const lines = readOnce(new DiskReader(host.roots, {}, { exclude: DISK_EXCLUDE, devicesMax: 64 }));
  expect(lines.filter((line) => line.includes('device="sda"'))).toEqual(
    [
      "reads_completed_total 1",
      "reads_merged_total 2",
      "read_bytes_total 1536",
      "read_time_seconds_total 4",
      "writes_completed_total 5",
      "writes_merged_total 6",
      "written_bytes_total 3584",
      "write_time_seconds_total 8",
      "io_now 9",
      "io_time_seconds_total 10",
      "io_time_weighted_seconds_total 11",
      "discards_completed_total 12",
      "discards_merged_total 13",
      "discarded_sectors_total 14",
      "discard_time_seconds_total 15",
      "flush_requests_total 16",
      "flush_requests_time_seconds_total 17",
    ].map((line) => `node_disk_${line.replace(" ", '{device="sda"} ')}`),
  );
  expect(lines.filter((line) => line.includes('device="dm-0"'))).toHaveLength(11);
  expect(new Set(lines.map((line) => /device="([\w-]+)"/u.exec(line)?.[1]))).toEqual(
    new Set(["sda", "dm-0", "nvme0n1"]),
  );
});

test("files of numbers: load, file handles, entropy; a host without conntrack has no such source", () => {
  host.write("loadavg", "0.12 1.50 20.00 3/456 789\n");
  host.write("sys/fs/file-nr", "1216\t0\t9223372036854775807\n");
  host.write("sys/kernel/random/entropy_avail", "256\n");
  host.write("sys/kernel/random/poolsize", "256\n");
  const readers = numbersReaders(host.roots, {});
  expect(readers.map(({ name }) => name)).toEqual(["loadavg", "filefd", "entropy"]);
  expect(readers.flatMap((reader) => readOnce(reader))).toEqual([
    "node_load1 0.12",
    "node_load5 1.5",
    "node_load15 20",
    "node_filefd_allocated 1216",
    "node_filefd_maximum 9223372036854776000",
    "node_entropy_available_bits 256",
    "node_entropy_pool_size_bits 256",
  ]);
});

test("/proc/vmstat keeps the counters of paging and killing", () => {
  host.write(
    "vmstat",
    "nr_free_pages 5\npgpgin 10\npgpgout 20\npswpin 1\npgfault 7\npgmajfault 2\noom_kill 3\nthp_x 9\n",
  );
  expect(readOnce(new VmstatReader(host.roots, {}))).toEqual([
    "node_vmstat_pgpgin 10",
    "node_vmstat_pgpgout 20",
    "node_vmstat_pswpin 1",
    "node_vmstat_pgfault 7",
    "node_vmstat_pgmajfault 2",
    "node_vmstat_oom_kill 3",
  ]);
});

test("/proc/pressure: totals in seconds; fully stalled on CPU is no figure of a host", () => {
  const text = (some: number, full: number): string =>
    `some avg10=0.00 avg60=1.00 avg300=2.00 total=${some}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=${full}\n`;
  host.write("pressure/cpu", text(1_500_000, 0));
  host.write("pressure/io", text(2_000_000, 250_000));
  host.write("pressure/memory", text(0, 0));
  expect(readOnce(new PressureReader(host.roots, {}))).toEqual([
    "node_pressure_cpu_waiting_seconds_total 1.5",
    "node_pressure_io_waiting_seconds_total 2",
    "node_pressure_io_stalled_seconds_total 0.25",
    "node_pressure_memory_waiting_seconds_total 0",
    "node_pressure_memory_stalled_seconds_total 0",
  ]);
});

test("/proc/net/softnet_stat is hexadecimal", () => {
  host.write("net/softnet_stat", "0000000d 00000001 000000ff 0 0\n00001e17 00000000 00000000 0 0\n");
  expect(readOnce(new SoftnetReader(host.roots, {}))).toEqual([
    'node_softnet_processed_total{cpu="0"} 13',
    'node_softnet_dropped_total{cpu="0"} 1',
    'node_softnet_times_squeezed_total{cpu="0"} 255',
    'node_softnet_processed_total{cpu="1"} 7703',
    'node_softnet_dropped_total{cpu="1"} 0',
    'node_softnet_times_squeezed_total{cpu="1"} 0',
  ]);
});

test("protocol counters are taken by their place, negative ones too; without IPv6 there are those of IPv4", () => {
  host.write(
    "net/netstat",
    "TcpExt: SyncookiesSent Other ListenDrops\nTcpExt: 1 2 3\nIpExt: InOctets X\nIpExt: 44 5\n",
  );
  host.write("net/snmp", "Tcp: MaxConn CurrEstab InErrs Tail\nTcp: -1 17 0 9\n");
  const v4 = [
    "node_netstat_TcpExt_SyncookiesSent 1",
    "node_netstat_TcpExt_ListenDrops 3",
    "node_netstat_IpExt_InOctets 44",
    "node_netstat_Tcp_CurrEstab 17",
    "node_netstat_Tcp_InErrs 0",
  ];
  expect(readOnce(new NetstatReader(host.roots, {}))).toEqual(v4);
  host.write("net/snmp6", "Ip6InOctets                     \t128\nIp6InDiscards \t5\nUdp6NoPorts \t2\n");
  const reader = new NetstatReader(host.roots, {});
  expect(readOnce(reader)).toEqual([...v4, "node_netstat_Ip6_InOctets 128", "node_netstat_Udp6_NoPorts 2"]);
  expect(readOnce(reader)).toHaveLength(7);
});

test("/proc/net/sockstat: memory in pages and in bytes", () => {
  host.write("net/sockstat", "sockets: used 46\nTCP: inuse 18 mem 10\n");
  expect(readOnce(new SockstatReader(host.roots, {}, 65_536))).toEqual([
    "node_sockstat_sockets_used 46",
    "node_sockstat_TCP_inuse 18",
    "node_sockstat_TCP_mem 10",
    "node_sockstat_TCP_mem_bytes 655360",
  ]);
});

test("the page size stands in the auxiliary vector, and is 4 KiB when it does not", () => {
  const auxv = Buffer.alloc(32);
  auxv.writeBigUInt64LE(6n, 16);
  auxv.writeBigUInt64LE(65_536n, 24);
  expect(pageBytesOf(auxv)).toBe(65_536);
  expect(pageBytesOf(Buffer.alloc(32))).toBe(4_096);
});

test("os-release: quotes and escapes are taken off", () => {
  const text = 'PRETTY_NAME="Some \\"OS\\" 12"\nID=some\n# comment\nVERSION_ID="12.4.1"\nNAME=\'Some OS\'\n';
  expect(parseOsRelease(text).get("PRETTY_NAME")).toBe('Some "OS" 12');
  expect(readOnce(new OsReader(text, {}))).toEqual([
    'node_os_info{id="some",name="Some OS",pretty_name="Some \\"OS\\" 12",version_id="12.4.1"} 1',
    'node_os_version{id="some",name="Some OS"} 12.4',
  ]);
});

test("a source that fails costs its own series, says so once, and comes back", () => {
  host.write("meminfo", "MemTotal: 1 kB\n");
  host.write("stat", stat(""));
  const said: string[] = [];
  const group = new HostGroup(
    [new MemoryReader(host.roots, {}), new StatReader(host.roots, {})],
    {},
    new TurnedClock(),
    (_, sentence, facts) => said.push(`${sentence}: ${facts["collector"]}`),
  );
  const read = (): string[] => group.read(1).flatMap((reading: Reading) => linesOf(reading));
  expect(read()).toContain('node_scrape_collector_success{collector="stat"} 1');
  host.write("stat", "nothing of use\n");
  for (let i = 0; i < 3; i++) {
    const lines = read();
    expect(lines).toContain('node_scrape_collector_success{collector="stat"} 0');
    expect(lines).toContain("node_memory_MemTotal_bytes 1024");
    expect(lines.filter((line) => line.includes("node_cpu") && line.endsWith("stale"))).toHaveLength(
      i === 0 ? 10 : 0,
    );
  }
  host.write("stat", stat(""));
  expect(read()).toContain('node_cpu_seconds_total{cpu="0",mode="user"} 1');
  expect(said).toEqual([
    "A source of host metrics cannot be read: stat",
    "A source of host metrics can be read again: stat",
  ]);
  group.close();
});

test("a file that is replaced under its path is opened anew after it failed", () => {
  const path = host.write("meminfo", "MemTotal: 1 kB\n");
  const reader = new MemoryReader(host.roots, {});
  readOnce(reader);
  reader.close();
  unlinkSync(path);
  expect(() => readOnce(reader)).toThrow("ENOENT");
  host.write("meminfo", "MemTotal: 2 kB\n");
  expect(readOnce(reader)).toEqual(["node_memory_MemTotal_bytes 2048"]);
  expect(join(host.root, "meminfo")).toBe(path);
});

test("a text longer than the kept buffer is read whole", () => {
  const lines = Array.from({ length: 5_000 }, (_, i) => `Key${i}: ${i} kB\n`);
  host.write("meminfo", lines.join(""));
  expect(readOnce(new MemoryReader(host.roots, {}))).toHaveLength(5_000);
});
