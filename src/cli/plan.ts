import { formatBytes } from "../gpu/memory.ts";
import { flop } from "../report/terminal.ts";
import { planRun, type RunPlan } from "../run/arm_options.ts";
import { withInitial } from "../run/initial.ts";
import { openTuned } from "../run/tuning.ts";
import type { StepPlan } from "../train/plan.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode, printError } from "./errors.ts";
import { givenOptions } from "./train.ts";

/** Buffers that `--explain` lists, and names that it gives of each. */
const LISTED = 16, NAMED = 3;

/** `superbatch plan`: fails when the step does not fit, with what would. */
export async function plan(
  { json, explain, action: __, ...input }: InvocationOf<"plan">,
): Promise<number> {
  // A plan draws from no pool, so none is too small.
  const options = givenOptions({ ...input, poolSize: Number.MAX_SAFE_INTEGER });
  using device = await openTuned(options.cache);
  const planned = planRun(await withInitial(options), device);
  if (json) {
    const { plan: { buffers, exceeding, choices: _, ...step }, problem } = planned;
    const listed = explain ? { buffers } : {};
    console.log(
      JSON.stringify({ adapter: device.adapter.description, ...step, exceeding, problem, ...listed }),
    );
  } else {
    console.log(`${device.adapter.description}\n`);
    console.log(planText(planned));
    if (explain) console.log(`\n${bufferText(planned.plan)}`);
  }
  return planned.problem === null
    ? ExitCode.ok
    : json
    ? ExitCode.failure
    : printError(new RangeError(planned.problem));
}

function planText({ plan, options: { batch, precision, recompute, reuseScoring } }: RunPlan): string {
  const { bytes, phases, unsharedBytes, parameterCount, microBatch } = plan;
  const row = (name: string, value: string, note = "") =>
    `${name.padEnd(20)}${value.padStart(12)}  ${note}`.trimEnd();
  const size = (name: string, sizeBytes: number, note?: string) => row(name, formatBytes(sizeBytes), note);
  const work = (name: string, flops: number, dispatches: number) =>
    row(
      name,
      flop(flops),
      `${dispatches.toLocaleString("en")} ${dispatches === 1 ? "dispatch" : "dispatches"}`,
    );
  const kept = microBatch < batch
    ? `micro-batches of ${microBatch} of ${batch}`
    : `all ${batch} examples at once`;
  const sum = (value: "flops" | "dispatches") => phases.reduce((total, phase) => total + phase[value], 0);
  return [
    size("parameters", bytes.parameters, parameterCount.toLocaleString("en")),
    size("gradients", bytes.gradients),
    size("moments", bytes.moments),
    size("inputs", bytes.inputs),
    size("log", bytes.log),
    size(
      "temporaries",
      bytes.temporaries,
      `${formatBytes(unsharedBytes)} unshared; ${kept}${recompute ? ", recomputed" : ""}${
        reuseScoring ? ", all that is scored kept" : ""
      }${precision === "f16" ? ", f16" : ""}`,
    ),
    size("uniforms", bytes.uniforms),
    size("total", bytes.total),
    "",
    ...phases.map(({ name, flops, dispatches }) => work(name, flops, dispatches)),
    work("a step", sum("flops"), sum("dispatches")),
  ].join("\n");
}

function bufferText({ buffers, maxBindingBytes }: StepPlan): string {
  const lines = buffers.slice(0, LISTED).map(({ sizeBytes, labels, phases }) => {
    const mark = sizeBytes > maxBindingBytes ? " !" : "  ";
    const more = labels.length > NAMED ? `, … (${labels.length})` : "";
    return `${formatBytes(sizeBytes).padStart(10)}${mark}  ${labels.slice(0, NAMED).join(", ")}${more}${
      phases.length > 0 ? `  [${phases.join(", ")}]` : ""
    }`;
  });
  const rest = buffers.length > LISTED ? [`… and ${buffers.length - LISTED} smaller ones`] : [];
  return [
    `The largest of ${buffers.length} buffers; ! marks those above the ${
      formatBytes(maxBindingBytes)
    } that can be bound:`,
    ...lines,
    ...rest,
  ].join("\n");
}
