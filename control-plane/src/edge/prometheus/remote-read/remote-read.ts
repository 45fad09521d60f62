/** Remote read: raw samples for another Prometheus, as whole samples; chunks are not offered. */
import { OpsError } from "../../../kernel/errors.js";
import type { Matcher, MatchOperator } from "../../../kernel/labels.js";
import type { Instant } from "../../../kernel/time.js";
import type { SeriesPoints } from "../../../promql/value.js";
import type { TimeSeriesDoor } from "../../../timeseries/timeseries.module.js";
import { type Asked, type HttpAnswer, plain } from "../../http-endpoint.js";
import { selectorText } from "../federate.js";
import { packSnappy, unpackSnappy } from "../remote-write/snappy.js";
import { BYTES, VARINT, WireReader } from "../remote-write/wire-reader.js";
import { writeReadResponse } from "./write-response.js";

const REQUEST_MAX = 1_048_576;
const QUERIES_MAX = 32;

interface ReadQuery {
  readonly from: Instant;
  readonly to: Instant;
  readonly matchers: readonly Matcher[];
}

export function remoteRead({ series }: { readonly series: Pick<TimeSeriesDoor, "query"> }) {
  return async ({ body, headers, signal }: Asked): Promise<HttpAnswer> => {
    if (!(body instanceof Uint8Array) || (headers["content-encoding"] ?? "snappy") !== "snappy") {
      return plain(
        415,
        "remote read: expected Content-Type application/x-protobuf and Content-Encoding snappy\n",
      );
    }
    const queries = readRequest(new WireReader(unpackSnappy(body, REQUEST_MAX)));
    const results: (readonly SeriesPoints[])[] = [];
    for (const { from, to, matchers } of queries) {
      if (to < from) {
        results.push([]);
        continue;
      }
      // The range of a selector leaves its beginning out.
      const value = await series.query(`${selectorText(matchers)}[${to - from + 1}ms]`, to, { signal });
      results.push(value.kind === "matrix" ? value.series : []);
    }
    return {
      status: 200,
      headers: { "content-type": "application/x-protobuf", "content-encoding": "snappy" },
      body: packSnappy(writeReadResponse(results)),
    };
  };
}

function readRequest(reader: WireReader): readonly ReadQuery[] {
  const { length } = reader;
  const queries: ReadQuery[] = [];
  const types: number[] = [];
  while (reader.at < length) {
    const tag = reader.varint();
    if (tag === ((1 << 3) | BYTES)) queries.push(readQuery(reader, reader.end(length)));
    else if (tag === ((2 << 3) | BYTES)) {
      const end = reader.end(length);
      while (reader.at < end) types.push(reader.varint());
    } else if (tag === ((2 << 3) | VARINT)) types.push(reader.varint());
    else reader.skip(tag & 7, length);
  }
  if (types.length > 0 && !types.includes(0)) {
    throw new OpsError("INVALID_ARGUMENT", "remote read: only the response type SAMPLES is offered here");
  }
  if (queries.length > QUERIES_MAX) {
    throw new OpsError("INVALID_ARGUMENT", `remote read: ${queries.length} queries, at most ${QUERIES_MAX}`);
  }
  return queries;
}

function readQuery(reader: WireReader, end: number): ReadQuery {
  let from = 0;
  let to = 0;
  const matchers: Matcher[] = [];
  while (reader.at < end) {
    const tag = reader.varint();
    if (tag === ((1 << 3) | VARINT)) from = reader.signed();
    else if (tag === ((2 << 3) | VARINT)) to = reader.signed();
    else if (tag === ((3 << 3) | BYTES)) matchers.push(readMatcher(reader, reader.end(end)));
    else reader.skip(tag & 7, end);
  }
  return { from, to, matchers };
}

const OPERATORS: readonly MatchOperator[] = ["=", "!=", "=~", "!~"];

function readMatcher(reader: WireReader, end: number): Matcher {
  let type = 0;
  let name = "";
  let value = "";
  while (reader.at < end) {
    const tag = reader.varint();
    if (tag === ((1 << 3) | VARINT)) type = reader.varint();
    else if (tag === ((2 << 3) | BYTES)) name = reader.text(reader.end(end));
    else if (tag === ((3 << 3) | BYTES)) value = reader.text(reader.end(end));
    else reader.skip(tag & 7, end);
  }
  const op = OPERATORS[type];
  if (op === undefined)
    throw new OpsError("INVALID_ARGUMENT", `remote read: a matcher of the unknown type ${type}`);
  return { name, op, value };
}
