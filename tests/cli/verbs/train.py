# SPDX-License-Identifier: Apache-2.0
"""train, eval, predict, doctor, version, help: what they print and what a run folder holds."""
import json
import math
import os
import pathlib
import struct

from _suanli import FAST, TINY, check, digest, fails, idx_files, main, metrics, ok, ok_json, run, same, start, state, summary, write_png

KEYS = ["run", "model", "epochs", "steps", "seconds", "train_loss", "val_loss", "val_accuracy", "test_accuracy", "samples_per_s",
        "peak_bytes"]


def test_train_eval_predict_agree():
    r = ok_json("train", "glyphs?train=3200&test=320", *FAST, "--epochs", 3, "--out", "a", "--quiet")
    check(all(k in r for k in KEYS), f"keys missing in {r}")
    same((r["run"], r["model"], r["epochs"], r["steps"]), ("a", "mlp", 3, 3 * 45), "result")
    check(0.8 < r["test_accuracy"] <= 1 and 0 < r["train_loss"] < 1, f"it did not learn: {r}")
    check(r["samples_per_s"] > 0 and r["seconds"] > 0 and r["peak_bytes"] > 0, f"{r}")
    e = ok_json("eval", "a")
    same((e["run"], e["samples"], e["loss"], e["accuracy"]), ("a", 320, r["test_loss"], r["test_accuracy"]), "eval of the kept weights")
    v = ok_json("eval", "a", "--split", "val")
    same((v["samples"], v["loss"], v["accuracy"]), (320, r["val_loss"], r["val_accuracy"]), "eval of the validation split")
    other = ok_json("eval", "a", "glyphs?train=64&test=200&seed=5")
    same((other["samples"], other["accuracy"] > 0.5), (200, True), "eval on other data")
    check("accuracy" in ok("eval", "a"), "eval in words")


def test_other_data_are_not_called_what_was_trained_on():
    check(ok("eval", "a", "--split", "train").startswith("train accuracy "), "its own training samples")
    same(ok_json("eval", "a", "--split", "train")["split"], "train", "their name")
    words = ok("eval", "a", "glyphs?train=64&test=200&seed=5", "--split", "train")
    check(words.startswith("accuracy ") and "64 samples (train) of" in words, words)
    os.makedirs("rows", exist_ok=True)
    lines = [f"{i},{i * 7 % 11},{'yes' if i % 3 else 'no'}" for i in range(90)]
    for name, some in (("old", lines), ("new", lines[::2])):
        pathlib.Path(f"rows/{name}.csv").write_text("\n".join(["a,b,y", *some]) + "\n")
    ok("train", "rows/old.csv?target=y", "--epochs", 1, "--out", "rows/run", "--quiet")
    words, e = ok("eval", "rows/run", "rows/new.csv"), ok_json("eval", "rows/run", "rows/new.csv")
    check(words.startswith("accuracy ") and "45 samples of" in words, words)
    same((e["split"], e["samples"]), ("all", 45), "all of it")


def test_words_that_training_never_saw_are_counted():
    os.makedirs("words", exist_ok=True)
    rows = [f"{i},{('red', 'blue')[i % 2]},{('x', 'y')[i % 2]}" for i in range(100)]
    pathlib.Path("words/t.csv").write_text("\n".join(["a,color,y", *rows]) + "\n")
    ok("train", "words/t.csv?target=y", "--epochs", 1, "--out", "words/run", "--quiet")
    pathlib.Path("words/u.csv").write_text("a,color\n1,red\n2,green\n3,\n4,pink\n")
    done = run("predict", "words/run", "words/u.csv")
    same((done.returncode, done.stdout.count("\n")), (0, 4), done.stderr)
    check("column 'color': 2 of 4 cells" in done.stderr and "'green'" in done.stderr, done.stderr)
    same(run("predict", "words/run", "words/t.csv").stderr, "", "known words need no note")


