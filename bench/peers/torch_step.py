"""PyTorch's side of bench/peers/run.ts: the same training step, from the same parameters and batch.

    python3 bench/peers/torch_step.py --list                      # what this machine offers, as JSON
    python3 bench/peers/torch_step.py --serve "cpu f32"           # answers run.ts, one JSON object a line
    python3 bench/peers/torch_step.py --preset B/16 --batch 256   # by itself: images a second of a preset

Needs torch and numpy. The model is the one that the fixtures are made with (tests/fixtures/make.py), with PyTorch's own
scaled_dot_product_attention, AdamW and clip_grad_norm_. "f32" is strict; "tf32" lets CUDA round the factors of
products to TF32; "bf16" is autocast over f32 parameters. The batch stays on the device and the loss is read once, after
the last step.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "fixtures"))
import make  # noqa: E402  (beside the fixtures)

CHECKED_STEPS = 11
OPTIMIZER = dict(lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
WEIGHT_DECAY, CLIP_NORM = 1e-4, 1.0
PRESETS = {"Ti/16": (192, 12, 3, 16), "S/16": (384, 12, 6, 16), "B/32": (768, 12, 12, 32), "B/16": (768, 12, 12, 16),
           "L/16": (1024, 24, 16, 16)}


def attention(q, k, v, heads):
    q, k, v = (make.split_heads(x, heads) for x in (q, k, v))
    mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
    return mixed.reshape(*mixed.shape[:2], -1)


make.attention = attention  # the fused one: the fixtures want the definition, a benchmark PyTorch's fastest


def model_config(config, batch):
    """superbatch's configuration in the words of make.py, whose towers share their sizes."""
    vision, text = config["vision"], config["text"]
    for name in ("width", "depth", "heads", "hidden"):
        if vision[name] != text[name]:
            raise ValueError(f"the towers differ in {name}: not supported here")
    return dict(
        batch=batch, image=vision["imageSize"], patch=vision["patchSize"], tokens=text["tokens"],
        vocabulary=text["vocabulary"], width=vision["width"], depth=vision["depth"], heads=vision["heads"],
        hidden=vision["hidden"], embedding=config["embedding"], pool=vision["pool"], loss="sigmoid",
    )


class Step:
    """A training step on one device, in one precision."""

    def __init__(self, config, parameters, pixels, tokens, variant):
        self.device, precision = variant.split()
        self.bf16 = precision == "bf16"
        allow_tf32(precision == "tf32")
        to = lambda x, **options: torch.tensor(x, device=self.device, **options)
        self.parameters = {name: to(value, requires_grad=True) for name, value in parameters.items()}
        self.model = make.DualEncoder(config, self.parameters)
        self.batch = to(pixels), to(tokens.astype(np.int64))
        count = config["batch"]
        self.sign = 2 * torch.eye(count, device=self.device) - 1
        groups = [
            {"params": [p for name, p in self.parameters.items() if make.is_decayed(name) == (decay > 0)],
             "weight_decay": decay}
            for decay in (WEIGHT_DECAY, 0)
        ]
        self.optimizer = torch.optim.AdamW(groups, **OPTIMIZER, fused=True)

    def loss(self):
        image, text = self.model.embed(*self.batch)
        p = self.parameters
        logits = p["logit_scale"].exp() * image @ text.T + p["logit_bias"]
        return -F.logsigmoid(self.sign * logits).sum() / len(image)

    def run(self):
        self.optimizer.zero_grad()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            loss = self.loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), CLIP_NORM)
        self.optimizer.step()
        return loss.detach()

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()


def variants():
    names = ["cpu f32", "cpu bf16"]
    return names + ["cuda f32", "cuda tf32", "cuda bf16"] if torch.cuda.is_available() else names


def device_name(variant):
    return torch.cuda.get_device_name() if variant.startswith("cuda") else f"CPU, {torch.get_num_threads()} threads"


def allow_tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def seconds(step, runs):
    step.wait()
    start = time.perf_counter()
    for _ in range(runs):
        loss = step.run()
    loss.item()
    step.wait()
    return time.perf_counter() - start


def prepare(work, variant):
    if work["kind"] != "step":
        raise ValueError(f"only steps are measured here, not {work['kind']}")
    tensors = make.load(Path(work["file"]))
    parameters = {name[len("param."):]: value for name, value in tensors.items() if name.startswith("param.")}
    config = model_config(work["config"], work["batch"])
    return Step(config, parameters, tensors["input.pixels"], tensors["input.tokens"], variant)


def serve(variant):
    def reply(**message):
        print(json.dumps(message), flush=True)

    step = None
    reply(adapter=device_name(variant))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["ask"] == "prepare":
                step = prepare(request["work"], variant)
                reply(losses=[step.run().item() for _ in range(CHECKED_STEPS)])
            elif request["ask"] == "time":
                reply(seconds=seconds(step, request["runs"]), dispatches=None, submits=None)
            else:
                step = None
                if variant.startswith("cuda"):
                    torch.cuda.empty_cache()
                reply(released=True)
        except Exception as error:  # whatever it is, the driver reports it in this library's place
            reply(error=f"{type(error).__name__}: {str(error)[:300]}")


def alone(preset, batch, variant):
    width, depth, heads, patch = PRESETS[preset]
    config = dict(batch=batch, image=256, patch=patch, tokens=64, vocabulary=32000, width=width, depth=depth, heads=heads,
                  hidden=4 * width, embedding=width, pool="map", loss="sigmoid")
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, [batch, 256, 256, 3], dtype=np.uint8)
    tokens = rng.integers(0, 32000, [batch, 64], dtype=np.int32)
    step = Step(config, make.initial_parameters(config, rng), pixels, tokens, variant)
    seconds(step, 2)
    runs = max(1, round(5 / seconds(step, 1)))
    best = min(seconds(step, runs) / runs for _ in range(3))
    print(f"| {preset}, b = {batch}, {variant} ({device_name(variant)}, torch {torch.__version__}) | "
          f"{best * 1e3:.1f} ms | {batch / best:.0f} images/s |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--serve", metavar="VARIANT")
    parser.add_argument("--preset", choices=PRESETS)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--variants", nargs="*", help='such as "cuda bf16"; all that fit when left out')
    options = parser.parse_args()
    if options.list:
        print(json.dumps({"version": torch.__version__, "variants": variants()}))
    elif options.serve:
        serve(options.serve)
    elif options.preset:
        chosen = options.variants or [v for v in variants() if not torch.cuda.is_available() or v.startswith("cuda")]
        for variant in chosen:
            alone(options.preset, options.batch, variant)
    else:
        parser.error("give --list, --serve or --preset")


if __name__ == "__main__":
    main()
