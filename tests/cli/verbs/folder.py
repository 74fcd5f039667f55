# SPDX-License-Identifier: Apache-2.0
"""Folders of pictures: trained, measured, predicted, shown; every wrong one with its exit code, its one line, and nothing left behind."""
import csv
import json
import os
import pathlib
import random
import shutil
import tomllib

from _suanli import check, fails, main, ok, ok_json, read_png, run, same, write_png

FAST = ["--model", "mlp", "--epochs", 1, "--quiet"]


def pictures(folder, classes=("cats", "dogs"), each=12, sides=(10, 16)):
    """Gray pictures of several sizes; the classes differ in brightness."""
    draw = random.Random(1)
    for number, name in enumerate(classes):
        pathlib.Path(folder, name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            height, width = draw.choice(sides), draw.choice(sides)
            dark = 40 + 150 * number // max(1, len(classes) - 1)
            write_png(pathlib.Path(folder, name, f"{i:02}.png"), [[dark + draw.randrange(40) for _ in range(width)] for _ in range(height)])


def test_a_folder_is_all_it_takes():
    pictures("pets")
    done = run("train", "pets", "--out", "pets_run", "--epochs", 6)
    same(done.returncode, 0, done.stderr)
    for part in ("pets looks like folder:pets?size=1", "cnn_b", "train, ", "val, 0 test"):
        check(part in done.stderr, f"{part!r} is not in {done.stderr}")
    check("val accuracy" in done.stdout, done.stdout)
    config = pathlib.Path("pets_run/config.toml").read_text()
    check(f'data = "folder:{os.getcwd()}/pets?size=' in config, config)   # another start opens the same
    same(state_classes("pets_run"), ["cats", "dogs"], "class names are stored")

    r = ok_json("eval", "pets_run", "--confusion", "c.png")
    same(r["split"], "val", "the split of the run")
    same(sum(sum(row) for row in r["confusion"]), r["samples"], "every sample is counted once")
    right = sum(r["confusion"][i][i] for i in range(2))
    same(round(r["accuracy"] * r["samples"]), right, "the diagonal is what was right")
    # Squares in green are what was right: as many as classes of which something was found, each as dark as its share.
    rows = read_png("c.png")
    squares = {tuple(rows[y][x]) for y in range(len(rows)) for x in range(len(rows[0])) if rows[y][x][1] > max(rows[y][x][0], rows[y][x][2]) + 20}
    found = {r["confusion"][i][i] / sum(r["confusion"][i]) for i in range(2)} - {0}
    expected = {tuple(round(255 * (1 + share ** 0.5 * (full - 1))) for full in (0.13, 0.49, 0.29)) for share in found}
    check(len(squares) == len(expected), f"{squares}, not {expected}")
    for a, b in zip(sorted(squares), sorted(expected)):
        check(max(abs(x - y) for x, y in zip(a, b)) <= 1, f"{squares}, not {expected}")

    # other pictures, of other sizes, one class only: as the model takes them
    pictures("new", classes=("dogs",), each=3, sides=(30, 41))
    r = ok_json("eval", "pets_run", "new")
    same([c["samples"] for c in r["classes"]], [0, 3], "labels by name")
    text = ok("eval", "pets_run", "new")
    for part in ("accuracy", "precision", "most often taken for", "confusion", "dogs"):
        check(part in text, text)

    p = ok_json("predict", "pets_run", "new", "pets/cats/00.png", "--top", 2)
    same([q["file"] for q in p["predictions"]], ["new/dogs/00.png", "new/dogs/01.png", "new/dogs/02.png", "pets/cats/00.png"], "files")
    ok("predict", "pets_run", "new", "--top", 2, "--csv", "out.csv")
    rows = list(csv.DictReader(open("out.csv")))
    same([row["file"] for row in rows], [f"new/dogs/0{i}.png" for i in range(3)], "one row per picture")
    for row, q in zip(rows, p["predictions"]):
        same(row["class"], q["class"], "the same answer")
        check(abs(float(row["probability"]) + float(row["probability_2"]) - 1) < 1e-5, "two classes share it all")


def state_classes(folder):
    return json.load(open(f"{folder}/checkpoints/state.json"))["data"]["class_names"]


def test_few_pictures_come_in_smaller_batches():
    pictures("few", each=40)   # 72 to train
    done = run("train", "few", "--model", "resnet18", "--dry-run")
    same(done.returncode, 0, done.stderr)
    for part in ("batches of 16, since 72 samples are few", "lr 0.00625: the recipe's for batches of 128, scaled with the batch"):
        check(part in done.stderr, f"{part!r} is not in {done.stderr}")
    done = run("train", "few", "--dry-run", "--lr", 0.01)
    check("batches of 16, since" in done.stderr and "lr 0.01," in done.stderr, done.stderr)
    for given in (["--batch-size", 64], ["--batch-size", "auto"]):
        done = run("train", "few", "--dry-run", *given)
        same(done.returncode, 0, done.stderr)
        check("samples are few" not in done.stderr.replace("60 epochs, since 72 samples are few", ""), done.stderr)


def test_photographs_are_normalized():
    pictures("gray_pets")
    for name in ("cats", "dogs"):
        pathlib.Path("photos", name).mkdir(parents=True)
        for i in range(12):
            write_png(f"photos/{name}/{i}.png", [[(200, 100 + i, 40)] * 12] * 6 + [[(100, 100 + i, 40)] * 12] * 6)
    for data, numbers in (("photos", 3), ("gray_pets", 0)):   # cnn_b's recipe does not ask for it
        ok("train", data, "--model", "cnn_b", "--epochs", 1, "--quiet", "--out", f"{data}_run")
        config = tomllib.loads(pathlib.Path(f"{data}_run/config.toml").read_text())
        same((len(config["mean"]), len(config["stddev"])), (numbers, numbers), data)
    config = tomllib.loads(pathlib.Path("photos_run/config.toml").read_text())
    check(abs(config["mean"][0] - 150 / 255) < 1e-3 and abs(config["stddev"][0] - 50 / 255) < 1e-3, config["mean"])


def test_names_that_look_like_settings():
    for name in ("cats or dogs?", "cats: or?dogs=1"):
        pictures(name)
        pathlib.Path(name, "cats/broken.png").write_bytes(b"no picture")
        for data in (name, f"folder:{name}", f"folder:{name}?size=12"):
            done = run("train", data, "--dry-run", "--skip-bad")
            same(done.returncode, 0, done.stderr)
            check("1 bad picture(s) left out" in done.stderr, done.stderr)


def test_packed_photographs_are_photographs():
    ok("data", "pack", "photos", "photos.packed")
    same(ok_json("data", "show", "photos.packed")["kind"], "packed", "how it is stored")
    for data in ("photos", "photos.packed"):
        note = run("train", data, "--dry-run").stderr
        check("model airbench: photographs" in note and "augment resized_crop,flip" in note, note)


def test_a_picture_from_a_pipe():
    pictures("same_pets")
    ok("train", "same_pets", *FAST, "--out", "piped")
    path = "same_pets/cats/00.png"
    with open(path, "rb") as picture:
        file = ok_json("predict", "piped", path)["predictions"][0]
        pipe = os.pipe()
        os.write(pipe[1], picture.read())
        os.close(pipe[1])
        piped = ok_json("predict", "piped", "/dev/stdin", stdin=pipe[0])["predictions"][0]
        os.close(pipe[0])
    same((piped["class"], piped["probability"]), (file["class"], file["probability"]), "the same picture")


def test_loader_threads_change_nothing():
    pictures("same")
    runs = [ok_json("train", "same", *FAST, "--loader-threads", n, "--out", f"same{n}") for n in (0, 1, 3)]
    weights = [pathlib.Path(f"same{n}/model.safetensors").read_bytes() for n in (0, 1, 3)]
    check(weights[0] == weights[1] == weights[2], "the same weights")
    same(runs[0]["train_loss"], runs[2]["train_loss"], "the same loss")


def test_splits_that_are_there():
    for part, each in (("train", 8), ("val", 3), ("test", 5)):
        pictures(f"split/{part}", each=each)
    r = ok_json("data", "show", "split")
    same([r[p]["samples"] for p in ("train", "val", "test")], [16, 6, 10], "samples")
    run("train", "split", *FAST, "--out", "split_run")
    same(ok_json("eval", "split_run")["samples"], 10, "test by default")
    same(ok_json("eval", "split_run", "--split", "val")["samples"], 6, "val")


def test_show():
    pictures("shown/train", each=10)
    shutil.copytree("shown/train", "shown/val")          # the first three are the same as training pictures
    for name in ("cats", "dogs"):
        for i in range(3, 10):
            os.remove(f"shown/val/{name}/{i:02}.png")
    shutil.copy("shown/train/cats/00.png", "shown/train/cats/again.png")
    pathlib.Path("shown/train/dogs/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    r = ok_json("data", "show", "shown", "--sheet", "sheet.png")
    same(r["train"]["per_class"], [11, 10], "broken ones are not counted")
    same(r["train"]["repeated"], 1, "one picture twice")
    same(r["val"]["also_in"], {"train": 6}, "pictures of val that are training pictures")
    check(any("1 bad picture(s) left out: shown/train/dogs/broken.jpg" in n for n in r["notes"]), f"{r['notes']}")
    check(pathlib.Path("sheet.png").read_bytes().startswith(b"\x89PNG"), "a picture")
    text = ok("data", "show", "shown")
    for part in ("cats", "11", "also in train", "smallest", "mean", "broken.jpg"):
        check(part in text, text)
    check("glyphs" in ok("data", "show", "glyphs?train=50&test=10"), "any data")
    fails(2, "WORD: 'look', expected show, get or pack", args=["data", "look"])


def test_bad_folders():
    pictures("good")
    ok("train", "good", *FAST, "--out", "trained")
    whole = pathlib.Path("good/cats/00.png").read_bytes()

    def folder(name, change):
        shutil.copytree("good", name)
        change(pathlib.Path(name))

    def write(path, data):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    folder("cut", lambda f: write(f / "cats/x.png", whole[:-20]))
    folder("text", lambda f: write(f / "cats/x.jpg", b"hello"))
    folder("nothing", lambda f: write(f / "cats/x.jpg", b""))
    folder("dangling", lambda f: (f / "cats/x.jpg").symlink_to("nowhere"))
    folder("noclass", lambda f: (f / "birds").mkdir())
    folder("one", lambda f: shutil.rmtree(f / "dogs"))
    folder("loop", lambda f: (f / "dogs/up").symlink_to(".."))
    folder("loose", lambda f: write(f / "x.png", whole))
    pathlib.Path("void").mkdir()
    shutil.make_archive("good", "zip", ".", "good")
    before = sorted(str(p) for p in pathlib.Path(".").glob("*"))
    skip = "--skip-bad"
    cases = [   # parts of the line, the folder
        ([f"cut/cats/x.png: byte {len(whole) - 20} of {len(whole) - 20}: ", "truncated", skip], "cut"),
        (["text/cats/x.jpg: byte 0: an unknown format, expected JPEG, PNG or WebP", skip], "text"),
        (["nothing/cats/x.jpg: byte 0: the file is empty", skip], "nothing"),
        (["dangling/cats/x.jpg: cannot be opened", skip], "dangling"),
        (["noclass/birds: no pictures"], "noclass"),
        (["one: one class only, 'cats'"], "one"),
        (["loop/dogs/up: a link back to"], "loop"),
        (["loose/x.png: a picture beside the class folders"], "loose"),
        (["void: no class folders"], "folder:void"),
        (["void: no data of a known kind"], "void"),
        (["good.zip: an archive, expected one of glyphs", "Unpack it and give the folder."], "good.zip"),
        (["good/cats/00.png: one picture, expected one of glyphs", "Give the folder"], "good/cats/00.png"),
        (["nowhere: no such folder"], "folder:nowhere"),
        (["nowhere: neither a kind of data nor a path that exists"], "nowhere"),
    ]
    for parts, data in cases:
        fails(3, *parts, args=["train", data, *FAST])
        same(sorted(str(p) for p in pathlib.Path(".").glob("*")), before, f"{data}: nothing is left behind")
    fails(2, "good?size=0: size: '0', expected a whole number from 1 to 4096", args=["train", "good?size=0"])
    fails(2, "`sise`, expected a setting of folder, one of size, skip_bad, splits. Did you mean `size`?", args=["train", "good?sise=3"])
    fails(2, "`skip_bad`, expected a setting of glyphs, one of", args=["train", "glyphs", skip])

    for name in ("cut", "text", "nothing", "dangling"):
        done = run("train", name, *FAST[:-1], skip, "--out", f"{name}_run")
        same(done.returncode, 0, done.stderr)
        check(f"1 bad picture(s) left out: {name}/cats/x." in done.stderr, done.stderr)
        ok("train", "--resume", f"{name}_run", "--quiet")   # still knows that it may
    same(ok_json("eval", "trained", "cut", skip)["samples"], 24, "measured without it")
    fails(3, "cut/cats/x.png: byte", skip, args=["eval", "trained", "cut"])
    folder("birds", lambda f: write(f / "birds/x.png", whole))
    fails(3, "birds/birds: the class 'birds', expected one of the 2 classes of training", args=["eval", "trained", "birds"])

    fails(3, "cut/cats/x.png: byte", skip, args=["predict", "trained", "cut", "--csv", "p.csv"])
    check(not os.path.exists("p.csv"), "nothing half-written")
    p = run("predict", "trained", "cut", skip, "--csv", "p.csv")
    same(p.returncode, 0, p.stderr)
    check("1 of 25 pictures left out" in p.stderr and len(open("p.csv").readlines()) == 25, p.stderr)
    fails(3, "void: no pictures", args=["predict", "trained", "void"])
    fails(3, "the picture cannot be read", args=["predict", "trained", "text/cats/x.jpg", skip])


main(globals())
