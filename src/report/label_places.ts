/**
 * Where the names of dots go, so that none lies on another.
 *
 * @module
 */

/** A circle, in pixels. */
export interface Circle {
  readonly x: number;
  readonly y: number;
  readonly r: number;
}

/** A name and the dot that it is of. */
export interface Named extends Circle {
  readonly text: string;
}

/** A name and its place: (x, y) is the middle of its height and, by `anchor`, its start, middle or end. */
export interface PlacedLabel {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly anchor: "start" | "middle" | "end";
}

/** A placed name, and the line that ties it to its dot where it does not lie beside it. */
export interface TiedLabel extends PlacedLabel {
  readonly leader:
    | { readonly x1: number; readonly y1: number; readonly x2: number; readonly y2: number }
    | null;
}

/** A rectangle, in pixels. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Of a 12-pixel sans-serif: the mean advance of a letter, and the height of a line. */
const LETTER = 6.7, LINE = 14;
/** Pixels between a dot and its name that need no line. */
const NEAR = 8;

/** The rectangle that a placed name covers, by a mean letter's width. */
export function labelBox({ text, x, y, anchor }: PlacedLabel): Box {
  const width = text.length * LETTER;
  const left = anchor === "start" ? x : anchor === "end" ? x - width : x - width / 2;
  return { left, right: left + width, top: y - LINE / 2, bottom: y + LINE / 2 };
}

/** How much of two rectangles is shared, in square pixels. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

/**
 * A place for each name, taken greedily in the order given: beside, above or below its dot, further out where these are
 * taken. A name that finds no place free of other names is left out.
 *
 * @param names the most important first
 * @param dots all dots, named or not: better not covered
 * @param line corners of a line that is better not covered
 * @param frame what must hold every name
 * @param reserved words that have their place already
 */
export function placeLabels(
  names: readonly Named[],
  dots: readonly Circle[],
  line: readonly { readonly x: number; readonly y: number }[],
  frame: Box,
  reserved: readonly PlacedLabel[] = [],
): TiedLabel[] {
  const boxes = dots.map(({ x, y, r }) => ({ left: x - r, right: x + r, top: y - r, bottom: y + r }));
  const along = points(line).map(({ x, y }) => ({ left: x - 3, right: x + 3, top: y - 3, bottom: y + 3 }));
  const taken = reserved.map(labelBox), placed: TiedLabel[] = [];
  for (const name of names) {
    let best: PlacedLabel | undefined, least = Infinity;
    for (const [place, label] of candidates(name).entries()) {
      const box = labelBox(label);
      const outside = box.left < frame.left || box.right > frame.right || box.top < frame.top ||
        box.bottom > frame.bottom;
      if (outside || taken.some((other) => overlap(box, other) > 0)) continue;
      const cost = place + sum(boxes, box) / 8 + sum(along, box) / 4;
      if (cost < least) [best, least] = [label, cost];
    }
    if (!best) continue;
    placed.push({ ...best, leader: leader(labelBox(best), name) });
    taken.push(labelBox(best));
  }
  return placed;
}

const sum = (boxes: readonly Box[], box: Box) =>
  boxes.reduce((total, other) => total + overlap(box, other), 0);

/** From a dot's edge to the nearest point of its name; null where they are neighbours. */
function leader({ left, right, top, bottom }: Box, { x, y, r }: Circle): TiedLabel["leader"] {
  const x2 = Math.min(Math.max(x, left), right), y2 = Math.min(Math.max(y, top), bottom);
  const distance = Math.hypot(x2 - x, y2 - y);
  if (distance - r < NEAR) return null;
  return { x1: x + (x2 - x) * r / distance, y1: y + (y2 - y) * r / distance, x2, y2 };
}

/** Places around a dot, the best first. */
function candidates({ text, x, y, r }: Named): PlacedLabel[] {
  // In the middle of a dot that is larger than its name.
  const inside: PlacedLabel[] = 2 * r > text.length * LETTER + 6 ? [{ text, x, y, anchor: "middle" }] : [];
  return [
    ...inside,
    ...[0, LINE, 2 * LINE, 3 * LINE].flatMap((far): PlacedLabel[] => {
      const beside = r + 5;
      return far === 0
        ? [
          { text, x: x + beside, y, anchor: "start" },
          { text, x: x - beside, y, anchor: "end" },
          { text, x, y: y - r - LINE / 2 - 2, anchor: "middle" },
          { text, x, y: y + r + LINE / 2 + 2, anchor: "middle" },
        ]
        : [-far, far].flatMap((dy): PlacedLabel[] => [
          { text, x: x + beside, y: y + dy, anchor: "start" },
          { text, x: x - beside, y: y + dy, anchor: "end" },
          { text, x, y: y + Math.sign(dy) * (r + LINE / 2 + 2 + far), anchor: "middle" },
        ]);
    }),
  ];
}

/** Points along a line through corners, a few pixels apart. */
function points(corners: readonly { readonly x: number; readonly y: number }[]) {
  return corners.slice(1).flatMap((to, at) => {
    const from = corners[at], count = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / 5);
    return Array.from({ length: count }, (_, i) => ({
      x: from.x + (to.x - from.x) * i / count,
      y: from.y + (to.y - from.y) * i / count,
    }));
  });
}
