import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { kernelNumber, ProcFile } from "./proc-file.js";

/** Which of the kernel's hundreds of protocol counters are worth keeping: the choice that node_exporter made. */
const WANTED =
  /^(?:.*_(?:InErrors|InErrs)|Ip_Forwarding|Ip(?:6|Ext)_(?:InOctets|OutOctets)|Icmp6?_(?:InMsgs|OutMsgs)|TcpExt_(?:Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(?:ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(?:InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$/u;

const V6_PROTOCOLS = /^(Ip6|Icmp6|UdpLite6|Udp6)(.+)$/u;

/** One counter that is wanted: its line, its place among the line's words, its series. */
interface WantedCounter {
  readonly line: number;
  readonly word: number;
  readonly series: Series;
}

/**
 * /proc/net/netstat and snmp (a line of names, a line of values), and snmp6 (a name and a value a line). The names of a
 * kernel do not change while it runs, so they are read once and values are taken by their place.
 */
export class NetstatReader implements HostReader {
  readonly name = "netstat";
  readonly #common: LabelSet;
  readonly #tables: { readonly file: ProcFile; wanted: readonly WantedCounter[] | undefined }[];
  readonly #v6: ProcFile;
  #v6Wanted: readonly WantedCounter[] | undefined;
  #hasV6 = true;

  constructor(roots: HostRoots, common: LabelSet) {
    this.#common = common;
    this.#tables = ["netstat", "snmp"].map((file) => ({
      file: new ProcFile(`${roots.proc}/net/${file}`, 8_192, "oneRead"),
      wanted: undefined,
    }));
    this.#v6 = new ProcFile(`${roots.proc}/net/snmp6`, 8_192, "oneRead");
  }

  read(into: Columns): void {
    for (const table of this.#tables) {
      const lines = table.file.text().split("\n");
      table.wanted ??= wantedOfPairs(lines, this.#common);
      let cut = -1;
      let words: readonly string[] = [];
      for (const { line, word, series } of table.wanted) {
        if (line !== cut) words = lines[line]?.split(" ") ?? [];
        cut = line;
        into.put(series, kernelNumber(words[word]));
      }
    }
    this.#readV6(into);
  }

  close(): void {
    for (const { file } of this.#tables) file.close();
    this.#v6.close();
  }

  #readV6(into: Columns): void {
    // A kernel without IPv6 has no such file, and that is no failure.
    if (!this.#hasV6) return;
    let lines: readonly string[];
    try {
      lines = this.#v6.text().split("\n");
    } catch {
      this.#hasV6 = false;
      return;
    }
    this.#v6Wanted ??= wantedOfV6(lines, this.#common);
    for (const { line, word, series } of this.#v6Wanted)
      into.put(series, kernelNumber(lines[line]?.slice(word)));
  }
}

/** Of each pair of lines the counters that are wanted, with the line of values. */
function wantedOfPairs(lines: readonly string[], common: LabelSet): WantedCounter[] {
  const wanted: WantedCounter[] = [];
  for (let line = 0; line + 1 < lines.length; line += 2) {
    const [protocol = "", ...names] = (lines[line] ?? "").trimEnd().split(" ");
    for (const [i, name] of names.entries()) {
      const key = `${protocol.replace(":", "")}_${name}`;
      if (!WANTED.test(key)) continue;
      wanted.push({ line: line + 1, word: i + 1, series: makeSeries(`node_netstat_${key}`, {}, common) });
    }
  }
  return wanted;
}

/** Of each line the counter, when it is wanted; `word` is where its number begins. */
function wantedOfV6(lines: readonly string[], common: LabelSet): WantedCounter[] {
  return lines.flatMap((text, line) => {
    const match = /^(\S+)\s+/u.exec(text);
    const key = match?.[1]?.replace(V6_PROTOCOLS, "$1_$2");
    if (match === null || key === undefined || !WANTED.test(key)) return [];
    return [{ line, word: match[0].length, series: makeSeries(`node_netstat_${key}`, {}, common) }];
  });
}

/** /proc/net/sockstat and sockstat6: sockets in use, by protocol. */
export class SockstatReader implements HostReader {
  readonly name = "sockstat";
  readonly #common: LabelSet;
  readonly #files: ProcFile[];
  readonly #series = new Map<string, Series>();
  readonly #pageBytes: number;

  constructor(roots: HostRoots, common: LabelSet, pageBytes: number) {
    this.#common = common;
    this.#pageBytes = pageBytes;
    this.#files = ["sockstat", "sockstat6"].map(
      (file) => new ProcFile(`${roots.proc}/net/${file}`, 1_024, "oneRead"),
    );
  }

  read(into: Columns): void {
    const [v4, v6] = this.#files as [ProcFile, ProcFile];
    this.#readFile(into, v4);
    try {
      this.#readFile(into, v6);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #readFile(into: Columns, file: ProcFile): void {
    for (const line of file.text().trimEnd().split("\n")) {
      const [protocol = "", ...words] = line.split(" ");
      for (let i = 0; i + 1 < words.length; i += 2) {
        const name = words[i] as string;
        const value = kernelNumber(words[i + 1]);
        into.put(this.#seriesOf(protocol, name), value);
        // The kernel counts this one in pages.
        if (name === "mem") into.put(this.#seriesOf(protocol, "mem_bytes"), value * this.#pageBytes);
      }
    }
  }

  #seriesOf(protocol: string, name: string): Series {
    const key = `${protocol.slice(0, -1)}_${name}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = makeSeries(`node_sockstat_${key}`, {}, this.#common);
      this.#series.set(key, series);
    }
    return series;
  }
}
