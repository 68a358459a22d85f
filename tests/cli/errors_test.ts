import assert from "node:assert/strict";
import { ExitCode, printError, UsageError } from "../../src/cli/errors.ts";

/** Runs with console.error kept. */
function printed(error: unknown): [number, string] {
  const { error: original } = console;
  let text = "";
  console.error = (line: string) => text += line;
  try {
    return [printError(error), text];
  } finally {
    console.error = original;
  }
}

Deno.test("errors print as one message, and the exit code says whose fault it was", () => {
  const interrupted = Object.assign(new Error("stopped after step 3"), { name: "InterruptedError" });
  assert.deepEqual(printed(new UsageError("--chunks is 65")), [ExitCode.usage, "Error: --chunks is 65"]);
  assert.deepEqual(printed(new RangeError("too small")), [ExitCode.failure, "Error: too small"]);
  assert.deepEqual(printed(interrupted), [ExitCode.interrupted, "Interrupted: stopped after step 3"]);
  assert.deepEqual(printed("a string"), [ExitCode.failure, "Error: a string"]);
});
