# SPDX-License-Identifier: Apache-2.0
"""What augmentation does to pixels, part by part, against torchvision's functions with the same parameters.

torchvision is given numbers, so that its results are not rounded: ours may differ by half of a 255th. The moves of RandAugment are given
bytes, of which it cuts off instead of rounding, up to twice. Nearest pixels may differ where a place lies on the
edge between two pixels; of real pictures that is few of them.
"""
import os
import subprocess

import numpy as np
import torch
import torchvision.transforms.functional as F
from torchvision.transforms import InterpolationMode, v2

PROGRAM = os.path.join(os.environ["SUANLI_PEER_PROGRAMS"], "peer_views")
HEIGHT, WIDTH = 32, 40


def scene(height, width, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [120 + 80 * np.sin(x / (4 + 3 * c) + c) * np.cos(y / (5 + 2 * c)) + rng.normal(0, 12, (height, width)) for c in range(3)]
    return torch.from_numpy(np.clip(np.stack(planes), 10, 240).astype(np.uint8))


PLAIN = scene(HEIGHT, WIDTH)


def ours(*words, picture=PLAIN, dtype=np.uint8):
    picture.numpy().tofile("in.u8")
    subprocess.run([PROGRAM, "in.u8", *map(str, picture.shape[-2:]), "out.bin", *map(str, words)], check=True)
    return torch.from_numpy(np.fromfile("out.bin", dtype).reshape(picture.shape))


def compare(what, got, theirs, most=1, share=1.0):
    """At least `share` of the values differ by at most `most` of 255."""
    difference = (got.double() - theirs.double()).abs()
    good = (difference <= most).double().mean().item()
    print(f"{what}: largest difference {difference.max():.3f}, {100 * good:.2f}% within {most}")
    assert good >= share, what


compare("mirror", ours("mirror"), F.hflip(PLAIN), 0)
for down, right in ((0, 0), (3, -4), (-4, 4), (4, 0), (-1, -2)):   # RandomCrop(size, padding=4) at 4 + down, 4 + right
    compare(f"shift {down} {right}", ours("shift", down, right), F.crop(F.pad(PLAIN, [4, 4, 4, 4]), 4 + down, 4 + right, HEIGHT, WIDTH), 0)
    mirrored = F.pad(PLAIN, [4, 4, 4, 4], padding_mode="reflect")
    compare(f"shift mirrored {down} {right}", ours("shift_mirrored", down, right), F.crop(mirrored, 4 + down, 4 + right, HEIGHT, WIDTH), 0)
for top, left, height, width in ((0, 0, 32, 40), (3, 5, 20, 30), (12, 0, 11, 7), (31, 39, 1, 1), (0, 20, 32, 20)):
    theirs = F.resized_crop(PLAIN.float(), top, left, height, width, [HEIGHT, WIDTH], antialias=False)
    compare(f"part {height}x{width} at {top}, {left}", ours("box", top, left, height, width), theirs, 0.501)
compare("erase", ours("erase", 3, 4, 13, 24), F.erase(PLAIN, 3, 4, 10, 20, torch.tensor([9, 8, 7], dtype=torch.uint8)[:, None, None]), 0)

for height, width in ((32, 40), (57, 33), (224, 224)):
    picture = scene(height, width, 1)
    for mode in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        share = 0.995 if mode == InterpolationMode.NEAREST else 1.0
        for angle, right, down, scale, shear in ((0, 3, -5, 1, (0, 0)), (31, 0, 0, 1, (0, 0)), (-77, 4, 2, 1.1, (0, 0)), (10, 0, 0, 0.9, (8, -6)),
                                                 (180, 0, 0, 1, (0, 0)), (5, -2, 1, 1.05, (20, 0))):
            theirs = F.affine(picture.float(), angle, [right, down], scale, list(shear), mode)
            compare(f"affine {mode.value} {height}x{width} {angle} {right} {down} {scale} {shear}",
                    ours("affine", mode.value, angle, right, down, scale, *shear, picture=picture), theirs, 1, share)

    for factor in (0.1, 0.5, 1, 1.3, 1.9):
        for what in ("brightness", "contrast", "saturation", "sharpness"):
            compare(f"{what} {factor}", ours(what, factor, picture=picture), 255 * getattr(F, f"adjust_{what}")(picture.float() / 255, factor), 0.51)
    for turn in (-0.5, -0.1, 0.05, 0.3):
        compare(f"hue {turn}", ours("hue", turn, picture=picture), 255 * F.adjust_hue(picture.float() / 255, turn), 0.51)
    compare("grayscale", ours("grayscale", picture=picture), 255 * F.rgb_to_grayscale(picture.float() / 255, 3), 0.51)
    for bits in (2, 4, 7, 8):
        compare(f"posterize {bits}", ours("posterize", bits, picture=picture), F.posterize(picture, bits), 0)
    for threshold in (0, 128, 255):
        compare(f"solarize {threshold}", ours("solarize", threshold, picture=picture), F.solarize(picture, threshold), 0)
    compare("autocontrast", ours("autocontrast", picture=picture), 255 * F.autocontrast(picture.float() / 255), 0.51)
    compare("equalize", ours("equalize", picture=picture), F.equalize(picture), 0)
    for radius, sigma in ((1, 0.3), (3, 1.0), (6, 2.0)):
        compare(f"blur {radius} {sigma}", ours("blur", radius, sigma, picture=picture), F.gaussian_blur(picture.float(), 2 * radius + 1, sigma), 0.51)

# The moves of RandAugment and TrivialAugment: names, largest amounts, and what each does.
listed = [line.split() for line in subprocess.run([PROGRAM, "moves"], check=True, capture_output=True, text=True).stdout.splitlines()]
spaces = v2.RandAugment._AUGMENTATION_SPACE, v2.TrivialAugmentWide._AUGMENTATION_SPACE
assert [m[0] for m in listed] == list(spaces[0]) == list(spaces[1])
for name, signed, *most in listed:
    for space, largest, policy in zip(spaces, most, (v2.RandAugment(), v2.TrivialAugmentWide())):
        amounts, theirs_signed = space[name]
        amounts = amounts(31, HEIGHT, WIDTH)
        assert bool(int(signed)) == theirs_signed, name
        for i in (0, 4, 9, 17, 30):
            amount = float(largest) * i / 30
            magnitude = 0.0 if amounts is None else amounts[i].item()
            if name not in ("Posterize", "Solarize"):   # there the amount is counted from the other end
                assert abs(amount - magnitude) < 1e-4, (name, amount, magnitude)
            for sign in ((1, -1) if theirs_signed else (1,)):
                theirs = policy._apply_image_or_video_transform(PLAIN, name, sign * magnitude, InterpolationMode.NEAREST, {torch.Tensor: None})
                compare(f"{name} {sign * amount:.3f}", ours("move", name, sign * amount), theirs, 2, 0.96)   # one row of 32 may be such places

batch = torch.stack([scene(HEIGHT, WIDTH, seed) for seed in range(4)])
fractions = batch.float() / 255
got = ours("mixup", 0.3, picture=batch, dtype=np.float32)
compare("mixup", 255 * got, 255 * (fractions.roll(1, 0) * 0.7 + fractions * 0.3), 1e-3)
theirs = fractions.clone()
theirs[..., 5:20, 7:30] = fractions.roll(1, 0)[..., 5:20, 7:30]
compare("cutmix", 255 * ours("cutmix", 5, 7, 20, 30, picture=batch, dtype=np.float32), 255 * theirs, 1e-3)
