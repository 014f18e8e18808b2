// The outcome of a run of tests, in cargo's form.

import { readFileSync } from "node:fs";

const {
  numPassedTests: passed,
  numFailedTests: failed,
  numPendingTests: ignored,
  numFailedTestSuites: broken,
} = JSON.parse(readFileSync(process.argv[2], "utf8"));
// A file that does not even load has no tests to fail.
const wrong = Math.max(failed, broken > 0 ? 1 : 0);
console.log(`test result: ${wrong ? "FAILED" : "ok"}. ${passed} passed; ${wrong} failed; ${ignored} ignored`);
