"""Tables: trained, measured, and what is wrong with them."""
import math
import pathlib
import random

from _suanli import check, fails, main, ok, ok_json, run


def table(path, rows=300, shift=0.0):
    draw = random.Random(3)
    lines = ["a,b,colour,y,kind"]
    for i in range(rows):
        a, b, colour = draw.uniform(0, 10), draw.uniform(0, 10), draw.choice(["red", "blue"])
        y = 1000 + 50 * a - 20 * b + (100 if colour == "red" else 0) + shift
        cell = "" if i % 40 == 7 else f"{b:.4f}"
        lines.append(f"{a:.4f},{cell},{colour},{y:.3f},{'high' if y > 1200 else 'low'}")
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def test_regression():
    table("t.csv")
    done = run("train", "t.csv?target=y", "--out", "reg")
    check(done.returncode == 0, done.stderr)
    for part in ("t.csv looks like csv:t.csv?target=y", "regression: the target 'y' holds numbers", "column 'colour': 2 categories",
                 "cells are missing", "model tabular"):
        check(part in done.stderr, f"{part!r} is not in {done.stderr}")
    check("test RMSE" in done.stdout, done.stdout)
    e = ok_json("eval", "reg")
    check(0.9 < e["r2"] <= 1 and e["mae"] <= e["rmse"], f"{e}")   # linear but for the missing cells
    # another table, in the unit of the first: all targets 500 higher make a mean error of about that
    table("shifted.csv", shift=500)
    s = ok_json("eval", "reg", "shifted.csv")
    check(s["samples"] == 300 and abs(math.sqrt(max(0, s["rmse"] ** 2 - e["rmse"] ** 2)) - 500) < 30, f"{s} {e}")
    # its own rows without the target's column: the mean of what is predicted is about the mean of what was measured
    rows = [line.split(",") for line in pathlib.Path("t.csv").read_text().splitlines()]
    pathlib.Path("new.csv").write_text("\n".join(",".join(r[:3] + r[4:]) for r in rows) + "\n")
    answers = ok_json("predict", "reg", "new.csv")["predictions"]
    check([a["row"] for a in answers] == list(range(1, 301)), "rows")
    off = [abs(a["prediction"] - float(r[3])) for a, r in zip(answers, rows[1:])]
    check(sum(off) / len(off) < 60, f"mean absolute error {sum(off) / len(off)}")
    ok("predict", "reg", "new.csv", "--csv", "answers.csv")
    lines = pathlib.Path("answers.csv").read_text().splitlines()
    check(lines[0] == "file,row,prediction" and len(lines) == 301 and lines[1].startswith("new.csv,1,"), lines[:2])
    fails(3, "picture.png", args=["predict", "reg", "picture.png"])
    pathlib.Path("short.csv").write_text("a,b\n1,2\n")
    fails(3, "short.csv", "colour", args=["predict", "reg", "short.csv"])
    ok("train", "--resume", "reg")   # finished: shows its report again
    fails(3, "gives probabilities of classes", "--model mlp", args=["train", "t.csv?target=y", "--model", "cnn_b"])
    fails(3, "regression", args=["data", "show", "t.csv?target=y"])


def test_targets_far_from_zero():
    """Time stamps: train, eval and predict agree, to the digits that tell them apart."""
    rows = [(i % 40, i * 7 % 11, 1_700_000_000 + 60 * (i % 40)) for i in range(400)]
    pathlib.Path("stamps.csv").write_text("\n".join(["a,b,y", *(f"{a},{b},{y}" for a, b, y in rows)]) + "\n")
    s = ok_json("train", "stamps.csv?target=y", "--epochs", 20, "--out", "stamps", "--quiet")
    e = ok_json("eval", "stamps")
    check(abs(s["test_rmse"] - e["rmse"]) <= 1e-6 * e["rmse"], f"{s} {e}")
    words = run("train", "--resume", "stamps").stdout.splitlines()[0].split()
    check(words[:2] == ["test", "RMSE"] and abs(float(words[2]) - e["rmse"]) <= 1e-5 * e["rmse"], f"{words} {e}")
    whole = ok_json("eval", "stamps", "stamps.csv")
    answers = [p["prediction"] for p in ok_json("predict", "stamps", "stamps.csv")["predictions"]]
    own = math.sqrt(sum((p - y) ** 2 for p, (_, _, y) in zip(answers, rows)) / len(rows))
    check(abs(own - whole["rmse"]) <= 1e-4 * own, f"{own} {whole}")
    ok("predict", "stamps", "stamps.csv", "--csv", "stamps-out.csv")
    written = [float(l.split(",")[2]) for l in pathlib.Path("stamps-out.csv").read_text().splitlines()[1:]]
    check(max(abs(w - p) for w, p in zip(written, answers)) < 1e-3, "the CSV has their digits")
    said = [float(l.rsplit(" ", 1)[1]) for l in ok("predict", "stamps", "stamps.csv").splitlines()]
    check(max(abs(w - p) for w, p in zip(said, answers)) < 1, "so do the words")


def test_classification():
    table("c.csv")
    done = run("train", "c.csv?target=kind", "--out", "cls")
    check(done.returncode == 0 and "classification: the target 'kind' holds 2 different words" in done.stderr, done.stderr)
    check(ok_json("eval", "cls")["accuracy"] > 0.85, "learned")
    check(ok_json("data", "show", "c.csv?target=kind")["class_names"] == ["high", "low"], "classes")
    first = ok("predict", "cls", "c.csv", "--top", 2).splitlines()[0]
    check(first.startswith("c.csv, row 1:") and "high" in first and "low" in first, first)
    pathlib.Path("other.csv").write_text("a,b,colour,y,kind\n1,2,red,3,middle\n")
    fails(3, "other.csv: line 2, column 'kind': the class 'middle' was not among those trained", args=["eval", "cls", "other.csv"])
    ok("train", "c.csv?target=y", "--task", "regression", "--epochs", 1, "--quiet", "--out", "asked")


def test_bad_tables():
    pathlib.Path("bad.csv").write_text("a,a\n1,2\n")
    before = sorted(str(p) for p in pathlib.Path(".").glob("*"))
    fails(3, "bad.csv: line 1, the columns 1 and 2 are both named 'a'", args=["train", "bad.csv?target=a"])
    fails(3, "t.csv: which column is to be learned?", "one of a, b, colour, y, kind", args=["train", "t.csv"])
    fails(2, "is neither regression nor classification", args=["train", "t.csv?target=y", "--task", "guess"])
    check(sorted(str(p) for p in pathlib.Path(".").glob("*")) == before, "nothing is left behind")


main(globals())
