import { formatBytes } from "../gpu/memory.ts";
import { type Checkpoint, readCheckpoint } from "../models/checkpoint.ts";
import { exportOnnxModel } from "../models/onnx/model_files.ts";
import { atPatchSize } from "../models/patch_size.ts";
import { type ExportedModel, type ExportFormat, exportModel } from "../models/pretrained/export.ts";
import { piecesOf, readFileBytes } from "../storage/files.ts";
import { writeModelFolder } from "../storage/model_folder.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode } from "./errors.ts";

/** What makes the files of each format. */
const exporters: Record<ExportFormat, (checkpoint: Checkpoint) => ExportedModel | Promise<ExportedModel>> = {
  "hugging-face": exportModel,
  onnx: exportOnnxModel,
};

/** `superbatch export`: a checkpoint as files of other libraries. */
export async function exportWeights(
  { model, out, format, patch, dryRun, json }: InvocationOf<"export">,
): Promise<number> {
  const stored = readCheckpoint(await readFileBytes(model), model);
  const checkpoint = patch === undefined ? stored : atPatchSize(stored, patch);
  const { files, warnings } = await exporters[format](checkpoint);
  if (!dryRun) await writeModelFolder(out, files);
  const sizes = Array.from(files, ([name, content]) => ({
    name,
    bytes: piecesOf(content).reduce((sum, { length }) => sum + length, 0),
  }));
  for (const warning of warnings) console.error(`Warning: ${warning}`);
  if (json) {
    console.log(JSON.stringify({ folder: dryRun ? null : out, format, files: sizes, warnings }));
  } else {
    console.log(
      [
        ...sizes.map(({ name, bytes }) => `${name}, ${formatBytes(bytes)}`),
        dryRun ? `would be written into ${out}` : out,
      ]
        .join("\n"),
    );
  }
  return ExitCode.ok;
}
