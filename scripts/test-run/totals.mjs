/**
 * What a run of vitest came to, as far as it is read here.
 * @typedef {{ passed: number, failed: number, skipped: string[], broken: string[] }} Totals
 *   broken: files that failed outside any test, and errors that nobody caught; each counts as one failed.
 *
 * @typedef {{ fullName: string, result(): { state: string }, module: { relativeModuleId: string } }} Case
 * @typedef {{
 *   relativeModuleId: string,
 *   state(): string,
 *   errors(): { message?: string }[],
 *   children: { allTests(): Iterable<Case>, allSuites(): Iterable<{ fullName: string, errors(): { message?: string }[] }> },
 * }} Module
 */

/**
 * Counts every test, and every failure that is not a test's: a file that could not be loaded or whose hooks failed
 * has tests that never ran, and must not look like a pass.
 * @param {Iterable<Module>} modules
 * @param {readonly unknown[]} unhandled errors that nobody caught
 * @returns {Totals}
 */
export function totalsOf(modules, unhandled) {
  /** @type {Totals} */
  const totals = { passed: 0, failed: 0, skipped: [], broken: [] };
  for (const module of modules) {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      const name = `${module.relativeModuleId} > ${test.fullName}`;
      if (state === "passed") totals.passed += 1;
      else if (state === "failed") failedHere += 1;
      else if (state === "skipped") totals.skipped.push(name);
      else totals.broken.push(`${name}: did not end`);
    }
    totals.failed += failedHere;
    const outside = [...module.errors()];
    for (const suite of module.children.allSuites()) outside.push(...suite.errors());
    if (outside.length > 0) {
      totals.broken.push(`${module.relativeModuleId}: ${outside[0]?.message ?? "failed outside any test"}`);
    } else if (module.state() === "failed" && failedHere === 0) {
      totals.broken.push(`${module.relativeModuleId}: failed outside any test`);
    } else if (module.state() === "queued" || module.state() === "pending") {
      totals.broken.push(`${module.relativeModuleId}: did not end`);
    }
  }
  for (const error of unhandled) {
    totals.broken.push(
      `an error that nobody caught: ${error instanceof Error ? error.message : describe(error)}`,
    );
  }
  return totals;
}

/** @param {unknown} error */
function describe(error) {
  const { message } = /** @type {{ message?: unknown }} */ (error ?? {});
  return typeof message === "string" ? message : String(error);
}

/**
 * The closing line, alone on its line: what machines read.
 * @param {number} passed
 * @param {number} failed
 */
export function closingLine(passed, failed) {
  return `${passed} passed, ${failed} failed`;
}
