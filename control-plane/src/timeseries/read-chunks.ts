/**
 * Reads chunks page by page, with the names that each page needs for the first time.
 */
import { OpsError } from "../kernel/errors.js";
import type { ChunkRange, ChunkStore, FoundChunk } from "./chunks.store.js";
import type { StoredChunks } from "./store-protocol.js";

/** One page: enough that asking does not count, little enough that three of them are no burden. */
const PAGE_ROWS = 1_000;
const PAGE_BYTES = 2 * 1024 * 1024;
/** Pages that are being read while one is worked off. */
const PAGES_AHEAD = 2;
/** Stored bytes one query may read back: some 40 million samples. */
const QUERY_BYTES_MAX = 64 * 1024 * 1024;

/** All chunks of the range, oldest writing first. */
export async function* readChunkPages(store: ChunkStore, range: ChunkRange): AsyncGenerator<StoredChunks> {
  yield* readPages(store, range, await store.find(range));
}

/** The chunks of one query in one piece. Throws RESOURCE_EXHAUSTED when they are more than a query may read. */
export async function readForQuery(store: ChunkStore, range: ChunkRange): Promise<StoredChunks> {
  const found = await store.find(range);
  const bytes = found.reduce((sum, chunk) => sum + chunk.bytes, 0);
  if (bytes > QUERY_BYTES_MAX) {
    throw new OpsError(
      "RESOURCE_EXHAUSTED",
      `the query reads ${bytes} bytes from before the hot window, more than ${QUERY_BYTES_MAX}: ask for a shorter time, or name nodes with node="..."`,
      { bytes, bytesMax: QUERY_BYTES_MAX },
    );
  }
  const names: StoredChunks["names"][number][] = [];
  const chunks: StoredChunks["chunks"][number][] = [];
  for await (const page of readPages(store, range, found)) {
    names.push(...page.names);
    chunks.push(...page.chunks);
  }
  return { names, chunks };
}

async function* readPages(
  store: ChunkStore,
  range: ChunkRange,
  found: readonly FoundChunk[],
): AsyncGenerator<StoredChunks> {
  const known = new Set<string>();
  const ahead: ReturnType<ChunkStore["read"]>[] = [];
  const pages = cutPages(found);
  const readMore = (): void => {
    const next = pages.next();
    if (next.done === true) return;
    const page = store.read(range, next.value);
    // Heard of when its turn comes; until then a failure must not count as unhandled.
    page.catch(() => {});
    ahead.push(page);
  };
  for (let count = 0; count <= PAGES_AHEAD; count++) readMore();
  for (let page = ahead.shift(); page !== undefined; page = ahead.shift()) {
    const chunks = await page;
    readMore();
    const digests = [...new Set(chunks.flatMap((chunk) => chunk.digests))].filter(
      (digest) => !known.has(digest),
    );
    const days = [...new Set(chunks.map((chunk) => chunk.day))];
    const names = digests.length === 0 ? [] : [...(await store.names(days, digests))];
    for (const [digest] of names) known.add(digest);
    yield { names, chunks: chunks.map(({ node, digests, parts }) => ({ node, digests, parts })) };
  }
}

function* cutPages(found: readonly FoundChunk[]): Generator<readonly string[]> {
  let page: string[] = [];
  let bytes = 0;
  for (const chunk of found) {
    if (page.length === PAGE_ROWS || (page.length > 0 && bytes + chunk.bytes > PAGE_BYTES)) {
      yield page;
      page = [];
      bytes = 0;
    }
    page.push(chunk.id);
    bytes += chunk.bytes;
  }
  if (page.length > 0) yield page;
}
