import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import { ByteCursor } from "./bytes.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { ProcFile } from "./proc-file.js";

const COLON = 58;

/** Which of the kernel's hundreds of protocol counters are worth keeping: the choice that node_exporter made. */
const WANTED =
  /^(?:.*_(?:InErrors|InErrs)|Ip_Forwarding|Ip(?:6|Ext)_(?:InOctets|OutOctets)|Icmp6?_(?:InMsgs|OutMsgs)|TcpExt_(?:Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(?:ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(?:InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$/u;

const V6_PROTOCOLS = /^(Ip6|Icmp6|UdpLite6|Udp6)(.+)$/u;

/**
 * /proc/net/netstat and snmp (a line of names, a line of values), and snmp6 (a name and a value a line). The names of a
 * kernel do not change while it runs, so they are read once and values are taken by their place.
 */
export class NetstatReader implements HostReader {
  readonly name = "netstat";
  readonly #cursor = new ByteCursor();
  readonly #common: LabelSet;
  readonly #tables: { readonly file: ProcFile; lines: (readonly (Series | undefined)[])[] | undefined }[];
  readonly #v6: ProcFile;
  readonly #v6Series = new Map<string, Series | undefined>();
  #hasV6 = true;

  constructor(roots: HostRoots, common: LabelSet) {
    this.#common = common;
    this.#tables = ["netstat", "snmp"].map((file) => ({
      file: new ProcFile(`${roots.proc}/net/${file}`, 8_192),
      lines: undefined,
    }));
    this.#v6 = new ProcFile(`${roots.proc}/net/snmp6`, 8_192);
  }

  read(into: Columns): void {
    for (const table of this.#tables) {
      const cursor = table.file.readInto(this.#cursor);
      table.lines ??= this.#namesOf(cursor);
      cursor.rewind();
      for (const series of table.lines) {
        cursor.nextLine();
        cursor.word();
        for (const metric of series) {
          if (metric === undefined) cursor.skipWords(1);
          else into.put(metric, cursor.number());
        }
        cursor.nextLine();
      }
    }
    this.#readV6(into);
  }

  close(): void {
    for (const { file } of this.#tables) file.close();
    this.#v6.close();
  }

  /** For each pair of lines the series by place, up to the last that is wanted. */
  #namesOf(cursor: ByteCursor): (readonly (Series | undefined)[])[] {
    const lines: (readonly (Series | undefined)[])[] = [];
    for (; !cursor.done; cursor.nextLine()) {
      const protocol = cursor.word(COLON);
      cursor.skipByte();
      const series: (Series | undefined)[] = [];
      let last = 0;
      for (let name = cursor.word(); name !== ""; name = cursor.word()) {
        const key = `${protocol}_${name}`;
        const wanted = WANTED.test(key);
        series.push(wanted ? makeSeries(`node_netstat_${key}`, {}, this.#common) : undefined);
        if (wanted) last = series.length;
      }
      series.length = last;
      lines.push(series);
      cursor.nextLine();
    }
    return lines;
  }

  #readV6(into: Columns): void {
    // A kernel without IPv6 has no such file, and that is no failure.
    if (!this.#hasV6) return;
    let cursor: ByteCursor;
    try {
      cursor = this.#v6.readInto(this.#cursor);
    } catch {
      this.#hasV6 = false;
      return;
    }
    for (; !cursor.done; cursor.nextLine()) {
      const name = cursor.word();
      let series = this.#v6Series.get(name);
      if (series === undefined && !this.#v6Series.has(name)) {
        const key = name.replace(V6_PROTOCOLS, "$1_$2");
        series = WANTED.test(key) ? makeSeries(`node_netstat_${key}`, {}, this.#common) : undefined;
        this.#v6Series.set(name, series);
      }
      if (series !== undefined) into.put(series, cursor.number());
    }
  }
}

/** /proc/net/sockstat and sockstat6: sockets in use, by protocol. */
export class SockstatReader implements HostReader {
  readonly name = "sockstat";
  readonly #cursor = new ByteCursor();
  readonly #common: LabelSet;
  readonly #files: ProcFile[];
  readonly #series = new Map<string, Series>();
  readonly #pageBytes: number;

  constructor(roots: HostRoots, common: LabelSet, pageBytes: number) {
    this.#common = common;
    this.#pageBytes = pageBytes;
    this.#files = ["sockstat", "sockstat6"].map((file) => new ProcFile(`${roots.proc}/net/${file}`, 1_024));
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
    const cursor = file.readInto(this.#cursor);
    for (; !cursor.done; cursor.nextLine()) {
      const protocol = cursor.word(COLON);
      cursor.skipByte();
      for (let name = cursor.word(); name !== ""; name = cursor.word()) {
        const value = cursor.number();
        into.put(this.#seriesOf(protocol, name), value);
        // The kernel counts this one in pages.
        if (name === "mem") into.put(this.#seriesOf(protocol, "mem_bytes"), value * this.#pageBytes);
      }
    }
  }

  #seriesOf(protocol: string, name: string): Series {
    const key = `${protocol}_${name}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = makeSeries(`node_sockstat_${key}`, {}, this.#common);
      this.#series.set(key, series);
    }
    return series;
  }
}
