/** Names beside dots: none on another, none outside the frame. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  labelBox,
  type Named,
  overlap,
  type PlacedLabel,
  placeLabels,
} from "../../src/report/label_places.ts";

const frame = { left: 60, right: 1000, top: 30, bottom: 560 };
const line = [{ x: 60, y: 300 }, { x: 400, y: 60 }, { x: 1000, y: 60 }];

Deno.test("whatever the dots, no names overlap and all lie in the frame", () => {
  const dot = fc.record({
    text: fc.string({ minLength: 1, maxLength: 34 }),
    x: fc.double({ min: frame.left, max: frame.right, noNaN: true }),
    y: fc.double({ min: frame.top, max: frame.bottom, noNaN: true }),
    r: fc.double({ min: 2, max: 62, noNaN: true }),
  });
  const reserved: PlacedLabel[] = [{ text: "multiply-adds in registers", x: 1000, y: 48, anchor: "end" }];
  fc.assert(fc.property(fc.array(dot, { maxLength: 25 }), (dots) => {
    const placed = placeLabels(dots, dots, line, frame, reserved);
    const boxes = [...placed, ...reserved].map(labelBox);
    boxes.forEach((box, at) => {
      for (const other of boxes.slice(at + 1)) assert.equal(overlap(box, other), 0);
    });
    for (const { left, right, top, bottom } of boxes) {
      assert.ok(left >= frame.left && right <= frame.right && top >= frame.top && bottom <= frame.bottom);
    }
  }));
});

Deno.test("a lone name goes beside its dot, the first of a crowd too, and what lies far is tied to its dot", () => {
  const dot = (text: string): Named => ({ text, x: 500, y: 300, r: 10 });
  const [alone] = placeLabels([dot("alone")], [dot("alone")], line, frame);
  assert.deepEqual(alone, { text: "alone", x: 515, y: 300, anchor: "start", leader: null });
  const crowd = Array.from({ length: 8 }, (_, at) => dot(`name ${at}`));
  const placed = placeLabels(crowd, crowd, line, frame);
  assert.equal(placed.length, 8);
  assert.deepEqual(placed[0], { text: "name 0", x: 515, y: 300, anchor: "start", leader: null });
  const tied = placed.flatMap((label) => label.leader ? [{ ...label.leader, box: labelBox(label) }] : []);
  assert.ok(tied.length > 0);
  for (const { x1, y1, x2, y2, box } of tied) {
    assert.ok(Math.abs(Math.hypot(x1 - 500, y1 - 300) - 10) < 1e-9, "from the dot's edge");
    assert.ok(x2 >= box.left && x2 <= box.right && y2 >= box.top && y2 <= box.bottom, "to the name");
  }
});

Deno.test("a name without a free place is left out", () => {
  const narrow = { left: 0, right: 40, top: 0, bottom: 20 };
  assert.deepEqual(placeLabels([{ text: "far too long", x: 20, y: 10, r: 5 }], [], [], narrow), []);
});
