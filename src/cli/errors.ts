/**
 * The one place that prints errors, and the exit codes.
 *
 * @module
 */

/** What the process returns. */
export const ExitCode = {
  ok: 0,
  /** The run failed. */
  failure: 1,
  /** The command line was wrong. */
  usage: 2,
  /** Stopped by Ctrl-C. */
  interrupted: 130,
} as const;

/** A mistake in the command line that only shows after parsing. */
export class UsageError extends Error {
  /** The error's kind. */
  override name = "UsageError";
}

/** Prints an error as one message, with its stack when SUPERBATCH_DEBUG=1, and returns the exit code. */
export function printError(error: unknown): number {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  if (Deno.env.get("SUPERBATCH_DEBUG") === "1") console.error(stack);
  else console.error(`${name === "InterruptedError" ? "Interrupted" : "Error"}: ${message}`);
  if (name === "InterruptedError") return ExitCode.interrupted;
  return name === "UsageError" ? ExitCode.usage : ExitCode.failure;
}
