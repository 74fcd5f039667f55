# SPDX-License-Identifier: Apache-2.0
"""A folder of photos as people have them, made with Pillow: every format, size and mishap, trained, measured and answered with no word but the
path and --skip-bad. Without it the first bad picture is named, and nothing is left behind."""
import io
import json
import os
import pathlib
import subprocess

import numpy as np
from PIL import Image

RNG = np.random.default_rng(1)
CLASSES = {"red things 红": 0, "blue": 2}   # what the class has more of: the channel
BAD = ("truncated.jpg", "truncated.png", "truncated.webp", "empty.jpg", "a GIF.png", "huge.png")


def suanli(*words, expect=0):
    done = subprocess.run([os.environ["SUANLI_BIN"], *map(str, words)], capture_output=True, text=True)
    assert done.returncode == expect, f"suanli {' '.join(map(str, words))}: {done.returncode}, {done.stderr}"
    return done


def noise(height, width, channel):
    pixels = RNG.integers(0, 80, (height, width, 3), dtype=np.uint8)
    pixels[..., channel] += 150
    return Image.fromarray(pixels)


def encoded(image, kind):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def write(folder, channel):
    """Pictures that can be read and those of BAD; the number of the former."""
    (folder / "deep" / "下").mkdir(parents=True)
    picture = lambda height=60, width=60: noise(height, width, channel)
    turned, odd = Image.Exif(), Image.Exif()
    turned[0x0112], odd[0x0112] = 6, 99
    good = {
        "1x1.png": (picture(1, 1), {}), "wide.png": (picture(40, 6000), {}), "tall.jpg": (picture(3000, 7), {}),
        "cmyk.jpg": (picture().convert("CMYK"), {}), "gray.jpg": (picture().convert("L"), {}), "gray alpha.png": (picture().convert("LA"), {}),
        "16 bit.png": (Image.fromarray(RNG.integers(0, 65535, (50, 40)).astype(np.uint16)), {}), "1 bit.png": (picture().convert("1"), {}),
        "palette.png": (picture().quantize(16), {"transparency": 3}), "turned.jpg": (picture(60, 90), {"exif": turned}),
        "odd exif.jpg": (picture(60, 90), {"exif": odd}), "still.webp": (picture(), {}),
        "moving.webp": (picture(48, 48), {"save_all": True, "append_images": [picture(48, 48)], "duration": 100}),
        "LOSSLESS.WEBP": (picture().convert("RGBA"), {"format": "WEBP", "lossless": True}),
        "Progressive.JPG": (picture(90, 90), {"format": "JPEG", "progressive": True}), "coarse.jpeg": (picture(91, 33), {"quality": 5}),
        "a PNG.jpg": (picture(), {"format": "PNG"}), "deep/下/猫 1.jpg": (picture(), {}), "deep/名前.PNG": (picture(), {"format": "PNG"}),
    }
    good |= {f"img {i}.jpg": (picture(50 + i, 70 - i), {}) for i in range(14)}
    for name, (image, how) in good.items():
        image.save(folder / name, **how)
    for kind, ending in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")):
        whole = encoded(picture(200, 200), kind)
        (folder / f"truncated.{ending}").write_bytes(whole[:len(whole) // 2])
    (folder / "empty.jpg").touch()
    (folder / "a GIF.png").write_bytes(encoded(picture(), "GIF"))
    bomb = bytearray(encoded(picture(8, 8), "PNG"))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2   # 3.6 gigapixels are announced
    (folder / "huge.png").write_bytes(bomb)
    for name in (".hidden.jpg", "._img 0.jpg", "Thumbs.db", "desktop.ini", "notes.txt", "clip.mp4"):
        (folder / name).write_bytes(b"no picture")
    return len(good)


def main():
    root = pathlib.Path("photos")
    good = sum(write(root / name, channel) for name, channel in CLASSES.items()) + 1
    (root / "only one").mkdir()
    noise(80, 80, 1).save(root / "only one" / 'the only, "one".jpg')
    for name in (".DS_Store", "README.md"):
        (root / name).write_bytes(b"no picture")
    for name in ("__MACOSX/blue", ".git/x"):
        (root / name).mkdir(parents=True)
        (root / name / "._img 0.jpg").write_bytes(b"no picture")

    first = suanli("train", root, expect=3).stderr
    assert first.startswith("suanli: photos/blue/") and first.count("\n") == 1 and "--skip-bad" in first, first
    assert f"{len(BAD) * len(CLASSES)} of {good + len(BAD) * len(CLASSES)} pictures are bad" in first, first
    assert sorted(os.listdir()) == ["photos"], os.listdir()

    shown = json.loads(suanli("data", "show", root, "--json").stdout)
    assert shown["train"]["samples"] == good, (shown["train"], good)
    run = suanli("train", root, "--skip-bad", "--out", "run", "--epochs", 8)
    assert f"{len(BAD) * len(CLASSES)} bad picture(s) left out" in run.stderr, run.stderr
    whole = json.loads(suanli("eval", "run", root, "--skip-bad", "--json").stdout)
    assert whole["samples"] == good and whole["accuracy"] > 0.8, whole
    answers = json.loads(suanli("predict", "run", root, "--skip-bad", "--json").stdout)
    assert len(answers["predictions"]) == good and answers["skipped"] == len(BAD) * len(CLASSES), answers
    print(f"{good} pictures, accuracy {whole['accuracy']:.3f}")


main()
