# SPDX-License-Identifier: Apache-2.0
"""Pictures per second: a folder of JPEGs decoded, cut, mirrored, RandAugmented and made a batch of numbers, by our loader and by PyTorch's.

    $(scripts/peers --path) bench/peers/loader.py PHOTOS [--size 224] [--threads 2] [--rounds 5] [--programs build/test]

PHOTOS is a folder with one sub-folder per class. Both sides have the same number of threads, or worker processes. PyTorch takes part twice:
with Pillow (ImageFolder as it comes) and with torchvision.io and transforms on tensors of bytes. The sides take turns; medians are compared.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch
from torch.utils.data import ConcatDataset, DataLoader
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2

BATCH = 64


def transforms(size, first, last):
    return v2.Compose([*first, v2.RandomResizedCrop(size, (0.35, 1)), v2.RandomHorizontalFlip(), v2.RandAugment(), *last])


def peer(photos, size, threads, samples, tensors):
    """A function that gives pictures per second."""
    to_floats = v2.ToDtype(torch.float32, scale=True)
    if tensors:
        decode = lambda path: decode_jpeg(read_file(path), ImageReadMode.RGB)
        folder = ImageFolder(photos, transforms(size, [], [to_floats]), loader=decode)
    else:
        folder = ImageFolder(photos, transforms(size, [], [v2.ToImage(), to_floats]))
    many = ConcatDataset([folder] * max(1, samples // len(folder)))   # one long epoch: the pause between epochs counts for nobody
    loader = DataLoader(many, BATCH, shuffle=True, num_workers=threads, persistent_workers=True, prefetch_factor=4)

    def measure():
        begin, count = time.perf_counter(), 0
        for x, y in loader:
            count += len(y)
        return count / (time.perf_counter() - begin)

    measure()
    return measure


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--programs", default="build/test")
    options = parser.parse_args()

    def ours():
        words = [f"{options.programs}/bench_loader", f"folder:{options.photos}?size={options.size}", "resized_crop,flip,randaugment", BATCH,
                 options.threads, options.samples]
        return json.loads(subprocess.run([*map(str, words)], check=True, capture_output=True, text=True).stdout)["samples_per_s"]

    sides = {"suanli": ours}
    for name, tensors in (("pytorch, Pillow", False), ("pytorch, tensors", True)):
        sides[name] = peer(options.photos, options.size, options.threads, options.samples, tensors)
    rates = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, measure in sides.items():
            rates[name].append(measure())
    for name, values in rates.items():
        print(f"{name:18} {statistics.median(values):7.0f} pictures/s   ({min(values):.0f} … {max(values):.0f})")
    best = max(statistics.median(v) for n, v in rates.items() if n != "suanli")
    print(f"ratio to PyTorch's better one: {statistics.median(rates['suanli']) / best:.2f}")


if __name__ == "__main__":
    main()
