"""Mirroring, moving and cutting out: the geometry against torchvision's functions with the same parameters."""
import os
import subprocess

import numpy as np
import torch
import torchvision.transforms.functional as F

PROGRAM = os.path.join(os.environ["SUANLI_PEER_PROGRAMS"], "peer_views")


def ours(*words):
    subprocess.run([PROGRAM, "x.f32", *map(str, words)], check=True)
    return torch.from_numpy(np.fromfile("x.f32", np.float32).reshape(3, 32, 40))


plain = ours("plain")
assert torch.equal(ours("mirror"), F.hflip(plain))
for down, right in ((0, 0), (3, -4), (-4, 4), (4, 0), (-1, -2)):   # RandomCrop(size, padding=4) at 4 + down, 4 + right
    assert torch.equal(ours("shift", down, right), F.crop(F.pad(plain, [4, 4, 4, 4]), 4 + down, 4 + right, 32, 40)), (down, right)
for top, left, height, width in ((0, 0, 32, 40), (3, 5, 20, 30), (12, 0, 11, 7), (31, 39, 1, 1), (0, 20, 32, 20)):
    theirs = F.resized_crop(plain, top, left, height, width, [32, 40], antialias=False)
    difference = (ours("box", top, left, height, width) - theirs).abs().max()
    print(f"part {height}x{width} at {top}, {left}: largest difference {difference:.1e}")
    assert difference < 1e-5, (top, left, height, width)
