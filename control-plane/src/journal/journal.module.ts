/** The journal's door: append in a transaction, read, consume. */
export { type Consumer, consumeOnce } from "./consume.js";
export { journalApi } from "./journal.api.js";
export {
  appendEntries,
  type EntryFilter,
  JOURNAL_CHANNEL,
  readEntries,
  verifyJournal,
} from "./journal.store.js";
