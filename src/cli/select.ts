import { openTuned } from "../run/tuning.ts";
import { readEmbeddings } from "../run/reference.ts";
import { selectJointly } from "../selection/select.ts";
import { readFileBytes } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode } from "./errors.ts";

/** `superbatch select`. */
export async function select(options: InvocationOf<"select">): Promise<number> {
  const { learner, reference, json, filterRatio, chunks, gain, seed } = options;
  const [learned, referred] = await Promise.all(
    [learner, reference].map(async (path) => readEmbeddings(await readFileBytes(path), path)),
  );
  using device = await openTuned();
  const result = await selectJointly(device, learned, referred, { filterRatio, chunks, gain, seed });
  if (json) console.log(JSON.stringify(result));
  else {
    console.log(result.indices.join("\n"));
    console.error(
      `${result.indices.length} selected, batch learnability ${result.batchLearnability.toFixed(6)}`,
    );
  }
  return ExitCode.ok;
}
