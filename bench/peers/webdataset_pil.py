"""Python's side of bench/decoding.ts: webdataset and Pillow, in worker processes.

    python3 bench/peers/webdataset_pil.py make FOLDER PICTURES WIDTH HEIGHT   # writes shards, prints the mean bytes a picture
    python3 bench/peers/webdataset_pil.py read FOLDER WORKERS SIDE            # reads them once for each line on stdin

Needs pillow==13.0.0, webdataset==1.0.2, torch==2.13.0 and numpy==2.4.6. Pictures are noise with the spectrum of photographs,
1/f, as JPEG of quality 90, so that a picture takes as many bytes as a photograph of its size.
"""

import glob
import io
import json
import multiprocessing
import os
import sys
import time

import numpy as np
import PIL
import torch
import webdataset as wds
from PIL import Image

SHARDS = 8


def photograph(random, width, height):
    spectrum = np.fft.rfft2(random.randn(3, height, width), axes=(1, 2))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    plane = np.fft.irfft2(spectrum / frequency**1.1, s=(height, width), axes=(1, 2))
    plane = plane / plane.std() * 50
    light, red, blue = plane
    pixels = np.stack([light + 0.35 * red, light, light + 0.35 * blue], -1) + 120
    return Image.fromarray(np.clip(pixels, 0, 255).astype("u1"))


def make(folder, pictures, width, height):
    random, total = np.random.RandomState(1), 0
    writers = [wds.TarWriter(f"{folder}/{shard:06}.tar") for shard in range(SHARDS)]
    for index in range(pictures):
        file = io.BytesIO()
        photograph(random, width, height).save(file, "JPEG", quality=90)
        total += len(file.getvalue())
        writers[index % SHARDS].write({"__key__": f"{index:06}", "jpg": file.getvalue(), "txt": f"picture {index}"})
    for writer in writers:
        writer.close()
    print(json.dumps({"bytes": total / pictures}))


def cpu_seconds():
    """What this process and its workers have computed; Linux."""
    total = 0
    for process in ["self", *(child.pid for child in multiprocessing.active_children())]:
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def read(folder, workers, side):
    def prepare(sample):
        return np.asarray(sample[0].resize((side, side), Image.BICUBIC)), sample[1]

    shards = sorted(glob.glob(f"{folder}/*.tar"))
    data = wds.WebDataset(shards, shardshuffle=False, workersplitter=wds.split_by_worker)
    data = data.decode("pilrgb").to_tuple("jpg", "txt").map(prepare).batched(32)
    loader = wds.WebLoader(data, batch_size=None, num_workers=workers, persistent_workers=True)
    print(json.dumps({"name": f"webdataset {wds.__version__}, Pillow {PIL.__version__}, PyTorch {torch.__version__}"}), flush=True)
    for _ in sys.stdin:
        started, before, count, digest = time.perf_counter(), cpu_seconds(), 0, 0
        for pixels, _captions in loader:
            count += len(pixels)
            digest += int(np.asarray(pixels)[:, ::16, ::16].sum())
        seconds = time.perf_counter() - started
        answer = {"count": count, "digest": digest, "seconds": seconds, "cpuSeconds": cpu_seconds() - before}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    command, folder, *numbers = sys.argv[1:]
    {"make": make, "read": read}[command](folder, *map(int, numbers))
