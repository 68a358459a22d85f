import assert from "node:assert/strict";
import { testCount } from "../../src/cli/test.ts";

Deno.test("the count is deno's own last one, whatever the tests print", () => {
  assert.deepEqual(testCount("a ... ok (1ms)\n\nok | 12 passed | 0 failed (5s)\n\n"), {
    passed: 12,
    failed: 0,
  });
  assert.deepEqual(
    testCount(
      "3 passed, 4 failed is a test's name ... ok\nFAILED | 7 passed (3 steps) | 2 failed | 1 ignored (1s)\n",
    ),
    { passed: 7, failed: 2 },
  );
  assert.deepEqual(
    testCount("ok | 1 passed | 0 failed (2ms)\nFAILED | 5 passed | 1 failed | 90 filtered out (1m2s)\n"),
    { passed: 5, failed: 1 },
  );
});

Deno.test("a suite that did not get to its count has none", () => {
  assert.equal(testCount("error: Type checking failed.\n"), null);
  assert.equal(testCount("a test called 5 passed | 0 failed ... ok\n"), null);
});
