/** Record sets and health checks of Route 53 in any file: a change batch, a template, a runbook's fragment. */
import {
  judgeGroups,
  judgeRecordSet,
  type RecordRemark,
  type RecordSet,
  readRecordSet,
} from "./route53-records.js";

type Path = readonly (string | number)[];

export interface PlacedRemark extends RecordRemark {
  readonly path: Path;
}

const DEPTH_MAX = 30;
const FOUND_MAX = 10_000;

/** What is wrong with what stands in the file; `found` is how many record sets were seen. */
export function lintRecords(content: unknown): {
  readonly found: number;
  readonly remarks: readonly PlacedRemark[];
} {
  const records: { path: Path; record: RecordSet }[] = [];
  const remarks: PlacedRemark[] = [];
  const walk = (value: unknown, path: Path): void => {
    if (typeof value !== "object" || value === null || path.length > DEPTH_MAX || records.length >= FOUND_MAX)
      return;
    if (isHealthCheck(value)) remarks.push(...judgeHealthCheck(value).map((remark) => ({ ...remark, path })));
    const record = isRecordSet(value) ? readRecordSet(value) : undefined;
    if (record !== undefined) {
      records.push({ path, record });
      return;
    }
    for (const [key, inner] of Object.entries(value))
      walk(inner, [...path, Array.isArray(value) ? Number(key) : key]);
  };
  walk(content, []);
  for (const { path, record } of records) {
    const named = `${record.Name} ${record.Type}${record.SetIdentifier === undefined ? "" : ` "${record.SetIdentifier}"`}`;
    for (const remark of judgeRecordSet(record))
      remarks.push({ ...remark, what: `${named}: ${remark.what}`, path });
  }
  const [first] = records;
  const together = judgeGroups(records.map(({ record }) => record));
  remarks.push(...together.map((remark) => ({ ...remark, path: first?.path ?? [] })));
  return { found: records.length, remarks };
}

const MARKS = ["ResourceRecords", "AliasTarget", "SetIdentifier", "Weight", "Failover", "TTL", "Region"];

const isRecordSet = (value: object): boolean =>
  "Name" in value && "Type" in value && MARKS.some((mark) => mark in value);

const isHealthCheck = (value: object): value is Readonly<Record<string, unknown>> =>
  "ResourcePath" in value && ("FailureThreshold" in value || "RequestInterval" in value || "Type" in value);

function judgeHealthCheck(check: Readonly<Record<string, unknown>>): readonly RecordRemark[] {
  const found: RecordRemark[] = [];
  const { ResourcePath, RequestInterval, FailureThreshold } = check;
  if (ResourcePath === "/health")
    found.push({
      severity: "warning",
      what: "the health check asks /health",
      why: "it answers 200 as long as the process lives, also when it can serve nobody: nothing would ever fail over",
      instead: "ResourcePath: /health/failover",
    });
  if (RequestInterval !== undefined && RequestInterval !== 10 && RequestInterval !== 30)
    found.push({
      severity: "fault",
      what: `RequestInterval is ${String(RequestInterval)}`,
      why: "Route 53 has two",
      instead: "10 or 30",
    });
  if (FailureThreshold !== undefined && !(Number(FailureThreshold) >= 1 && Number(FailureThreshold) <= 10))
    found.push({
      severity: "fault",
      what: `FailureThreshold is ${String(FailureThreshold)}`,
      why: "Route 53 takes 1 to 10",
      instead: "such as 3",
    });
  return found;
}