def test_moved_data():
    os.makedirs("moved/old", exist_ok=True)
    rows = [f"{i},{i % 7},{('x', 'y')[i % 2]}" for i in range(200)]
    pathlib.Path("moved/old/t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    args = ["train", "moved/old/t.csv?target=y", "--epochs", 4, "--quiet"]
    ok(*args, "--out", "moved/whole")
    ok(*args, "--out", "moved/run", "--max-steps", 2)
    config = pathlib.Path("moved/run/config.toml")
    config.write_text(config.read_text().replace("max_steps = 2", "max_steps = 0"))
    os.rename("moved/old", "moved/new")
    lost = run("train", "--resume", "moved/run")
    same(lost.returncode, 3, lost.stderr)
    check("moved/old/t.csv" in lost.stderr and "Command: suanli train --resume moved/run DATA" in lost.stderr, lost.stderr)
    ok("train", "--resume", "moved/run", "moved/new/t.csv", "--force", "--quiet")
    check("moved/new/t.csv?target=y" in config.read_text(), "the new place is kept")


def test_run_folder():
    ok("train", TINY, *FAST, "--epochs", 2, "--out", "deep/er/b", "--seed", 3, "--quiet")
    f = pathlib.Path("deep/er/b")
    same(sorted(p.name for p in f.iterdir()),
         ["checkpoints", "config.toml", "log.txt", "metrics.jsonl", "model.safetensors", "summary.json"], "files")
    config = (f / "config.toml").read_text()
    for line in ['model = "mlp"', "epochs = 2", "batch_size = 64", "seed = 3", "lr = 0.001", 'optimizer = "adam"',
                 'device = "cpu"', 'precision = "f32"']:
        check(line in config, f"{line} is not in config.toml: {config}")
    rows = metrics(f)
    same([(r["step"], r["epoch"], r["split"]) for r in rows],
         [(9, 1, "train"), (9, 1, "val"), (18, 2, "train"), (18, 2, "val")], "metrics rows")
    check(all(math.isfinite(r["loss"]) for r in rows) and "accuracy" in rows[1], f"{rows}")
    s = state(f)
    same(s["progress"]["step"], 18, "step of the checkpoint")
    for part in (s["model"], s["optimizer"], s["best"]["model"]):
        path = f / "checkpoints" / part["file"]
        same((path.stat().st_size, digest(path)), (part["bytes"], int(part["crc32"], 16)), f"checksum of {part['file']}")
    kept = {s["model"]["file"], s["optimizer"]["file"], s["best"]["model"]["file"], "state.json"}
    same({p.name for p in (f / "checkpoints").iterdir()}, kept, "nothing stale is left")
    def tensors(path):
        raw = path.read_bytes()
        end = 8 + struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8:end])
        return header.pop("__metadata__"), header, raw[end:]
    said, header, values = tensors(f / "model.safetensors")
    same((header, values), tensors(f / "checkpoints" / s["best"]["model"]["file"])[1:], "model.safetensors is the best one")
    record = json.loads(said["suanli"])
    same((record["step"], record["data"]["input_shape"], len(record["data"]["class_names"])), (s["best"]["step"], [1, 28, 28], 10), "what it says of itself")
    same(sorted(k for k in header if k != "__metadata__"),
         ["fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight", "fc3.bias", "fc3.weight"], "names")
    same(header["fc1.weight"]["shape"], [256, 784], "weight [out, in]")


def test_same_seed_same_bits_whatever_the_loader():
    for threads in (0, 1, 2, 4):
        ok("train", TINY, *FAST, "--epochs", 2, "--out", f"l{threads}", "--loader-threads", threads, "--quiet")
        same(digest(f"l{threads}/model.safetensors"), digest("l0/model.safetensors"), f"weights with {threads} loader threads")
        same((metrics(f"l{threads}"), summary(f"l{threads}")), (metrics("l0"), summary("l0")), f"metrics with {threads} loader threads")
    ok("train", TINY, *FAST, "--epochs", 2, "--out", "seed1", "--seed", 1, "--quiet")
    check(digest("seed1/model.safetensors") != digest("l0/model.safetensors"), "another seed gives other weights")
    ok("train", TINY, *FAST, "--epochs", 2, "--out", "every", "--checkpoint-every", 1, "--quiet")
    same(digest("every/model.safetensors"), digest("l0/model.safetensors"), "saving after each step changes nothing")


