# SPDX-License-Identifier: Apache-2.0
"""--json of every verb that has it: one line, one JSON object, in every mode, errors and interruptions included."""
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time

from _suanli import FAST, TINY, check, main, ok, run, same, start, write_png


def table(path, rows, answer):
    draw = random.Random(3)
    lines = ["a,b,y"]
    for _ in range(rows):
        a, b = draw.random(), draw.random()
        lines.append(f"{a:.4f},{b:.4f},{answer(a, b)}")
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def prepare():
    table("words.csv", 200, lambda a, b: "high" if a + b > 1 else "low")
    table("numbers.csv", 200, lambda a, b: f"{3 * a - b:.4f}")
    for name in ("cats", "dogs"):
        os.makedirs(f"pictures/{name}")
        for i in range(12):
            write_png(f"pictures/{name}/{i}.png", [[(i * r + c) % 120 + 100 * (name == "dogs") for c in range(16)] for r in range(16)])
    os.mkdir("mirror")
    ok("train", TINY, *FAST, "--epochs", 1, "--out", "digits", "--quiet")
    ok("train", "words.csv", "--target", "y", "--epochs", 1, "--out", "classes", "--quiet")
    ok("train", "numbers.csv?target=y", "--epochs", 1, "--out", "regression", "--quiet")


def object_of(done, what):
    """The one object on stdout."""
    check(done.stdout.endswith("\n") and done.stdout.count("\n") == 1, f"{what}: stdout is not one line: {done.stdout!r} {done.stderr!r}")
    value = json.loads(done.stdout)
    check(isinstance(value, dict), f"{what}: {value!r}")
    return value


GOOD = [   # words; keys that the object has
    (["train", TINY, *FAST, "--max-steps", 2], ["run", "test_accuracy", "stopped"]),
    (["train", TINY, *FAST, "--dry-run"], ["layers", "memory", "seconds"]),
    (["train", "words.csv", "--target", "y", "--dry-run", "--quiet"], ["layers", "train_samples"]),
    (["train", "numbers.csv?target=y", "--dry-run"], ["layers", "task"]),
    (["train", "pictures", "--dry-run"], ["input_shape"]),
    (["train", TINY, *FAST, "--time", "3s", "--dry-run"], ["epochs"]),
    (["train", "--resume", "digits"], ["run", "epochs"]),
    (["eval", "digits"], ["accuracy", "confusion"]),
    (["eval", "digits", "--split", "train", "--confusion", "c.png"], ["accuracy"]),
    (["eval", "classes", "words.csv"], ["accuracy"]),
    (["eval", "regression"], ["rmse", "r2"]),
    (["predict", "digits", "pictures", "--top", 3], ["predictions"]),
    (["predict", "classes", "words.csv", "--csv", "out.csv"], ["predictions"]),
    (["predict", "regression", "numbers.csv"], ["predictions"]),
    (["data", "show", TINY], ["class_names"]),
    (["data", "show", "pictures", "--sheet", "sheet.png", "--augment", "flip"], ["class_names"]),
    (["data", "pack", "pictures", "pictures.packed"], ["samples", "bytes"]),
    (["profile", "train", TINY, *FAST, "--steps", 1, "--trace", "t.json"], ["ops"]),
    (["explain", TINY, *FAST], ["programs"]),
    (["explain", TINY, *FAST, "--tape", "--evaluation", "--html", "x.html"], ["programs"]),
    (["explain", "--model", "gpt", "random:tokens=16?vocab=20", "--batch", 1], ["programs"]),
    (["bench", "roofs", "--threads", 1], ["f32"]),
    (["ops"], ["ops"]),
    (["doctor"], ["cpu"]),
]


def test_results():
    prepare()
    covered = set()
    for words, keys in GOOD:
        done = run(*words, "--json")
        what = " ".join(map(str, words))
        same(done.returncode, 0, f"{what}: {done.stderr}")
        value = object_of(done, what)
        check("error" not in value and all(key in value for key in keys), f"{what}: {sorted(value)}")
        covered.add(words[0])
    verbs = re.findall(r"^  (\w+) +\S", ok("help").split("\n\n")[2], re.M)
    same({v for v in verbs if "--json" in ok("help", v)}, covered, "verbs with --json")


