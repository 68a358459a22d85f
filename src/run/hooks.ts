/**
 * How a run and the world around it talk to each other.
 *
 * @module
 */

/** How a run tells what it is doing. */
export interface RunHooks {
  /** A stage has come so far; `total` is 0 when unknown. */
  onProgress(stage: string, done: number, total: number, note?: string): void;
  /** A line worth keeping on the screen. */
  log(line: string): void;
  /** Stops the run after the present step. */
  readonly signal: AbortSignal;
}