def test_runs_are_numbered_and_progress_stays_off_stdout():
    first = run("train", TINY, *FAST, "--epochs", 1)
    same(first.returncode, 0, first.stderr)
    check("train loss" in first.stderr and "train loss" not in first.stdout, "the table is on stderr")
    check("test accuracy" in first.stdout and "suanli eval runs/" in first.stdout, first.stdout)
    check("\033" not in first.stderr and "\r" not in first.stderr, "no control characters where nobody watches")
    second = run("train", TINY, *FAST, "--epochs", 1, "--quiet", "--json")
    same(second.stderr, "", "quiet")
    names = sorted(os.listdir("runs"))
    check(len(names) == 2 and names[0].endswith("-mlp-1") and names[1].endswith("-mlp-2"), f"{names}")


def test_every_model_trains():
    for model in ("linear", "cnn_b", "cnn_c"):
        r = ok_json("train", TINY, "--model", model, "--max-steps", 3, "--val", 0, "--out", model, "--quiet")
        same((r["steps"], r["val_accuracy"]), (3, None), model)
        check(math.isfinite(r["test_loss"]), f"{r}")


def test_predict():
    ok("train", "glyphs?train=3200&test=64", *FAST, "--epochs", 2, "--out", "p", "--quiet")
    write_png("one.png", [[255 if 26 <= x < 30 and 6 < y < 50 else 0 for x in range(56)] for y in range(56)])
    write_png("blank.png", [[0] * 28] * 28)
    r = ok_json("predict", "p", "one.png", "blank.png", "--top", 3)
    same([p["file"] for p in r["predictions"]], ["one.png", "blank.png"], "files")
    for p in r["predictions"]:
        top = p["top"]
        same(len(top), 3, "top")
        check(top[0] == {"class": p["class"], "probability": p["probability"]}, f"{p}")
        check(1 >= top[0]["probability"] >= top[1]["probability"] >= top[2]["probability"] > 0, f"{p}")
    words = ok("predict", "p", "one.png", "blank.png")
    same([l.split(":")[0] for l in words.splitlines()], ["one.png", "blank.png"], words)


def test_finished_run_prints_its_result_again():
    first = ok_json("train", TINY, *FAST, "--epochs", 1, "--out", "f", "--quiet")
    before = {p: p.stat().st_mtime_ns for p in pathlib.Path("f").rglob("*")}
    same(ok_json("train", "--resume", "f/"), first, "result")
    same({p: p.stat().st_mtime_ns for p in pathlib.Path("f").rglob("*")}, before, "nothing was touched")
    more = ok_json("train", "--resume", "f", "--epochs", 2, "--quiet")
    whole = ok_json("train", TINY, *FAST, "--epochs", 2, "--out", "g", "--quiet")
    same((more["epochs"], digest("f/model.safetensors")), (2, digest("g/model.safetensors")), "two epochs in two parts")


def on_terminal(*args, **environment):
    """What a person sees: stderr is a terminal of 80 columns."""
    import fcntl, pty, subprocess, termios
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    child = subprocess.Popen([os.environ["SUANLI_BIN"], *map(str, args)], stdout=subprocess.PIPE, stderr=theirs, text=True,
                             env={**os.environ, "TERM": "xterm", **environment})
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:   # how a terminal says that nobody writes to it any more
        pass
    child.communicate(timeout=60)
    same(child.returncode, 0, seen.decode())
    return seen.decode()


def test_bar_on_a_terminal():
    import pty, re
    try:
        for end in pty.openpty():
            os.close(end)
    except OSError as e:
        return print(f"skipped: no pseudo-terminal on this machine ({e})")
    args = ["train", "glyphs?train=3200&test=64", "--model", "cnn_b", "--epochs", 1, "--val", 0]
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    os.environ.clear()
    os.environ.update(environment)
    seen = on_terminal(*args, "--out", "bar")
    bars = [line for line in seen.split("\r") if "it/s" in line]
    check(bars, f"no bar in {seen!r}")
    for bar in bars:
        plain = bar.split("\033")[0]
        check(re.fullmatch(r"epoch 1/1 +\d+% \|[█▏▎▍▌▋▊▉ ]+\| \d+/50 \[[\d:]+<[\d:?]+, [\d.]+it/s, loss=\d+\.\d{4}\]", plain), f"{plain!r}")
        check(len(plain) <= 80, f"too wide: {plain!r}")
    check("\033[1m" in seen, "the table's head is bold")
    check("\033[1m" not in on_terminal(*args, "--out", "plain", NO_COLOR="1"), "NO_COLOR")
    check("it/s" not in on_terminal(*args, "--out", "dumb", TERM="dumb"), "no bar on a dumb terminal")