def test_what_a_dry_run_says():
    value = object_of(run("train", TINY, "--model", "cnn_b", "--batch-size", 32, "--dry-run", "--json"), "dry run")
    layers = {l["name"]: l for l in value["layers"]}
    weights = {"conv1": 32 * 9 + 32, "conv2": 64 * 32 * 9 + 64, "fc1": 128 * 1600 + 128, "fc2": 10 * 128 + 10}
    same({name: layers[name]["parameters"] for name in weights}, weights, "parameters")
    same(value["parameters"], sum(weights.values()), "all parameters")
    same(layers["conv2"]["output"], "[64, 11, 11]", "a layer's output")
    check(layers["conv2"]["flops_per_sample"] >= 2 * 64 * 11 * 11 * 32 * 9, f"{layers['conv2']}")
    same((value["train_samples"], value["val_samples"], value["test_samples"]), (576, 64, 160), "samples")
    same(value["steps_per_epoch"], 18, "576 samples in batches of 32")
    memory = value["memory"]
    same(memory["peak_bytes"], sum(v for k, v in memory.items() if k != "peak_bytes"), "the parts make the whole")
    for part, size in (("weights_bytes", 4), ("optimizer_state_bytes", 8)):   # and Adam's moments; blocks are rounded up
        check(size * value["parameters"] <= memory[part] <= 1.1 * size * value["parameters"], f"{part}: {memory}")
    check(not os.path.exists("runs") or len(os.listdir("runs")) == 1, "a dry run leaves no run folder")


def test_get_without_a_server():
    """data get from a mirror where nobody listens."""
    done = run("data", "get", "mnist", "nowhere", "--json", env={**os.environ, "SUANLI_MIRROR": "http://127.0.0.1:9"})
    same((done.returncode, object_of(done, "data get")["exit"]), (3, 3), "a mirror that does not answer")


BAD = [   # exit; words
    (2, ["train", "--bogus"]), (2, ["train", "--lr", "x"]), (2, ["train", "--schedule", "cosin"]), (2, ["train", "--out", ""]),
    (3, ["train", "nowhere"]), (3, ["train", "--resume", "nowhere"]), (3, ["train", "--config", "nowhere.toml"]),
    (2, ["eval"]), (3, ["eval", "nowhere"]), (2, ["eval", "digits", "--split", "all"]), (2, ["eval", "regression", "--confusion", "c.png"]),
    (2, ["predict", "digits"]), (3, ["predict", "digits", "nowhere.png"]), (2, ["predict", "regression", "numbers.csv", "--top", 2]),
    (2, ["data", "peel"]), (2, ["data", "get", "minst"]), (3, ["data", "show", "nowhere"]), (2, ["data", "pack", "pictures"]),
    (2, ["profile", "serve"]), (2, ["explain", "--modle", "mlp"]), (3, ["explain", TINY, *FAST, "--html", "missing/x.html"]),
    (2, ["bench", "walls"]), (2, ["doctor", "more"]), (2, ["trian"]),
    (1, ["train", TINY, *FAST, "--optimizer", "sgd", "--lr", "1e30", "--momentum", 0, "--epochs", 3, "--checkpoint-every", 1]),
]


def test_errors():
    for code, words in BAD:
        done = run(*words, "--json")
        what = " ".join(map(str, words))
        value = object_of(done, what)
        check("exit" in value and "error" in value, f"{what}: {value}")
        same((done.returncode, value["exit"]), (code, code), f"{what}: {done.stderr}")
        if "code" in value:   # not of what the standard library throws
            same(sorted(value), sorted(["error", "exit", "code", "op", "argument", "given", "expected", "module", "remedy", "settings"]), what)
            same({"argument": 2, "io": 3, "device": 3}.get(value["code"], 1), code, f"{what}: {value}")
            check(all(value[part] in value["error"] for part in ("op", "argument", "given", "expected", "module", "remedy")), f"{what}: {value}")
        check("suanli: " + value["error"] in done.stderr, f"{what}: the text is on stderr too: {done.stderr!r} {value['error']!r}")
    value = object_of(run("train", "--lr", "x", "--json"), "parts")
    same({k: value[k] for k in ("code", "op", "argument", "given", "expected")},
         {"code": "argument", "op": "", "argument": "--lr", "given": "'x'", "expected": "a number"}, "the parts")
    same(run("train", "--bogus").stdout, "", "without --json there is nothing on stdout")
    same(run("train", "--", "--json").stdout, "", "behind -- it is no option")


def test_interrupted():
    child = start("train", "glyphs?train=6400&test=320", *FAST, "--epochs", 50, "--out", "stopped", "--quiet", "--json")
    while not os.path.exists("stopped/checkpoints/state.json"):
        check(child.poll() is None, "it ended too early")
        time.sleep(0.01)
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    same(child.returncode, 130, err)
    value = json.loads(out)
    same((value["stopped"], value["run"]), (True, "stopped"), "what there is of it")


main(globals())
