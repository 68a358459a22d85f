/**
 * Few-shot classification by a linear probe.
 *
 * @module
 */

import { randomWord, Stream } from "../random/philox.ts";
import { classify, fitLinearProbe, type ProbeOptions } from "./linear_probe.ts";

/** What {@link fewShot} goes by. */
export interface FewShotOptions extends ProbeOptions {
  /** Examples of each class that the probe is fitted to, k. */
  readonly shots: number;
  /** A draw of the examples each. */
  readonly seeds: readonly number[];
}

/** How well probes do that were fitted to k examples a class. */
export interface FewShotScore {
  readonly shots: number;
  /** Of each seed: the share of the other examples that are classified right. */
  readonly accuracies: readonly number[];
  /** Their mean. */
  readonly mean: number;
  /** Their sample standard deviation; 0 for one seed. */
  readonly deviation: number;
  /** Examples that were classified, with each seed. */
  readonly tested: number;
}

/**
 * Fits a probe to k examples of each class, drawn anew for every seed, and tests it on all the others.
 *
 * @param features [n, D] unit rows
 * @param labels [n], 0 … C − 1
 * @param classes names of the C classes, for messages
 * @throws RangeError when a class has not more than k examples, or there is no seed or only one class
 */
export function fewShot(
  features: Float32Array,
  labels: Int32Array,
  classes: readonly string[],
  { shots, seeds, ...options }: FewShotOptions,
): FewShotScore {
  const width = features.length / labels.length;
  if (classes.length < 2) {
    throw new RangeError(`A probe needs two classes or more, there is ${classes.length}`);
  }
  if (seeds.length === 0) throw new RangeError("A probe needs at least one seed");
  const members: number[][] = classes.map(() => []);
  labels.forEach((label, example) => members[label].push(example));
  const short = members.findIndex((examples) => examples.length <= shots);
  if (short >= 0) {
    const most = Math.min(...members.map((examples) => examples.length)) - 1;
    throw new RangeError(
      `Class "${classes[short]}" has ${
        members[short].length
      } examples, too few to fit to ${shots} and test on others: ` +
        (most >= 1 ? `choose at most ${most} shots` : "give it more, or leave it out"),
    );
  }
  const rows = (examples: readonly number[]) => {
    const picked = new Float32Array(examples.length * width);
    examples.forEach((example, at) =>
      picked.set(features.subarray(example * width, (example + 1) * width), at * width)
    );
    return { picked, labels: Int32Array.from(examples, (example) => labels[example]) };
  };
  const accuracies = seeds.map((seed) => {
    const order = members.map((examples, c) => {
      const keys = new Map(examples.map((example) => [example, randomWord(seed, Stream.data, c, example)]));
      return examples.toSorted((a, b) => keys.get(a)! - keys.get(b)! || a - b);
    });
    const fitted = rows(order.flatMap((examples) => examples.slice(0, shots)));
    const tested = rows(order.flatMap((examples) => examples.slice(shots)));
    const probe = fitLinearProbe(fitted.picked, fitted.labels, classes.length, options);
    const right = classify(probe, tested.picked).filter((found, at) => found === tested.labels[at]);
    return right.length / tested.labels.length;
  });
  const mean = accuracies.reduce((sum, accuracy) => sum + accuracy, 0) / seeds.length;
  const squares = accuracies.reduce((sum, accuracy) => sum + (accuracy - mean) ** 2, 0);
  return {
    shots,
    accuracies,
    mean,
    deviation: seeds.length > 1 ? Math.sqrt(squares / (seeds.length - 1)) : 0,
    tested: labels.length - shots * classes.length,
  };
}
