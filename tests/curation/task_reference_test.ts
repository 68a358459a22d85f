import assert from "node:assert/strict";
import { nearestToTask, taskNearness } from "../../src/curation/task_reference.ts";

/** Unit vectors in the plane, by angle in degrees. */
const circle = (...degrees: number[]) =>
  Float32Array.from(
    degrees.flatMap((angle) => [Math.cos(angle * Math.PI / 180), Math.sin(angle * Math.PI / 180)]),
  );

const cos = (degrees: number) => Math.cos(degrees * Math.PI / 180);

Deno.test("nearness is the highest mean cosine with an example, over what the task gives", () => {
  const pool = { image: circle(0, 40, 90), text: circle(0, 80, 10), width: 2 };
  const close = (a: Float32Array, b: number[]) =>
    a.forEach((value, at) => assert.ok(Math.abs(value - b[at]) < 1e-6, `${a} is not ${b}`));
  close(taskNearness(pool, { image: circle(10, 100), width: 2 }), [cos(10), cos(30), cos(10)]);
  close(taskNearness(pool, { text: circle(0), width: 2 }), [1, cos(80), cos(10)]);
  // One example is near in both views; the best of each view by itself would be nearer.
  close(taskNearness(pool, { image: circle(0, 90), text: circle(90, 0), width: 2 }), [
    (cos(0) + cos(90)) / 2,
    Math.max((cos(40) + cos(10)) / 2, (cos(50) + cos(80)) / 2),
    (cos(0) + cos(10)) / 2,
  ]);
});

Deno.test("the nearest pairs are kept without near-copies", () => {
  // Four near the example, two of them the same picture, and many far away.
  const near = [10, 10.01, 20, 30, 41], far = Array.from({ length: 30 }, (_, at) => 120 + at);
  const pool = { image: circle(...near, ...far), text: circle(...near, ...far), width: 2 };
  const kept = nearestToTask(pool, { image: circle(25), width: 2 }, { count: 4, seed: 1 });
  assert.equal(kept.length, 4);
  assert.ok(kept.every((pair) => pair < near.length), `${kept}`);
  assert.ok(!(kept.includes(0) && kept.includes(1)), "a copy was kept");
});

Deno.test("a task that gives nothing, or does not fit the pool, is refused", () => {
  const pool = { image: circle(0, 1), text: circle(0, 1), width: 2 };
  assert.throws(() => taskNearness(pool, { width: 2 }), /needs pictures or captions/);
  assert.throws(() => taskNearness(pool, { image: circle(0), width: 1 }), /do not fit a pool of width 2/);
  assert.throws(
    () => taskNearness(pool, { image: circle(0, 1), text: circle(0), width: 2 }),
    /4 and 2 numbers at width 2 .* as many pictures as captions/,
  );
  assert.throws(
    () => nearestToTask(pool, { image: circle(0), width: 2 }, { count: 3, seed: 1 }),
    /Cannot keep 3 of 2 pairs/,
  );
});
