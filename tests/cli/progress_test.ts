import assert from "node:assert/strict";
import { duration, Progress } from "../../src/cli/progress.ts";

/** A target that keeps what is written, on a clock that the test moves. */
function target(terminal: boolean) {
  const written: string[] = [];
  const clock = { ms: 0 };
  return {
    written,
    clock,
    terminal,
    columns: 60,
    write: (text: string) => void written.push(text),
    now: () => clock.ms,
  };
}

Deno.test("a log gets few plain lines, with rate and time left", () => {
  const log = target(false);
  const progress = new Progress(log);
  for (let step = 0; step <= 100; step++) {
    log.clock.ms = step * 200; // 20 s in all
    progress.update("train", step, 100, "loss 3");
  }
  progress.close();
  assert.ok(log.written.length <= 6, `${log.written.length} lines in 20 s`);
  assert.match(log.written[1], /^train .* 25 % {2}25\/100 {2}5\.00\/s {2}15 s left {2}loss 3\n$/);
  assert.match(log.written.at(-1)!, /100 % {2}100\/100/);
  assert.ok(log.written.every((line) => !line.includes("\r") && !line.includes("\x1b")));
});

Deno.test("a terminal gets one bar, redrawn within its width", () => {
  const terminal = target(true);
  const progress = new Progress(terminal);
  for (let step = 0; step <= 10; step++) {
    terminal.clock.ms = step * 150;
    progress.update("embed the pool by the reference", step, 10, "a note that is longer than the line");
  }
  const bars = terminal.written.filter((text) => text.startsWith("\r\x1b[2K"));
  assert.equal(bars.length, 11);
  assert.ok(bars.every((bar) => bar.length - "\r\x1b[2K".length < 60));
  assert.equal(terminal.written.at(-1), "\n");
});

Deno.test("a stage of unknown length is named once", () => {
  const log = target(false);
  const progress = new Progress(log);
  progress.update("report", 0, 0);
  progress.update("report", 0, 0);
  assert.deepEqual(log.written, ["report\n"]);
});

Deno.test("the end of a stage is said once, and the stage can come again", () => {
  const log = target(false);
  const progress = new Progress(log);
  progress.update("draw", 3, 3);
  progress.update("draw", 3, 3);
  assert.equal(log.written.length, 1);
  progress.update("draw", 1, 3);
  progress.update("draw", 3, 3);
  assert.equal(log.written.length, 3);
});

Deno.test("a line that stays does not end up in the bar", () => {
  const terminal = target(true);
  const progress = new Progress(terminal);
  progress.update("train", 1, 9);
  progress.log("Adapter: one");
  assert.deepEqual(terminal.written.slice(1), ["\n", "Adapter: one\n"]);
});

Deno.test("quiet is silent", () => {
  const log = target(false);
  const progress = new Progress(log, true);
  progress.update("train", 1, 1);
  progress.log("line");
  progress.close();
  assert.deepEqual(log.written, []);
});

Deno.test("durations never say 60 seconds", () => {
  assert.deepEqual([0.26, 9.96, 59.7, 61, 119.8, 3600].map(duration), [
    "0.3 s",
    "10 s",
    "1 min 0 s",
    "1 min 1 s",
    "2 min 0 s",
    "60 min 0 s",
  ]);
});
