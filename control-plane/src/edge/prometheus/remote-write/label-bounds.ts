/**
 * What is read of one series' labels: far more than any series may have, and far less than a request could make of
 * them. A text that stands once in a table of version 2 may be named a million times.
 */

/** Names and values; the engine keeps 128 of them at most. */
export const LABEL_TEXTS_MAX = 1_000;
/** Characters of them all, or bytes where they stand in the request. */
export const LABELS_LENGTH_MAX = 1024 * 1024;

/** Stands for labels beyond these bounds. Names and values that do not pair are refused as too many. */
export const OVERLONG: readonly string[] = ["overlong"];
/** The key of all such series: no series is named so. */
export const OVERLONG_KEY = "\u0000overlong";
