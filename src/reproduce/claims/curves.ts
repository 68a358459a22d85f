/**
 * Score curves over seeds, as the claims about training draw them.
 *
 * @module
 */

import type { TrainOptionsInput } from "../../config/train_options.ts";
import type { FigurePoint, Series } from "../../report/figure.ts";
import { type Lab, recall, type Trained } from "../lab.ts";
import { bootstrap, type Interval } from "../statistics.ts";

/** The paper's filter ratios. */
export const RATIOS = [0.5, 0.8, 0.9] as const;

/** The arm that JEST is held against. */
export const uniform = { sampler: "uniform" } as const;

/** Recall at the evaluations of an arm, over seeds, against what `x` makes of a line. */
export function curve(all: readonly Trained[], x: (line: Trained["lines"][number]) => number): FigurePoint[] {
  const evaluated = all.map(({ lines }) => lines.filter(({ evaluation }) => evaluation));
  return evaluated[0].map((line, at) => {
    const { mean, low, high } = bootstrap(evaluated.map((lines) => recall(lines[at].evaluation!)));
    return { x: x(line), y: mean, low, high };
  });
}

/** One seed's recall against trained examples. */
export function ownCurve({ lines }: Trained) {
  return lines.filter(({ evaluation }) => evaluation).map((line) => ({
    x: line.trainedExamples,
    y: recall(line.evaluation!),
  }));
}

/** A point with its interval. */
export const point = (x: number, { mean, low, high }: Interval): FigurePoint => ({ x, y: mean, low, high });

/** A line of points by filter ratio. */
export async function byRatio(
  lab: Lab,
  name: string,
  ratios: readonly number[],
  options: (filterRatio: number) => TrainOptionsInput,
): Promise<Series> {
  const points: FigurePoint[] = [];
  for (const filterRatio of ratios) points.push(point(filterRatio, await lab.measure(options(filterRatio))));
  return { name, points };
}

/** An arm's final score. */
export const learned = ({ evaluation }: Trained): number => recall(evaluation);
/** FLOPs of a learner, scoring counted, the reference apart. */
export const spent = ({ flops }: Pick<Trained, "flops">): number => flops.learnerTrain + flops.learnerScore;

/** What the score of these figures is. */
export const recallLabel = "R@5 on another vendor's pictures";
