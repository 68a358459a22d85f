/**
 * A linear probe: multinomial logistic regression on frozen embeddings, in double precision.
 *
 * n examples, D width of the embeddings, C classes.
 *
 * @module
 */

/** A fitted classifier: logits W x + c. */
export interface LinearProbe {
  /** [C, D] */
  readonly weights: Float64Array;
  /** [C] */
  readonly bias: Float64Array;
  readonly iterations: number;
  /** Largest absolute element of the gradient where it stopped; near 0 at the minimum, as the problem is convex. */
  readonly gradient: number;
}

/** How a probe is fitted. */
export interface ProbeOptions {
  /** Inverse strength of the regularisation; CLIP's value for its linear probe, 0.316, when left out. */
  readonly inverseRegularization?: number;
  /** Most iterations; 1,000 when left out. */
  readonly iterations?: number;
  /** Stops when no element of the gradient is larger; 1e-6 when left out. */
  readonly tolerance?: number;
}

/** Pairs of steps that L-BFGS remembers. */
const MEMORY = 10;
/** A step ends where the slope has fallen to this share of its first, or has turned by no more than the other. */
const STILL_DOWN = 0.9, UP_AGAIN = 0.1;
/** Points that are tried along a line. */
const TRIALS = 60;

/**
 * Minimises ½‖W‖² + λ Σᵢ −log softmax(W xᵢ + c)[yᵢ], λ the inverse regularisation, the bias c not regularised: the problem
 * of scikit-learn's LogisticRegression. By L-BFGS (Liu and Nocedal 1989) from zero.
 *
 * @param features [n, D]
 * @param labels [n], 0 … C − 1
 * @throws RangeError when a size does not fit, a label is no class, or a feature is not finite
 */
export function fitLinearProbe(
  features: Float32Array | Float64Array,
  labels: Int32Array,
  classes: number,
  { inverseRegularization = 0.316, iterations = 1000, tolerance = 1e-6 }: ProbeOptions = {},
): LinearProbe {
  const n = labels.length, width = features.length / n;
  if (n === 0 || !Number.isInteger(width)) {
    throw new RangeError(`Cannot fit a probe: ${features.length} numbers are no rows of ${n} labels`);
  }
  const stray = labels.findIndex((label) => !(label >= 0 && label < classes));
  if (stray >= 0) {
    throw new RangeError(
      `Label ${labels[stray]} of example ${stray} is no class, expected 0 … ${classes - 1}`,
    );
  }
  const bad = features.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RangeError(
      `Cannot fit a probe: row ${Math.floor(bad / width)} holds ${features[bad]}, expected finite numbers`,
    );
  }
  const size = classes * (width + 1);
  const gradientAt = (point: Float64Array, gradient: Float64Array) =>
    writeGradient(point, gradient, features, labels, classes, width, inverseRegularization);
  const minimum = minimize(gradientAt, new Float64Array(size), iterations, tolerance);
  return {
    weights: minimum.point.slice(0, classes * width),
    bias: minimum.point.slice(classes * width),
    iterations: minimum.iterations,
    gradient: minimum.gradient,
  };
}

/** The class of each row, that of the highest logit; of equal ones the first. */
export function classify(probe: LinearProbe, features: Float32Array | Float64Array): Int32Array {
  const { weights, bias } = probe, classes = bias.length, width = weights.length / classes;
  const rows = features.length / width, logits = new Float64Array(classes);
  const found = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    linear(logits, weights, bias, features, row * width, width);
    for (let c = 1; c < classes; c++) if (logits[c] > logits[found[row]]) found[row] = c;
  }
  return found;
}

/** logits = W x + c */
function linear(
  logits: Float64Array,
  weights: Float64Array,
  bias: Float64Array,
  features: Float32Array | Float64Array,
  from: number,
  width: number,
): void {
  for (let c = 0; c < logits.length; c++) {
    let sum = bias[c];
    for (let d = 0; d < width; d++) sum += weights[c * width + d] * features[from + d];
    logits[c] = sum;
  }
}

