# SPDX-License-Identifier: Apache-2.0
"""Pictures of every format and mode: what read_picture() gives against Pillow on the same files.

Pillow's filters for other sizes count a pixel whole or not at all, so sizes are compared with NumPy: means over an area as differences of
the cumulative sum, growing as linear interpolation.
"""
import os
import pathlib
import subprocess

import numpy as np
from PIL import Image, ImageOps

PROGRAM = os.path.join(os.environ["SUANLI_PEER_PROGRAMS"], "peer_picture")


def scene(height, width, seed=0):
    """Smooth shapes with some noise, so that JPEG has something to do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    channels = [128 + 90 * np.sin(x / (9 + 5 * c) + c) * np.cos(y / (7 + 3 * c)) + rng.normal(0, 6, (height, width)) for c in range(3)]
    return Image.fromarray(np.clip(np.stack(channels, -1), 0, 255).astype(np.uint8))


def read(jobs):
    """[(file, channels, height, width)] → arrays [channels, h, w]; height 0: as in the file."""
    words = []
    for i, (file, channels, height, width) in enumerate(jobs):
        words += [file, channels, height, width, f"{i}.f32"]
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [np.fromfile(f"{i}.f32", np.float32) for i in range(len(jobs))]


def over_white(image):
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


def check_formats():
    rgb = scene(60, 83)
    alpha = rgb.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(rgb.size))
    files = {   # name: picture, how it is saved, tolerance in 255ths
        "a.png": (rgb, {}, 0), "gray.png": (rgb.convert("L"), {}, 0), "palette.png": (rgb.quantize(50), {}, 0),
        "bits.png": (rgb.convert("1"), {}, 0), "alpha.png": (alpha, {}, 1), "la.png": (alpha.convert("LA"), {}, 1),
        "a.jpg": (rgb, {"quality": 90}, 0), "gray.jpg": (rgb.convert("L"), {"quality": 90}, 0),
        "progressive.jpg": (rgb, {"quality": 90, "progressive": True}, 0), "444.jpg": (rgb, {"quality": 95, "subsampling": 0}, 0),
        "420.jpg": (rgb, {"quality": 80, "subsampling": 2}, 0), "cmyk.jpg": (rgb.convert("CMYK"), {"quality": 95}, 1),
        "a.webp": (rgb, {"quality": 80}, 0), "lossless.webp": (rgb, {"lossless": True}, 0), "alpha.webp": (alpha, {"lossless": True}, 1),
    }
    for name, (image, how, _) in files.items():
        image.save(name, **how)
    sixteen = (np.arange(60 * 83, dtype=np.uint32).reshape(60, 83) * 13 % 65536).astype(np.uint16)
    Image.fromarray(sixteen).save("sixteen.png")
    names = [*files, "sixteen.png"]
    ours = read([(name, 3, 0, 0) for name in names])
    for name, got in zip(names, ours):
        image = Image.open(name)
        if name == "sixteen.png":
            theirs, tolerance = np.repeat(np.round(sixteen / 257.0)[None], 3, 0), 0
        else:
            theirs, tolerance = np.asarray(over_white(image), np.float64).transpose(2, 0, 1), files[name][2]
        difference = np.abs(got.reshape(theirs.shape) * 255.0 - theirs).max()
        print(f"{name:16} largest difference {difference:.4f} of 255")
        # The two are built with different versions of the same codecs: a rounding here and there is allowed.
        assert difference <= tolerance + 1 + 1e-3, name
        assert np.abs(got.reshape(theirs.shape) * 255.0 - theirs).mean() < 0.1 + tolerance, name


def check_orientation():
    image = scene(48, 80)
    jobs = []
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(f"turn{orientation}.jpg", quality=95, exif=exif)
        jobs.append((f"turn{orientation}.jpg", 3, 0, 0))
    for (name, *_), got in zip(jobs, read(jobs)):
        theirs = np.asarray(ImageOps.exif_transpose(Image.open(name)), np.float64).transpose(2, 0, 1)
        assert np.abs(got.reshape(theirs.shape) * 255.0 - theirs).max() <= 1.001, name
    print("orientations 1 to 8 agree")


def scaled(values, axis, begin, length, to):
    """`to` samples of the stretch `length` from `begin` on."""
    values = np.moveaxis(values, axis, 0)
    edges = begin + length * np.arange(to + 1) / to
    if length > to:
        total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, 0)])
        whole = np.minimum(np.floor(edges).astype(int), len(values) - 1)
        at = total[whole] + (edges - whole)[:, None, None] * (total[whole + 1] - total[whole])
        out = np.diff(at, axis=0) * to / length
    else:
        center = np.clip((edges[:-1] + edges[1:]) / 2 - 0.5, begin, begin + length - 1)
        low = np.minimum(center.astype(int), max(0, len(values) - 2))
        part = (center - low)[:, None, None]
        out = values[low] * (1 - part) + values[np.minimum(low + 1, len(values) - 1)] * part
    return np.moveaxis(out, 0, axis)


def fitted(image, height, width):
    """The middle of a picture at that size, [channels, height, width] in 255ths."""
    pixels = np.asarray(image, np.float64).transpose(2, 0, 1)
    scale = min(pixels.shape[1] / height, pixels.shape[2] / width)
    h, w = height * scale, width * scale
    rows = scaled(pixels, 1, (pixels.shape[1] - h) / 2, h, height)
    return scaled(rows, 2, (pixels.shape[2] - w) / 2, w, width)


def check_sizes():
    image = scene(150, 233)
    image.save("large.png")
    sizes = [(96, 96), (28, 28), (64, 100), (149, 10), (150, 233), (7, 150), (200, 200), (151, 180), (300, 466), (1, 1)]
    for (height, width), got in zip(sizes, read([("large.png", 3, h, w) for h, w in sizes])):
        difference = np.abs(got.reshape(3, height, width) * 255.0 - fitted(image, height, width)).max()
        print(f"{height}x{width}: largest difference {difference:.5f} of 255")
        assert difference < 0.501, (height, width)   # ours is whole
    image.crop((0, 0, 231, 150)).save("thirds.png")
    [got] = read([("thirds.png", 3, 50, 77)])
    theirs = np.asarray(Image.open("thirds.png").reduce(3), np.float64).transpose(2, 0, 1)   # 3 x 3 means: nothing to interpret
    assert np.abs(got.reshape(3, 50, 77) * 255.0 - theirs).max() <= 1.001   # Pillow's result is whole
    print("3 x 3 means agree with Pillow")


def check_scaled_jpeg():
    """A JPEG that is made much smaller is decoded at a reduced scale: close to decoding it whole."""
    image = scene(600, 800)
    image.save("photo.jpg", quality=92)
    [got] = read([("photo.jpg", 3, 96, 96)])
    whole = fitted(Image.open("photo.jpg"), 96, 96)
    difference = np.abs(got.reshape(whole.shape) * 255.0 - whole)
    print(f"reduced scale: mean difference {difference.mean():.3f} of 255")
    assert difference.mean() < 3


def check_flowers():
    root = os.environ.get("SUANLI_DATA")
    if not root or not pathlib.Path(root, "flower_photos").exists():
        print("SUANLI_DATA holds no flower_photos: no real photographs")
        return
    files = sorted(pathlib.Path(root, "flower_photos").glob("*/*/*.jpg"))[::10]
    for file, got in zip(files, read([(f, 3, 0, 0) for f in files])):
        theirs = np.asarray(Image.open(file), np.float64).transpose(2, 0, 1)
        difference = np.abs(got.reshape(theirs.shape) * 255.0 - theirs)
        assert difference.max() <= 4.001 and difference.mean() < 0.1, (file, difference.max(), difference.mean())
    print(f"{len(files)} photographs agree")


check_formats()
check_orientation()
check_sizes()
check_scaled_jpeg()
check_flowers()