def test_data_are_found_from_another_folder():
    idx_files("digits")
    ok("train", "mnist:digits", *FAST, "--epochs", 1, "--out", "here", "--quiet")
    os.mkdir("elsewhere")
    same(ok_json("eval", "../here", cwd="elsewhere")["samples"], 20, "samples")


def test_small_words():
    same(ok("version"), ok("--version"), "version")
    check(ok("version").startswith("suanli "), "version")
    check("train" in ok("help") and ok("help", "train") == ok("train", "--help") == ok("train", "-h"), "help")
    for option in ("--out", "--seed", "--val", "--resume", "--device", "--checkpoint-every"):
        check(option in ok("help", "train"), f"{option} in help")
    d = ok_json("doctor")
    check(d["threads"] >= 1 and d["isa"] and d["onednn"].startswith("3.") and d["memory_bytes"] > 0 and "runs" in d, f"{d}")
    check(len(d["numerics"]) == 16 and int(d["numerics"], 16) != 0, f"{d['numerics']}")
    same(d["tuning"]["device"]["tile_bytes"], 8192, "a tuning value of the device")
    same(d["tuning"]["plan"]["peak_gain"], 1e-4, "a tuning value of the plan")
    words = ok("doctor").splitlines()
    check(any(w.split() == ["numerics", d["numerics"]] for w in words), "the numerics table in words")
    check(any(w.startswith("onednn") for w in words), "doctor in words")
    for part, values in d["tuning"].items():
        check(f"tuning of the {part}" in words, part)
        for name in values:
            same(sum(w.split()[0] == name for w in words if w.startswith("  ")), sum(name in v for v in d["tuning"].values()), name)


def test_doctor_prints_the_environment():
    env = {**os.environ, "SUANLI_THREADS": "1", "SUANLI_TIER": ""}
    rows = {row["name"]: row for row in ok_json("doctor", env=env)["environment"]}
    same(len(rows), 10, "variables")
    same((rows["SUANLI_THREADS"]["value"], rows["SUANLI_THREADS"]["set"]), ("1", True), "a given value")
    same((rows["SUANLI_TIER"]["value"], rows["SUANLI_TIER"]["set"], rows["SUANLI_TIER"]["default"]), ("planned", False, "planned"), "a default")
    check(all(row["doc"] and row["expected"] for row in rows.values()), f"{rows}")
    words = ok("doctor", env=env)
    for name in rows:
        check(f"\n{name} " in words, f"{name} in {words}")
    check("SUANLI_THREADS       1 (default: the CPUs that the process may use)" in words, words)
    check("SUANLI_TIER          planned\n" in words, words)
    for name in rows:
        check(f".B {name}\n" in ok("man"), f"{name} in the manual page")


def test_bad_environment_is_an_error_at_the_start():
    for name, value, expected in (("SUANLI_THREADS", "four", "a number from 1 to 1024"), ("SUANLI_TIER", "cool", "planned or cold"),
                                  ("SUANLI_EAGER", "yes", "0 or 1"), ("SUANLI_MEMORY_LIMIT", "1 apple", "400MiB")):
        env = {**os.environ, name: value}
        fails(2, name, f"'{value}'", expected, args=["train", "glyphs", "--out", "never"], env=env)
        fails(2, name, args=["doctor"], env=env)
        check(not os.path.exists("never"), "nothing was made")
        check(ok("version", env=env).startswith("suanli "), "version comes out")


def test_result_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        import subprocess
        done = subprocess.run([os.environ["SUANLI_BIN"], "version"], stdout=full, stderr=subprocess.PIPE, text=True)
    same(done.returncode, 3, done.stderr)
    check(done.stderr.startswith("suanli: standard output: cannot be written: No space left"), done.stderr)
    child = start("train", TINY, *FAST, "--epochs", 2, "--out", "pipe")
    child.stderr.close()   # the reader of the progress goes away: the run does not
    out = child.stdout.read()
    same(child.wait(), 0, "a closed stderr")
    check("test accuracy" in out, out)


main(globals())
