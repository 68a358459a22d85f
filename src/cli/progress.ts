/**
 * Progress on stderr: a bar on a terminal, plain lines elsewhere, so that stdout stays for results.
 *
 * @module
 */

/** Where progress is written; the terminal unless a test says otherwise. */
export interface ProgressTarget {
  /** Whether a line can be drawn anew. */
  readonly terminal: boolean;
  /** Characters that fit into a line. */
  readonly columns: number;
  /** Takes text as it is, line ends included. */
  write(text: string): void;
  /** Milliseconds since some fixed moment. */
  now(): number;
}

const encoder = new TextEncoder();

/** The process's stderr. */
export function standardError(): ProgressTarget {
  const terminal = Deno.stderr.isTerminal();
  return {
    terminal,
    columns: terminal ? Deno.consoleSize().columns : 80,
    write: (text) => void Deno.stderr.writeSync(encoder.encode(text)),
    now: () => performance.now(),
  };
}

/** Milliseconds between two updates: often on a terminal, seldom in a log. */
const interval = { terminal: 100, plain: 5000 };

/** Shows one stage after the other. */
export class Progress {
  #stage = "";
  #startedAt = 0;
  #first = 0;
  #shownAt = -Infinity;
  #open = false;
  #ended = "";

  /** Progress on stderr unless told otherwise; none at all when `quiet`. */
  constructor(private readonly target: ProgressTarget = standardError(), private readonly quiet = false) {}

  /** A stage has come so far; `total` 0 means that its length is unknown. */
  update(stage: string, done: number, total: number, note = ""): void {
    if (this.quiet) return;
    const ended = total > 0 && done >= total;
    if (ended && stage === this.#ended) return; // its end was said already
    this.#ended = "";
    const now = this.target.now();
    if (stage !== this.#stage) {
      this.close();
      this.#stage = stage;
      this.#startedAt = now;
      this.#first = done;
      this.#shownAt = -Infinity;
    }
    const wait = this.target.terminal ? interval.terminal : interval.plain;
    if (now - this.#shownAt < wait && !ended) return;
    this.#shownAt = now;
    const line = this.#line(done, total, (now - this.#startedAt) / 1000, note);
    if (this.target.terminal) {
      this.target.write(`\r\x1b[2K${line.slice(0, this.target.columns - 1)}`);
      this.#open = true;
      if (ended) this.close();
    } else this.target.write(`${line}\n`);
    if (ended) {
      this.#ended = stage;
      this.#stage = "";
    }
  }

  /** A line that stays. */
  log(line: string): void {
    if (this.quiet) return;
    this.close();
    this.target.write(`${line}\n`);
  }

  /** Leaves the bar as it is and begins a new line. */
  close(): void {
    if (this.#open) this.target.write("\n");
    this.#open = false;
  }

  #line(done: number, total: number, seconds: number, note: string): string {
    if (total === 0) return this.#stage;
    const share = Math.min(done / total, 1), rate = (done - this.#first) / Math.max(seconds, 1e-3);
    const left = rate > 0 ? `${duration((total - done) / rate)} left` : "";
    const speed = rate > 0 ? `${rate >= 100 ? rate.toFixed(0) : rate.toPrecision(3)}/s` : "";
    const parts = [`${done}/${total}`, speed, done < total ? left : duration(seconds), note].filter((part) =>
      part !== ""
    );
    const bar = this.target.terminal
      ? ` ${drawBar(share, 24)}`
      : ` ${(share * 100).toFixed(0).padStart(3)} %`;
    return `${this.#stage.padEnd(32)}${bar}  ${parts.join("  ")}`;
  }
}

function drawBar(share: number, width: number): string {
  const filled = Math.round(share * width);
  return "█".repeat(filled) + "░".repeat(width - filled);
}

/** Seconds as people say them. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
