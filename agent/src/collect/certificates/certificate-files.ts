import { X509Certificate } from "node:crypto";
import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import type { CertificateFiles } from "../collect-settings.js";
import type { FoundCertificate } from "../reading.js";
import { describeCertificate, unreadable } from "./describe-certificate.js";
import { expandGlob, isGlob } from "./glob.js";
import { splitCertificates } from "./split-certificates.js";

/** The most that a certificate file may have; a keystore of a hundred chains has about this. */
const FILE_BYTES_MAX = 1_048_576;
/** The most files that are watched, over all globs. */
export const FILES_MAX = 500;

/** A file's certificates, or why there are none. */
export interface CertificateFile {
  readonly path: string;
  readonly certificates: readonly FoundCertificate[];
  /** Its one entry says why it could not be read. */
  readonly failed: boolean;
}

interface Cached {
  readonly stamp: string;
  readonly file: CertificateFile | undefined;
}

/** Looks for certificates in files. A file is read again only when its inode, size or time of change is another. */
export class CertificateFileSource {
  readonly #sources: readonly CertificateFiles[];
  #cache = new Map<string, Cached>();

  constructor(sources: readonly CertificateFiles[]) {
    this.#sources = sources;
  }

  /** One look. Does not throw; what cannot be read is an entry with the reason. */
  async look(): Promise<readonly CertificateFile[]> {
    const seen = new Map<string, Cached>();
    for (const source of this.#sources) {
      const { paths } = await expandGlob(source.glob, FILES_MAX);
      for (const path of paths) {
        if (seen.size >= FILES_MAX) break;
        if (!seen.has(path)) seen.set(path, await this.#file(path, source));
      }
    }
    this.#cache = seen;
    return [...seen.values()].flatMap(({ file }) => (file === undefined ? [] : [file]));
  }

  async #file(path: string, source: CertificateFiles): Promise<Cached> {
    const named = !isGlob(source.glob);
    let handle: Awaited<ReturnType<typeof open>> | undefined;
    try {
      // Not blocking: a pipe under a watched name would hold a thread of the pool until someone writes to it.
      handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const stats = await handle.stat();
      const { ino, size, mtimeMs, ctimeMs } = stats;
      const stamp = `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
      const cached = this.#cache.get(path);
      if (cached?.stamp === stamp) return cached;
      if (!stats.isFile()) return { stamp, file: named ? failed(path, "not a regular file") : undefined };
      if (size > FILE_BYTES_MAX)
        return { stamp, file: failed(path, `${size} bytes, expected at most ${FILE_BYTES_MAX}`) };
      return { stamp, file: await this.#read(path, await handle.readFile(), source, named) };
    } catch (error) {
      return { stamp: "", file: failed(path, error instanceof Error ? error.message : String(error)) };
    } finally {
      await handle?.close();
    }
  }

  async #read(
    path: string,
    bytes: Buffer,
    source: CertificateFiles,
    named: boolean,
  ): Promise<CertificateFile | undefined> {
    const password = source.passwordFile === undefined ? "" : await passwordFrom(source.passwordFile);
    const from = `file:${path}`;
    try {
      const split = await splitCertificates(bytes, password);
      // What a wildcard meets by the way (keys, parameters) is nobody's fault; what is named has to be there.
      if (split.kind === "none" && !named) return undefined;
      if (split.kind !== "certificates") return failed(path, split.because);
      const certificates = split.der.map((der, i) => describeCertificate(new X509Certificate(der), from, i));
      return { path, certificates, failed: false };
    } catch (error) {
      return failed(path, `not a certificate (${error instanceof Error ? error.message : String(error)})`);
    } finally {
      // The file may have held a private key too; nothing that is kept points into these bytes.
      bytes.fill(0);
    }
  }
}

async function passwordFrom(path: string): Promise<string> {
  const text = await readFile(path, "utf8");
  return text.replace(/\r?\n$/u, "");
}

function failed(path: string, because: string): CertificateFile {
  return { path, certificates: [unreadable(`file:${path}`, because)], failed: true };
}
