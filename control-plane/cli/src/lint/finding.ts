/** What lint has to say. */
export interface LintFinding {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** A fault does not work as it stands; a warning works and should not; a note says what was not checked. */
  readonly severity: "fault" | "warning" | "note";
  readonly what: string;
  readonly why: string;
  readonly instead: string;
}

/** A finding whose file is known by whoever collects it. */
export type Remark = Omit<LintFinding, "file">;

export const fault = (line: number, what: string, why: string, instead: string): Remark => ({
  line,
  severity: "fault",
  what,
  why,
  instead,
});
export const warning = (line: number, what: string, why: string, instead: string): Remark => ({
  line,
  severity: "warning",
  what,
  why,
  instead,
});
export const note = (line: number, what: string, why = ""): Remark => ({
  line,
  severity: "note",
  what,
  why,
  instead: "",
});
