/**
 * Commands: weights from other libraries, and for them.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, command, constant, option } from "@optique/core/primitives";
import { choice, integer, string } from "@optique/core/valueparser";
import { presetNames } from "../../models/config.ts";
import { exportFormats } from "../../models/pretrained/export.ts";
import { yes } from "./shared.ts";

/** `superbatch import`. */
export const importWeights = command(
  "import",
  object({
    action: constant("import"),
    from: argument(string({ metavar: "FOLDER|hf:OWNER/NAME" }), {
      description: message`A folder with config.json and model.safetensors, or the name of a model on a hub.`,
    }),
    out: withDefault(
      option("--out", string({ metavar: "FILE.safetensors" }), {
        description: message`Where the checkpoint goes (model.safetensors).`,
      }),
      "model.safetensors",
    ),
    text: optional(option("--text", choice(presetNames, { metavar: "PRESET" }), {
      description:
        message`With an image tower of timm: the preset of the text tower, not yet trained (S/16).`,
    })),
    seed: optional(
      option("--seed", integer({ min: 0 }), { description: message`The text tower's seed (1).` }),
    ),
    cache: optional(option("--cache", string({ metavar: "FOLDER" }), {
      description: message`Where what is fetched is kept.`,
    })),
    dryRun: yes("--dry-run", message`Read and check everything, and write no checkpoint.`),
    json: yes("--json", message`Print one line of JSON.`),
    quiet: yes("--quiet", message`No progress.`),
  }),
  {
    brief: message`Take over weights from transformers or timm.`,
    description:
      message`SigLIP, SigLIP 2 at a fixed resolution and CLIP in the layout of transformers, whole or in shards, f32, \
f16 or bf16; ViT, FlexiViT and SigLIP's image towers in timm's. The checkpoint holds weights, tokenizer and \
preprocessing. HF_ENDPOINT names another hub, HF_TOKEN opens what is not public.`,
  },
);

/** `superbatch export`. */
export const exportWeights = command(
  "export",
  object({
    action: constant("export"),
    model: argument(string({ metavar: "MODEL.safetensors" }), {
      description: message`A checkpoint, such as the learner.safetensors of a run.`,
    }),
    out: option("--out", string({ metavar: "FOLDER" }), { description: message`Where the files go.` }),
    format: withDefault(
      option("--format", choice(exportFormats, { metavar: "FORMAT" }), {
        description:
          message`What reads them: transformers of Hugging Face, or onnxruntime and transformers.js (hugging-face).`,
      }),
      "hugging-face" as const,
    ),
    patch: optional(option("--patch", integer({ min: 1 }), {
      description: message`Side of the image patches in pixels, to which the model is resized (its own).`,
    })),
    dryRun: yes("--dry-run", message`Say what would be written, and write nothing.`),
    json: yes("--json", message`Print one line of JSON.`),
  }),
  { brief: message`Write a model for other libraries.` },
);
