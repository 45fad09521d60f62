/** A look at the host for people who must understand it from afar. Reads only; bounded; secrets taken out on the way. */
import { access, readdir, readFile, statfs } from "node:fs/promises";
import { reasonOf } from "../../log.js";
import { parseStat } from "../../process-identity.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import { bytesText } from "./clean-directory.js";

interface Section {
  readonly name: string;
  readonly collect: (context: ActionContext) => Promise<string>;
}

/** What of a section stands in the result; the whole of it is in the output. */
const sectionShownMax = 8_192;
const sectionMax = 65_536;
const topCount = 30;

const sections: readonly Section[] = [
  {
    name: "uptime and load",
    collect: () =>
      lines(
        "/proc/uptime",
        "/proc/loadavg",
        "/proc/pressure/cpu",
        "/proc/pressure/io",
        "/proc/pressure/memory",
      ),
  },
  { name: "memory", collect: () => lines("/proc/meminfo") },
  { name: "top processes", collect: topProcesses },
  { name: "file systems", collect: fileSystems },
  { name: "mounts", collect: () => lines("/proc/self/mounts") },
  { name: "journal", collect: (context) => journalTail(context) },
  {
    name: "kernel messages",
    collect: (context) => program(["dmesg", "--ctime", "--level=emerg,alert,crit,err,warn"], context),
  },
];

export const collectDiagnostics: Action<"collect-diagnostics"> = {
  name: "collect-diagnostics",

  async preview(): Promise<Previewed> {
    const names = sections.map(({ name }) => name);
    const plan = {
      action: "collect-diagnostics",
      arguments: {},
      sections: names,
      inverse: "nothing-to-undo" as const,
    };
    return { kind: "planned", plan, summary: `would read ${names.join(", ")}; changes nothing` };
  },

  observed() {
    return {};
  },

  async run(_args, _plan, context): Promise<Done> {
    const found: Record<string, Json> = {};
    const failed: string[] = [];
    for (const { name, collect } of sections) {
      if (context.signal.aborted) break;
      let text: string;
      try {
        text = (await collect(context)).slice(0, sectionMax);
      } catch (error) {
        text = `not read: ${reasonOf(error)}`;
        failed.push(name);
      }
      context.say(`== ${name} ==\n${text.trimEnd()}`);
      found[name] = text.slice(0, sectionShownMax);
    }
    const read = Object.keys(found).length - failed.length;
    const summary = `read ${read} of ${sections.length} parts${failed.length > 0 ? `; not read: ${failed.join(", ")}` : ""}`;
    return { succeeded: read > 0, exitCode: read > 0 ? 0 : 1, summary, result: { sections: found, failed } };
  },

  async afterInterruption(): Promise<string> {
    return "it only reads, so nothing was changed";
  },
};

/** Files one after the other; those that this kernel does not have are left out. */
async function lines(...paths: readonly string[]): Promise<string> {
  const texts = await Promise.all(
    paths.map(async (path) => {
      const text = await readFile(path, "utf8").catch(() => undefined);
      return text === undefined ? [] : [`${path}: ${text.trim()}`];
    }),
  );
  return texts.flat().join("\n");
}

async function topProcesses(): Promise<string> {
  const pageBytes = 4096;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).slice(0, 20_000);
  const found: { readonly resident: number; readonly line: string }[] = [];
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
    const identity = parseStat(Number(pid), stat);
    if (identity === undefined) continue;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const resident = Number(fields[21]) * pageBytes;
    const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / 100;
    const name = identity.name.replace(/[^\x20-\x7e]/g, "?").slice(0, 32);
    found.push({
      resident,
      line: `${pid} ${name} ${bytesText(resident)} cpu ${cpuSeconds.toFixed(1)} s state ${fields[0]}`,
    });
  }
  found.sort((a, b) => b.resident - a.resident);
  return [
    `${found.length} processes; the largest:`,
    ...found.slice(0, topCount).map(({ line }) => line),
  ].join("\n");
}

async function fileSystems(): Promise<string> {
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n");
  const real = mounts.flatMap((line) => {
    const [device = "", at = "", type = ""] = line.split(" ");
    return device.startsWith("/") || type === "tmpfs" || type === "overlay"
      ? [{ at: unescapeMount(at), type }]
      : [];
  });
  const looked = await Promise.all(
    real.slice(0, 100).map(async ({ at, type }) => {
      try {
        const { blocks, bavail, bsize, files, ffree } = await statfs(at);
        const used = blocks === 0 ? 0 : (1 - bavail / blocks) * 100;
        return `${at} ${type} ${bytesText(blocks * bsize)} ${used.toFixed(1)} % used, ${files - ffree} of ${files} inodes`;
      } catch (error) {
        return `${at} ${type}: ${reasonOf(error)}`;
      }
    }),
  );
  return looked.join("\n");
}

/** Mount points have spaces and the like as octal escapes. */
function unescapeMount(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_whole, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

async function journalTail(context: ActionContext): Promise<string> {
  const there = await access("/run/systemd/system").then(
    () => true,
    () => false,
  );
  if (!there) return "this host does not run systemd";
  return program(["journalctl", "--no-pager", "--quiet", "--lines=300", "--priority=warning"], context);
}

async function program(argv: readonly string[], context: ActionContext): Promise<string> {
  let text = "";
  const end = await context.runProgram({
    argv,
    timeoutMs: 15_000,
    signal: context.signal,
    output: (_stream, piece) => {
      text = (text + piece).slice(-sectionMax);
    },
  });
  if (end.kind === "exited" && end.exitCode === 0) return text;
  throw new Error(
    `${argv[0]}: ${end.kind === "not-started" ? end.because : JSON.stringify(end)} ${text.slice(0, 200)}`,
  );
}
