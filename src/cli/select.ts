import { openTuned } from "../run/tuning.ts";
import { type EmbeddingSet, readEmbeddings } from "../run/reference.ts";
import { countedModels, samplerScore } from "../selection/samplers.ts";
import { selectExamples } from "../selection/select.ts";
import { readFileBytes } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode, UsageError } from "./errors.ts";

/** `superbatch select`. */
export async function select(given: InvocationOf<"select">): Promise<number> {
  checkFiles(given);
  const { action: _, learner, reference, json, ...options } = given;
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

/** @throws {UsageError} when the sampler cannot go by the score, or a file that the score counts is not named */
function checkFiles({ sampler = "joint", score: wanted, ...files }: InvocationOf<"select">): void {
  let score;
  try {
    score = samplerScore(sampler, wanted);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const counted = countedModels(score);
  for (const model of ["learner", "reference"] as const) {
    if (counted[model] && files[model] === undefined) {
      throw new UsageError(`${score} needs the ${model}'s embeddings: give --${model} FILE`);
    }
  }
  if (files.learner === undefined && files.reference === undefined) {
    throw new UsageError("There is nothing to select from: give --learner FILE or --reference FILE");
  }
}

async function embeddings(path: string | undefined): Promise<EmbeddingSet | null> {
  return path === undefined ? null : readEmbeddings(await readFileBytes(path), path);
}
