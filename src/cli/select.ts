import { openTuned } from "../run/tuning.ts";
import { type EmbeddingSet, readEmbeddings } from "../run/reference.ts";
import { selectExamples } from "../selection/select.ts";
import { readFileBytes } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode } from "./errors.ts";

/** `superbatch select`. */
export async function select(
  { action: _, learner, reference, json, ...options }: InvocationOf<"select">,
): Promise<number> {
  const [learned, referred] = await Promise.all([learner, reference].map(embeddings));
  using device = await openTuned();
  const result = await selectExamples(device, { learner: learned, reference: referred }, options);
  if (json) console.log(JSON.stringify(result));
  else {
    const { indices, batchScore, batchLearnability } = result;
    const score = batchLearnability === null ? "score" : "learnability";
    console.log(indices.join("\n"));
    console.error(
      `${indices.length} selected, batch ${score} ${(batchLearnability ?? batchScore).toFixed(6)}`,
    );
  }
  return ExitCode.ok;
}

async function embeddings(path: string | undefined): Promise<EmbeddingSet | null> {
  return path === undefined ? null : readEmbeddings(await readFileBytes(path), path);
}
