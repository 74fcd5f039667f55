# SPDX-License-Identifier: Apache-2.0
"""Tables: trained, measured, and what is wrong with them."""
import math
import pathlib
import random

from _suanli import check, fails, main, ok, ok_json, run, same


def table(path, rows=300, shift=0.0):
    draw = random.Random(3)
    lines = ["a,b,color,y,kind"]
    for i in range(rows):
        a, b, color = draw.uniform(0, 10), draw.uniform(0, 10), draw.choice(["red", "blue"])
        y = 1000 + 50 * a - 20 * b + (100 if color == "red" else 0) + shift
        cell = "" if i % 40 == 7 else f"{b:.4f}"
        lines.append(f"{a:.4f},{cell},{color},{y:.3f},{'high' if y > 1200 else 'low'}")
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def test_regression():
    table("t.csv")
    done = run("train", "t.csv?target=y", "--out", "reg")
    check(done.returncode == 0, done.stderr)
    for part in ("t.csv looks like csv:t.csv?target=y", "regression: the target 'y' holds numbers", "column 'color': 2 categories",
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
    fails(3, "short.csv", "color", args=["predict", "reg", "short.csv"])
    ok("train", "--resume", "reg")   # finished: shows its report again
    fails(2, "gives probabilities of classes. Use mlp. Options: --model mlp.", args=["train", "t.csv?target=y", "--model", "cnn_b"])
    shown = ok_json("data", "show", "t.csv?target=y")
    same([c["name"] for c in shown["columns"]], ["a", "b", "color", "kind"], "columns")
    same(shown["columns"][2]["categories"], ["blue", "red"], "categories")
    values = [float(r[3]) for r in rows[1:]]
    total = [shown[p]["target"]["mean"] * shown[p]["samples"] for p in ("train", "test")]
    check(abs(sum(total) / len(values) - sum(values) / len(values)) < 1e-2, f"{shown}")
    text = ok("data", "show", "t.csv?target=y")
    for part in ("with a number to learn", "target mean", "a       numbers, mean", "color   2 categories: blue, red", "some missing"):
        check(part in text, f"{part!r} is not in {text}")
    fails(3, "expected pictures with classes", args=["data", "show", "t.csv?target=y", "--sheet", "s.png"])
    same(ok("data", "show", "t.csv", "--target", "y"), text, "the target as an option")
    same(ok("data", "show", "csv:t.csv?test=20", "--target", "y").split("note", 1)[0], text.split("note", 1)[0], "beside a setting")
    fails(2, ": target: two values, expected one", args=["data", "show", "t.csv?target=y", "--target", "y"])
    fails(2, "--target: not for data pack", args=["data", "pack", "t.csv", "t.packed", "--target", "y"])
    pathlib.Path("comma.csv").write_text('a,"y, 50% & more"\n' + "".join(f"{i},{'pq'[i % 3 == 0]}\n" for i in range(40)))
    check("of 2 classes" in ok("data", "show", "comma.csv", "--target", "y, 50% & more"), "any name")


def test_control_characters_are_shown_as_codes():
    red = "r\x1b[31m\0"
    pathlib.Path("odd.csv").write_text(f"a\x1b,b,{red}\n" + "".join(f"{i % 7}.5,{red if i % 3 else 'w'},{red if i % 2 else 'p'}\n" for i in range(60)))
    text = ok("data", "show", "csv:odd.csv?target=r%1B%5B31m%00")
    for part in ("a\\x1b", "2 categories: r\\x1b[31m\\x00, w", "\nr\\x1b[31m\\x00 "):
        check(part in text, f"{part!r} is not in {text!r}")
    check("\x1b" not in text and "\0" not in text, f"{text!r}")
    ok("train", "csv:odd.csv?target=r%1B%5B31m%00", "--epochs", 1, "--out", "odd_run", "--quiet")
    for words in (["eval", "odd_run"], ["predict", "odd_run", "odd.csv", "--top", 2]):
        text = ok(*words)
        check("r\\x1b[31m\\x00" in text and "\x1b" not in text and "\0" not in text, f"{words}: {text!r}")
    fails(3, "no column 'z', expected one of a\\x1b, b, r\\x1b[31m\\x00", args=["data", "show", "odd.csv", "--target", "z"])


def test_a_constant_target():
    """There is nothing to learn from one, and no share of its variance to explain."""
    rows = [f"{i % 7},{i % 5}" for i in range(60)]
    varied, constant = (",".join(("a", "b", "y")) + "\n" + "\n".join(f"{r},{y(i)}" for i, r in enumerate(rows)) + "\n"
                        for y in (lambda i: i % 9 + 0.5, lambda i: 2.3))
    pathlib.Path("varied.csv").write_text(varied)
    pathlib.Path("constant.csv").write_text(constant)
    fails(3, "the target 2.3 in all", "at least two different numbers", args=["train", "constant.csv?target=y&task=regression", "--out", "no"])
    check(not pathlib.Path("no").exists(), "a refused run leaves nothing")
    ok("train", "varied.csv?target=y&task=regression", "--out", "varied", "--epochs", 1, "--quiet")
    words = ok("eval", "varied", "constant.csv")
    check("R² - on 60 samples" in words, words)
    same(ok_json("eval", "varied", "constant.csv")["r2"], None, "not a number")
    check("R² - on" not in ok("eval", "varied"), "the run's own data have a variance")
    pathlib.Path("varied.csv").rename("moved.csv")
    fails(3, "varied: no data at", "varied.csv any more", "suanli eval varied DATA", args=["eval", "varied"])
    ok("eval", "varied", "moved.csv")


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
    pathlib.Path("other.csv").write_text("a,b,color,y,kind\n1,2,red,3,middle\n")
    fails(3, "other.csv: line 2, column 'kind': the class 'middle', expected one of the 2 classes of training", args=["eval", "cls", "other.csv"])
    ok("train", "c.csv?target=y", "--task", "regression", "--epochs", 1, "--quiet", "--out", "asked")


def test_tables_as_people_have_them():
    draw = random.Random(5)
    values = [draw.uniform(0, 10) for _ in range(200)]

    def write(path, rows, separator=";"):
        pathlib.Path(path).write_text("\n".join(separator.join(r) for r in rows) + "\n")

    def german(v):
        return f"{v:.3f}".replace(".", ",")
    write("comma.csv", [["Größe", "R&D", "Preis €"]] + [[german(v), str(i % 9), german(100 * v + 1) + " €"] for i, v in enumerate(values)])
    done = run("train", "comma.csv?target=Preis €", "--out", "comma", "--quiet")
    same(done.returncode, 0, done.stderr)
    check(ok_json("eval", "comma")["r2"] > 0.9, "learned")
    write("new.csv", [["Größe", "R&D"]] + [[german(v), str(i % 9)] for i, v in enumerate(values)])
    first = [a["prediction"] for a in ok_json("predict", "comma", "new.csv")["predictions"]]
    write("point.csv", [["R&D", "Größe"]] + [[str(i % 9), f"{v:.3f}"] for i, v in enumerate(values)], ",")
    same([a["prediction"] for a in ok_json("predict", "comma", "point.csv")["predictions"]], first, "written otherwise")
    note = run("train", "comma.csv?target=R%26D&drop=Preis €", "--dry-run").stderr
    check("left out as asked: 'Preis €'" in note and "'Größe': numbers with a decimal comma" in note, note)
    # A run that is stopped opens the same data again.
    ok("train", "comma.csv?target=R&D&drop=Größe&decimal=comma", "--max-steps", 2, "--quiet", "--out", "stopped")
    ok("train", "--resume", "stopped", "--quiet")

    write("half.csv", [["a", "y"]] + [[f"{v:.3f}", "" if i % 4 == 0 else "yes" if v > 5 else "no"] for i, v in enumerate(values)], ",")
    fails(3, "half.csv: line 2, column 'y': no target in 50 of 200 rows (line 2, 6, 10,", "?skip_missing_target=1", args=["train", "half.csv?target=y"])
    done = run("train", "half.csv?target=y&skip_missing_target=1", "--epochs", 1, "--out", "half")
    check(done.returncode == 0 and "left out: 50 of 200 rows" in done.stderr, done.stderr)
    write("odd.csv", [["a", "y"]] + [[f"{v:.3f}", "on request" if i == 9 else str(2000 + 7 * i)] for i, v in enumerate(values)], ",")
    fails(3, "odd.csv: line 11, column 'y': 'on request', expected a number, as 199 of 200 cells are", args=["train", "odd.csv?target=y"])
    write("bare.csv", [[f"{v:.3f}", "yes" if v > 5 else "no"] for v in values], ",")
    fails(3, "line 1: what looks like values (", "?header=no", args=["train", "bare.csv?target=yes"])
    ok("train", "bare.csv?target=2&header=no", "--epochs", 1, "--quiet", "--out", "bare")
    same(len(ok_json("predict", "bare", "bare.csv")["predictions"]), 200, "all rows")
    done = run("predict", "bare", "/dev/stdin", "--json", input="7.5\n2.5\n")
    check(done.returncode == 0 and done.stdout.count('"row"') == 2, done.stderr)
    pathlib.Path("t.xlsx").write_bytes(b"PK\x03\x04and so on")
    fails(3, "t.xlsx: ", "Save it as CSV", args=["predict", "bare", "t.xlsx"])
    pathlib.Path("folder").mkdir()
    fails(3, "folder: a folder, expected a table", args=["predict", "bare", "folder"])


def test_bad_tables():
    pathlib.Path("bad.csv").write_text("a,a\n1,2\n")
    before = sorted(str(p) for p in pathlib.Path(".").glob("*"))
    fails(3, "bad.csv: line 1: 'a' as the name of columns 1 and 2, expected a name for each", args=["train", "bad.csv?target=a"])
    fails(3, "t.csv: no target, expected one of the columns a, b, color, y, kind", "which column is to be learned", args=["train", "t.csv"])
    fails(2, "--task: 'guess', expected regression or classification", args=["train", "t.csv?target=y", "--task", "guess"])
    check(sorted(str(p) for p in pathlib.Path(".").glob("*")) == before, "nothing is left behind")


main(globals())
