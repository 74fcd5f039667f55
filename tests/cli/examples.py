"""The programs of examples/ that work on data: each runs, learns what it should, and says what is wrong in one line."""
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


def example(name, *args):
    return subprocess.run([PROGRAMS / name, *map(str, args)], capture_output=True, text=True, timeout=250)


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
    done = example("folder_classifier", "stripes", 8, "stripes/across/0.png", "stripes/along/0.png")
    same(done.returncode, 0, done.stderr)
    right, of = map(int, re.findall(r"epoch 8: (\d+) of (\d+) right", done.stdout)[0])
    check(of >= 6 and right >= of - 1, done.stdout)
    check("across/0.png: across" in done.stdout and "along/0.png: along" in done.stdout, done.stdout)
    done = example("folder_classifier", "nowhere")
    same(done.returncode, 1, done.stderr)
    check("nowhere: no such folder" in done.stderr and done.stderr.count("\n") == 1, done.stderr)


main(globals())
