/**
 * Reads chunks page by page, with the names that each page needs for the first time.
 */
import { OpsError } from "../kernel/errors.js";
import type { Instant } from "../kernel/time.js";
import type { ChunkStore } from "./chunks.store.js";
import type { StoredChunks } from "./store-protocol.js";

/** Rows of one page: some megabytes. */
const PAGE_ROWS = 500;
/** Unpacked bytes one query may read back: some 40 million samples. */
const QUERY_BYTES_MAX = 64 * 1024 * 1024;

/** What to read. */
export interface ChunkRange {
  readonly from: Instant;
  readonly to: Instant;
  /** Longest stretch of one chunk. */
  readonly spanMax: number;
  readonly nodeNames: readonly string[] | undefined;
}

/** All chunks of the range, oldest writing first. The next page is read while the one before is worked off. */
export async function* readChunkPages(store: ChunkStore, range: ChunkRange): AsyncGenerator<StoredChunks> {
  const known = new Set<string>();
  const page = async (afterId: string) => {
    const chunks = await store.read({ ...range, afterId, limit: PAGE_ROWS });
    const digests = [...new Set(chunks.flatMap((chunk) => chunk.digests))].filter(
      (digest) => !known.has(digest),
    );
    const days = [...new Set(chunks.map((chunk) => chunk.day))];
    const names = digests.length === 0 ? [] : [...(await store.names(days, digests))];
    return { chunks, names };
  };
  let next: ReturnType<typeof page> | undefined = page("0");
  while (next !== undefined) {
    const { chunks, names }: Awaited<ReturnType<typeof page>> = await next;
    for (const [digest] of names) known.add(digest);
    const last = chunks.at(-1);
    next = last === undefined || chunks.length < PAGE_ROWS ? undefined : page(last.id);
    // Heard of when it is awaited; until then a failure must not count as unhandled.
    next?.catch(() => {});
    if (chunks.length > 0) {
      yield { names, chunks: chunks.map(({ node, digests, parts }) => ({ node, digests, parts })) };
    }
  }
}

/** The chunks of one query in one piece. Throws RESOURCE_EXHAUSTED when they are more than a query may read. */
export async function readForQuery(store: ChunkStore, range: ChunkRange): Promise<StoredChunks> {
  const names: StoredChunks["names"][number][] = [];
  const chunks: StoredChunks["chunks"][number][] = [];
  let bytes = 0;
  for await (const page of readChunkPages(store, range)) {
    names.push(...page.names);
    for (const chunk of page.chunks) {
      bytes += chunk.parts.byteLength;
      chunks.push(chunk);
    }
    if (bytes > QUERY_BYTES_MAX) {
      throw new OpsError(
        "RESOURCE_EXHAUSTED",
        `the query reads more than ${QUERY_BYTES_MAX} bytes from before the hot window: ask for a shorter time, or name nodes with node="..."`,
        { bytesMax: QUERY_BYTES_MAX },
      );
    }
  }
  return { names, chunks };
}
