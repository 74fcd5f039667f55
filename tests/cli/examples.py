# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/ that work on data: each runs, learns what it should, and says what is wrong in one line. With SUANLI_DATA on
small real data too."""
import os
import pathlib
import random
import re
import subprocess
import sys

from _suanli import check, main, same, write_png

PROGRAMS = pathlib.Path(os.environ["SUANLI_BIN"]).parent / "examples"
if not (PROGRAMS / "custom_dataset").exists():
    print("skipped: the examples are not built (SUANLI_BUILD_EXAMPLES=ON)")
    sys.exit(77)


DATA = pathlib.Path(os.environ.get("SUANLI_DATA") or "/nonexistent")


def example(name, *args):
    return subprocess.run([PROGRAMS / name, *map(str, args)], capture_output=True, text=True, timeout=250)


def good(name, *args):
    done = example(name, *args)
    same(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout


def real(name):
    """The path of real data, or None with a word about it."""
    if (DATA / name).exists():
        return DATA / name
    print(f"SUANLI_DATA holds no {name}: not tried on it")
    return None


def says_what_is_wrong(name, *args):
    done = example(name, *args)
    same(done.returncode, 1, done.stderr)
    check("nowhere: " in done.stderr and done.stderr.count("\n") == 1, done.stderr)


def test_custom_dataset():
    done = example("custom_dataset")
    same(done.returncode, 0, done.stdout + done.stderr)
    check(float(re.search(r"test accuracy ([\d.]+)%", done.stdout)[1]) > 90, done.stdout)


def stripes(folder, each=24):
    """Pictures with stripes across and along, of several sizes; one class has half as many."""
    draw = random.Random(2)
    for name, across in (("across", True), ("along", False)):
        pathlib.Path(folder, name).mkdir(parents=True)
        for i in range(each if across else each // 2):
            height, width, start = draw.randrange(50, 90), draw.randrange(50, 90), draw.randrange(12)
            write_png(pathlib.Path(folder, name, f"{i}.png"),
                      [[((r if across else c) + start) // 6 % 2 * 180 + draw.randrange(50) for c in range(width)] for r in range(height)])


def test_folder_classifier():
    stripes("stripes")
    out = good("folder_classifier", "stripes", 8, "stripes/across/0.png", "stripes/along/0.png")
    right, of = map(int, re.findall(r"epoch 8: (\d+) of (\d+) right", out)[0])
    check(of >= 6 and right >= of - 1, out)
    check("across/0.png: across" in out and "along/0.png: along" in out, out)
    says_what_is_wrong("folder_classifier", "nowhere")
    if flowers := real("flower_photos"):
        one = sorted((flowers / "val").rglob("*.jpg"))[0]
        out = good("folder_classifier", flowers, 8, one)
        right, of = map(int, re.findall(r"epoch 8: (\d+) of (\d+) right", out)[0])
        check(right > 0.35 * of, f"five kinds, a fifth by chance: {out}")
        check(f"{one}: " in out, out)


def off(out):
    """Of table_regression: how far off it is, and how far always saying the mean would be."""
    return map(float, re.search(r"off by ([\d.e+]+) on rows never seen; always saying the mean would be off by ([\d.e+]+)", out).groups())


def test_table_regression():
    draw = random.Random(3)
    with open("t.csv", "w") as table:
        table.write("a,b,color,y\n")
        for _ in range(2000):
            a, b, color = draw.gauss(5, 2), draw.random(), draw.choice(["red", "green"])
            table.write(f"{a:.4f},{b:.4f},{color},{100 * a * b + (300 if color == 'red' else 0) + draw.gauss(0, 10):.3f}\n")
    reached, mean = off(good("table_regression", "t.csv", "y", 20))
    check(reached < 0.15 * mean, f"{reached} of {mean}")   # least squares is off by 0.24 of it, the noise by 0.04
    says_what_is_wrong("table_regression", "nowhere", "y")
    done = example("table_regression", "t.csv", "z")
    check(done.returncode == 1 and "z" in done.stderr and done.stderr.count("\n") == 1, done.stderr)
    if houses := real("tabular/california_housing.csv.gz"):
        reached, mean = off(good("table_regression", houses, "median_house_value", 4))
        check(reached < 0.6 * mean, f"{reached} of {mean}")   # least squares: 0.6


def transferred(out):
    with_weights, without = map(float, re.findall(r"^  accuracy ([\d.]+)%", out, re.M))
    check(with_weights > without + 5, out)


def test_transfer():
    transferred(good("transfer"))
    says_what_is_wrong("transfer", "glyphs?train=100&test=50", "nowhere", "cnn_b")
    if digits := real("mnist"):
        transferred(good("transfer", f"mnist:{digits}"))


def test_articles():
    def accuracies(out):
        return {name: float(accuracy) for name, accuracy in re.findall(r"^(cnn_\w) +\d+ +([\d.]+)%", out, re.M)}

    reached = accuracies(good("articles"))
    same(list(reached), ["cnn_a", "cnn_b", "cnn_c"], "networks")
    check(min(reached.values()) > 60, reached)   # cnn_a, with one convolution, tells the places of strokes apart the least
    says_what_is_wrong("articles", "nowhere")
    if digits := real("mnist"):
        reached = accuracies(good("articles", f"mnist:{digits}", 3000))
        check(min(reached.values()) > 85, reached)


main(globals())