/** The gradient at [W, c]. */
function writeGradient(
  point: Float64Array,
  gradient: Float64Array,
  features: Float32Array | Float64Array,
  labels: Int32Array,
  classes: number,
  width: number,
  strength: number,
): void {
  const weights = point.subarray(0, classes * width), bias = point.subarray(classes * width);
  gradient.fill(0);
  gradient.set(weights);
  const logits = new Float64Array(classes);
  for (let row = 0; row < labels.length; row++) {
    linear(logits, weights, bias, features, row * width, width);
    let most = -Infinity, sum = 0;
    for (let c = 0; c < classes; c++) most = Math.max(most, logits[c]);
    for (let c = 0; c < classes; c++) sum += Math.exp(logits[c] - most);
    for (let c = 0; c < classes; c++) {
      const slope = strength * (Math.exp(logits[c] - most) / sum - (c === labels[row] ? 1 : 0));
      gradient[classes * width + c] += slope;
      for (let d = 0; d < width; d++) gradient[c * width + d] += slope * features[row * width + d];
    }
  }
}

interface Minimum {
  readonly point: Float64Array;
  readonly iterations: number;
  readonly gradient: number;
}

/**
 * L-BFGS whose line search goes by the slope alone: along a line the slope of a convex objective only rises, so bisection finds
 * where it is nearly gone, to the full precision of the gradient, where values long look alike.
 */
function minimize(
  gradientAt: (point: Float64Array, gradient: Float64Array) => void,
  start: Float64Array,
  iterations: number,
  tolerance: number,
): Minimum {
  let point = start, gradient = new Float64Array(start.length);
  gradientAt(point, gradient);
  const history: { step: Float64Array; change: Float64Array; curvature: number }[] = [];
  let done = 0;
  for (; done < iterations && largest(gradient) > tolerance; done++) {
    const direction = descent(gradient, history), slope = dot(direction, gradient);
    let next = point, nextGradient = gradient, found = false;
    let length = history.length === 0 ? 1 / Math.max(1, Math.sqrt(dot(gradient, gradient))) : 1;
    for (let trial = 0, low = 0, high = Infinity; trial < TRIALS && !found; trial++) {
      next = point.map((x, i) => x + length * direction[i]);
      nextGradient = new Float64Array(point.length);
      gradientAt(next, nextGradient);
      const there = dot(direction, nextGradient);
      if (there < STILL_DOWN * slope) low = length;
      else if (there > -UP_AGAIN * slope) high = length;
      else found = true;
      if (!found) length = high === Infinity ? 2 * length : (low + high) / 2;
    }
    if (!found) break; // as far as double precision goes
    const step = next.map((x, i) => x - point[i]), change = nextGradient.map((g, i) => g - gradient[i]);
    const curvature = dot(step, change);
    if (curvature > 0) history.push({ step, change, curvature });
    if (history.length > MEMORY) history.shift();
    [point, gradient] = [next, nextGradient];
  }
  return { point, iterations: done, gradient: largest(gradient) };
}

/** −H g, H the inverse Hessian as the history knows it (the two-loop recursion). */
function descent(
  gradient: Float64Array,
  history: readonly { step: Float64Array; change: Float64Array; curvature: number }[],
): Float64Array {
  const direction = gradient.map((g) => -g), weights: number[] = [];
  for (let k = history.length - 1; k >= 0; k--) {
    const { step, change, curvature } = history[k];
    weights[k] = dot(step, direction) / curvature;
    for (let i = 0; i < direction.length; i++) direction[i] -= weights[k] * change[i];
  }
  const last = history.at(-1);
  if (last) {
    const scale = last.curvature / dot(last.change, last.change);
    for (let i = 0; i < direction.length; i++) direction[i] *= scale;
  }
  history.forEach(({ step, change, curvature }, k) => {
    const weight = weights[k] - dot(change, direction) / curvature;
    for (let i = 0; i < direction.length; i++) direction[i] += weight * step[i];
  });
  return direction;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function largest(values: Float64Array): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}
