/**
 * Directories held open, and what lies in them reached through the open directory (Linux: /proc/self/fd). A path that is
 * checked and then used can be swapped in between; an open directory cannot.
 */
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, opendir, realpath, unlink } from "node:fs/promises";

/** An open directory. */
export class OpenDirectory {
  readonly #handle: FileHandle;
  readonly #self: string;

  private constructor(
    handle: FileHandle,
    readonly device: number,
  ) {
    this.#handle = handle;
    this.#self = `/proc/self/fd/${handle.fd}`;
  }

  /** Opens a directory by a path in which every link was already followed; one that is a link now is refused. */
  static async at(path: string): Promise<OpenDirectory> {
    const directory = await OpenDirectory.#open(path);
    const now = await realpath(directory.#self);
    if (now !== path) {
      await directory.close();
      throw new Error(`${path}: opening it led to ${now}; a part of the path is a link`);
    }
    return directory;
  }

  /** Opens a directory inside this one. Throws when it is a link, or is no longer a directory. */
  inside(name: string): Promise<OpenDirectory> {
    return OpenDirectory.#open(`${this.#self}/${name}`);
  }

  /** Where it is now, for people. */
  path(): Promise<string> {
    return realpath(this.#self);
  }

  /** What a name in it is; links are not followed. */
  look(name: string): Promise<Stats> {
    return lstat(`${this.#self}/${name}`);
  }

  /** Deletes a name in it. */
  async remove(name: string): Promise<void> {
    await unlink(`${this.#self}/${name}`);
  }

  /** The names in it, a batch at a time: a directory of millions is never in memory as a whole. */
  async *names(): AsyncGenerator<string> {
    const directory = await opendir(this.#self, { bufferSize: 256 });
    for await (const entry of directory) yield entry.name;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  static async #open(path: string): Promise<OpenDirectory> {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      return new OpenDirectory(handle, (await handle.stat()).dev);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }
}
