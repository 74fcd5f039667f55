# SPDX-License-Identifier: Apache-2.0
"""Every wrong input: its exit code, its one line, and that nothing is left behind."""
import json
import os
import pathlib
import resource
import shutil

from _suanli import FAST, TINY, check, digest, fails, idx_files, main, ok, ok_json, same, state, write_png


def untouched(before):
    same(sorted(str(p) for p in pathlib.Path(".").rglob("*")), before, "a failed start leaves nothing")


def test_usage():
    cases = [   # exit, parts of the line, words
        (2, ["command: 'trian'", "Did you mean train?"], ["trian"]),
        (2, ["command: 'tarin'", "Did you mean train?"], ["help", "tarin"]),
        (2, ["--modle", "Did you mean --model?"], ["train", "--modle", "mlp"]),
        (2, ["--epoch", "Did you mean --epochs?"], ["train", "--epoch=3"]),
        (2, ["option: -x, expected an option of suanli train"], ["train", "-x"]),
        (2, ["'cnn_d'", "id you mean 'cnn_"], ["train", "--model", "cnn_d"]),
        (2, ["'resnet'", "linear, mlp"], ["train", "--model", "resnet"]),
        (2, ["optimizer: 'sdg'", "Did you mean 'sgd'?"], ["train", "--optimizer", "sdg"]),
        (3, ["glyhps", "Did you mean `glyphs`?"], ["train", "glyhps"]),
        (3, ["mnits", "Did you mean `mnist`?"], ["train", "mnits:somewhere"]),
        (2, ["'gpu'", "auto"], ["train", "--device", "gpu"]),
        (2, ["--lr: no value, expected --lr X"], ["train", "--lr"]),
        (2, ["--out: the option --dry-run, expected a value"], ["train", "--out", "--dry-run"]),
        (2, ["--csv: the option --top, expected a value"], ["predict", "run", "t.csv", "--csv", "--top"]),
        (2, ["--lr: 'abc', expected a number"], ["train", "--lr", "abc"]),
        (2, ["--lr: 'nan', expected a number"], ["train", "--lr", "nan"]),
        (2, ["--lr: 0, expected a number above 0"], ["train", "--lr", "0"]),
        (2, ["--epochs: 0, expected at least 1"], ["train", "--epochs", "0"]),
        (2, ["--epochs: '1.5', expected a whole number"], ["train", "--epochs", "1.5"]),
        (2, ["--epochs: '99999999999999999999', expected a whole number"], ["train", "--epochs", "99999999999999999999"]),
        (2, ["--seed: -1, expected at least 0"], ["train", "--seed=-1"]),
        (2, ["val: 1, expected 0 or more and below 1"], ["train", "--val", "1"]),
        (2, ["--out: an empty text"], ["train", "--out", ""]),
        (2, ["momentum: 0.5, expected 0 with adam", "Options: --optimizer sgd."], ["train", "--optimizer", "adam", "--momentum", "0.5"]),
        (2, ["train: 'more', expected no further word"], ["train", "glyphs", "more"]),
        (2, ["--force: alone, expected --resume"], ["train", "--force"]),
        (2, ["--lr: beside --resume"], ["train", "--resume", "x", "--lr", "1"]),
        (3, ["x: no such run folder"], ["train", "glyphs", "--resume", "x"]),
        (2, ["RUN: missing, expected suanli eval RUN [DATA]"], ["eval"]),
        (2, ["FILE: missing, expected suanli predict RUN FILE…"], ["predict", "x"]),
    ]
    before = sorted(str(p) for p in pathlib.Path(".").rglob("*"))
    for code, parts, args in cases:
        fails(code, *parts, args=args)
        untouched(before)


def test_invalid_input():
    pathlib.Path("full").mkdir()
    pathlib.Path("full/x").touch()
    pathlib.Path("empty").mkdir()
    idx_files("cut", truncate="train-images-idx3-ubyte.gz")
    pathlib.Path("readonly").mkdir()
    cases = [
        (3, ["nowhere: no such folder"], ["train", "mnist:nowhere"]),
        (3, ["empty"], ["train", "mnist:empty"]),
        (3, ["cut/train-images-idx3-ubyte.gz", "byte", "cut off"], ["train", "mnist:cut"]),
        (3, ["'cuda', expected an available device", "There is no CUDA backend yet. Choose cpu or auto."], ["train", "--device", "cuda"]),
        (3, ["'cuda', expected an available device", "There is no CUDA backend yet. Choose cpu or auto."], ["eval", "full", "--device", "cuda"]),
        (3, ["full: a folder that is not empty and holds no run"], ["train", "--out", "full"]),
        (3, ["full/x: no folder, expected a folder that is new or empty"], ["train", "--out", "full/x"]),
        (3, ["cannot be made"], ["train", TINY, *FAST, "--quiet", "--out", "full/x/y"]),
        (3, ["nowhere: no such run folder"], ["train", "--resume", "nowhere"]),
        (3, ["full: a folder without config.toml, expected the folder of a run"], ["train", "--resume", "full"]),
        (3, ["full/x: a file, expected the folder of a run"], ["eval", "full/x"]),
        (3, ["nowhere: no such run folder"], ["predict", "nowhere", "x.png"]),
        (3, ["training samples"], ["train", "glyphs?train=5&test=5", "--val", "0.95"]),
    ]
    before = sorted(str(p) for p in pathlib.Path(".").rglob("*"))
    for code, parts, args in cases:
        fails(code, *parts, args=args)
        untouched(before)
    ok("train", TINY, *FAST, "--epochs", 1, "--out", "empty", "--quiet")   # an empty folder is taken


def test_names_that_a_terminal_would_obey():
    name = "a\x1b]0;owned\x07\x9bx.png"
    text = fails(3, "a\\x1b]0;owned\\x07\\x9bx.png", args=["train", name]).stderr
    check(not set(text) & set("\x1b\x07\x9b"), f"control characters reach the terminal: {text!r}")


def test_recipes():
    cases = [
        (2, ["schedule", "'cosin'", "id you mean 'cosine'?"], ["--schedule", "cosin"]),
        (2, ["optimizer: 'adamm'", "Did you mean 'adam'?"], ["--optimizer", "adamm"]),
        (2, ["setting: 'label_smoothin'", "Did you mean label_smoothing?"], ["--set", "label_smoothin=0.1"]),
        (2, ["--set: 'lr', expected KEY=VALUE"], ["--set", "lr"]),
        (2, ["epochs: 'x', expected a whole number"], ["--set", "epochs=x"]),
        (2, ["--time: 'soon', expected a time such as 90s, 20m or 1.5h"], ["--time", "soon"]),
        (2, ["--time: beside --epochs"], ["--time", "5s", "--epochs", "2"]),
        (2, ["batch_size: 'many'"], ["--batch-size", "many"]),
        (2, ["class_weights: 2 numbers, expected 10, one per class of the data"], ["--class-weights", "1,2"]),
        (2, ["Give one of them"], ["--ema", "0.9", "--lookahead", "5"]),
        (3, ["/proc/run", "cannot be made"], ["--out", "/proc/run/x"]),
        (3, ["nowhere.toml"], ["--config", "nowhere.toml"]),
    ]
    before = sorted(str(p) for p in pathlib.Path(".").rglob("*"))
    for code, parts, args in cases:
        fails(code, *parts, args=["train", TINY, *FAST, "--quiet", *args])
        untouched(before)


def test_no_batch_fits():
    before = sorted(str(p) for p in pathlib.Path(".").rglob("*"))
    args = ["train", "random:3x128x128?classes=2&samples=640&test=64", "--model", "cnn_b", "--batch-size", "auto", "--quiet"]
    fails(3, "batch_size: auto, expected a batch of 16 to fit into", "with batch 16 needs", "Options: --model.", args=args,
          env={**os.environ, "SUANLI_MEMORY_LIMIT": "130000000"})
    untouched(before)


def test_damaged_runs():
    ok("train", TINY, *FAST, "--epochs", 1, "--out", "whole", "--quiet")
    weights = f"checkpoints/{state('whole')['best']['model']['file']}"

    def damaged(name, change, code, *parts, args=("eval",)):
        os.system(f"rm -rf {name} && cp -r whole {name}")
        change(pathlib.Path(name))
        fails(code, *parts, args=[*args, name])

    def cut(f):
        (f / weights).write_bytes((f / weights).read_bytes()[:-100])

    def flip(f):
        data = bytearray((f / weights).read_bytes())
        data[-1] ^= 1
        (f / weights).write_bytes(data)

    def edit(key, value):
        def change(f):
            s = state(f)
            s[key] = value
            (f / "checkpoints/state.json").write_text(json.dumps(s))
        return change

    def config(old, new):
        return lambda f: (f / "config.toml").write_text((f / "config.toml").read_text().replace(old, new))

    damaged("d1", cut, 3, weights, "which state.json recorded", "damaged")
    damaged("d2", flip, 3, weights, "crc32")
    def without(*names):
        return lambda f: [(f / name).unlink() for name in names]

    damaged("d3", without(weights, "model.safetensors"), 3, weights, "No such file")
    damaged("d4", lambda f: (f / "checkpoints/state.json").write_text("{"), 3, "state.json", "byte")
    damaged("d5", edit("progress", {}), 3, "state.json", "epoch: missing")
    damaged("d6", edit("format", 99), 3, "state.json", "run format 99 of a newer program, expected format 1,")
    damaged("d17", edit("format", 0), 3, "state.json", "run format 0 of an older program, expected format 1,")
    damaged("d18", config("format = 1", "format = 99\nnew_key = 3"), 3, "config.toml: line 2", "run format 99 of a newer program")
    damaged("d19", config("format = 1", "format = 0"), 3, "config.toml: line 2", "run format 0 of an older program")
    damaged("d20", config("format = 1", "format = 'one'"), 3, "config.toml: line 2, format: a text, expected a whole number")
    damaged("d14", without("checkpoints/state.json", "model.safetensors"), 3, "checkpoints/state.json is missing", "in d14/checkpoints/step-",
            "Command: suanli train --weights d14/checkpoints/step-")
    damaged("d15", without("checkpoints/state.json"), 3, "checkpoints/state.json is missing", "in d15/checkpoints/step-", "Options: --weights d15/checkpoints/step-",
            args=("train", "--resume"))
    damaged("d16", lambda f: (f / "checkpoints/state.json").write_text("{"), 3, "was cut off or damaged", "in d16/checkpoints/step-", "Options: --weights d16/checkpoints/step-",
            args=("train", "--resume"))
    damaged("d7", lambda f: [(f / "model.safetensors").unlink(), shutil.rmtree(f / "checkpoints")], 3, "neither a checkpoint nor a model.safetensors", "The run cannot go on")
    for name, gone in (("g1", weights), ("g2", "checkpoints/state.json")):   # either of the two is enough
        os.system(f"cp -r whole {name}")
        without(gone)(pathlib.Path(name))
        check(ok_json("eval", name)["accuracy"] == ok_json("eval", "whole")["accuracy"], gone)
    damaged("d8", config('"mlp"', '"linear"'), 3, "missing fc.weight", "unexpected fc1.")
    damaged("d9", config("seed = 0", "seed = 'x'"), 3, "config.toml: line", "seed", "a whole number")
    damaged("d10", config("seed = 0", "sede = 0"), 3, "setting: 'sede'", "Did you mean seed?")
    damaged("d11", config("seed = 0", "seed = = 0"), 3, "config.toml: line")
    damaged("d12", lambda f: (f / "config.toml").unlink(), 3, "a folder without config.toml")
    outside = {"epoch": 1, "step": 1, "val_loss": 1, "val_accuracy": 1, "model": {"file": "../x", "bytes": 1, "crc32": "0"}}
    damaged("d13", edit("best", outside), 3, '"../x", expected a file name')
    # PNG
    pathlib.Path("x.png").write_bytes(b"no picture")
    fails(3, "x.png", args=["predict", "whole", "x.png"])
    fails(3, "nope.png", args=["predict", "whole", "nope.png"])
    fails(2, "--split: 'tset', expected train, val or test", args=["eval", "whole", "--split", "tset"])
    idx_files("other")
    ok("eval", "whole", "mnist:other")


def test_resume_elsewhere():
    """What would not be bit-exact is said, and done only with --force."""
    data = "glyphs?train=640&test=160"
    ok("train", data, *FAST, "--epochs", 2, "--max-steps", 12, "--out", "r", "--quiet")
    for f in ("summary.json", "model.safetensors"):
        pathlib.Path("r", f).unlink()

    def altered(name, change, *parts, args=()):
        os.system(f"cp -r r {name}")
        s, c = state(name), pathlib.Path(name, "config.toml").read_text()
        c = c.replace("max_steps = 12", "max_steps = 0")
        s["progress"].update(epoch=1, batch=3)   # back into the second epoch
        s, c = change(s, c) or (s, c)
        pathlib.Path(name, "checkpoints/state.json").write_text(json.dumps(s))
        pathlib.Path(name, "config.toml").write_text(c)
        fails(3, "expected the same, for the bits of a run without a stop", "Options: --force.", *parts, args=["train", "--resume", name, *args])
        same(state(name), s, "nothing was changed")
        r = ok_json("train", "--resume", name, "--force", "--quiet", *args)
        check(r["epochs"] == 2, f"{r}")
        check("not bit-exact" in pathlib.Path(name, "log.txt").read_text(), "the log says so")

    altered("isa", lambda s, c: s.update(isa="sse4"), "instruction set sse4, here ")
    altered("numerics", lambda s, c: s.update(numerics="0" * 16), "numerics table 0000000000000000, here " + state("r")["numerics"])
    altered("unknown", lambda s, c: (s.pop("numerics"), None)[1], "no recorded numerics table, here ")
    altered("version", lambda s, c: s.update(version="0.0.9"), "version 0.0.9, here ")
    altered("data", lambda s, c: s["data"]["train"].update(fingerprint="0" * 16), "the train data changed")
    altered("moved", lambda s, c: (s, c.replace("train=640", "train=704")), "the train data changed", "samples")
    altered("lr", lambda s, c: (s, c.replace("lr = 0.001", "lr = 0.002")), "lr 0.001 → 0.002 in config.toml")
    fails(2, "epochs: 1, expected at least the 2 that are trained already", args=["train", "--resume", "lr", "--epochs", 1])


def test_hints():
    """The settings that help against an error, as the verb's own options, in the user's language."""
    ok("train", TINY, *FAST, "--epochs", 1, "--out", "hinted", "--quiet")
    os.remove("hinted/checkpoints/state.json")
    os.remove("hinted/model.safetensors")
    folder = "hinted: the folder of a run, expected a folder that is new or empty. Go on with this run, or choose another folder. "
    weights = "checkpoints/state.json is missing"
    chinese = {**os.environ, "LC_ALL": "zh_CN.UTF-8"}
    for env, command, none in ((None, "Command: ", "Options"), (chinese, "命令：", "选项")):
        done = fails(3, folder + command + "suanli train --resume hinted", args=["train", "--out", "hinted"], env=env)
        check(done.stderr.endswith(" hinted\n"), f"the command can be pasted: {done.stderr!r}")
        check(none not in done.stderr, f"not the option whose value is at fault: {done.stderr}")
        done = fails(3, weights, command + "suanli train --weights hinted/checkpoints/step-", args=["eval", "hinted"], env=env)   # eval has no --weights
        check(done.stderr.endswith(".safetensors\n"), f"the command can be pasted: {done.stderr!r}")
        check(none not in done.stderr, f"only what the verb has: {done.stderr}")
    fails(3, weights, "Options: --weights hinted/checkpoints/step-", args=["train", "--resume", "hinted"])
    fails(3, "memory_limit: 1.0 MiB", "Options: --batch-size, --accumulate, --model.", args=["train", TINY, *FAST, "--batch-size", 8, "--memory-limit", "1MiB"])
    done = fails(2, args=["train", "--lookahead", 3, "--ema", 0.5])
    check("Option" not in done.stderr and "Command" not in done.stderr, f"no setting, no hint: {done.stderr}")


def limited(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_full_disk():
    """A file-size limit stands in for a full disk: the start fails cleanly, and a run that hits it keeps its last checkpoint."""
    if "TSAN_OPTIONS" in os.environ:  # its runtime keeps memory of its own in files, which the limit cuts off: SIGBUS
        return
    before = sorted(str(p) for p in pathlib.Path(".").rglob("*"))
    fails(3, "cannot be written", "File too large", "ulimit -f",
          args=["train", TINY, *FAST, "--out", "never", "--quiet"], preexec_fn=limited(100_000))
    untouched(before)
    # The first checkpoint (weights, 940 kB) fits; adam's state after a step (twice that) does not.
    often = ["--epochs", 2, "--checkpoint-every", 4, "--quiet"]
    fails(3, "optim.safetensors", "File too large", "suanli train --resume disk", args=["train", TINY, *FAST, *often, "--out", "disk"], preexec_fn=limited(1_200_000))
    same(state("disk")["progress"]["step"], 0, "the last checkpoint is whole")
    same([p for p in os.listdir("disk/checkpoints") if p.endswith(".tmp")], [], "no temporary file is left")
    ok("train", "--resume", "disk", "--quiet")
    ok("train", TINY, *FAST, *often, "--out", "nolimit")
    same(digest("disk/model.safetensors"), digest("nolimit/model.safetensors"), "goes on to the same weights")


def test_writers_without_room():
    """Everything that a command writes where it was told to: on a full disk (as above) and in a place that takes no files."""
    ok("train", TINY, *FAST, "--epochs", 1, "--out", "writer", "--quiet")
    os.mkdir("pictures")
    for i in range(30):
        write_png(f"pictures/{i}.png", [[(i * r + c) % 250 for c in range(28)] for r in range(28)])
    cases = [   # the words without the file, bytes that fit
        (["predict", "writer", "pictures", "--csv"], 300),
        (["eval", "writer", "--confusion"], 100),
        (["data", "show", TINY, "--sheet"], 300),
        (["data", "pack", TINY], 300),
        (["explain", "--model", "mlp", "--html"], 300),
        (["profile", "train", TINY, *FAST, "--trace"], 300),
    ]
    before = sorted(str(p) for p in pathlib.Path(".").rglob("*"))
    for words, room in cases:
        if "TSAN_OPTIONS" not in os.environ:
            fails(3, "too_large.out: cannot be written", "File too large", args=[*words, "too_large.out"], preexec_fn=limited(room))
        fails(3, "/proc/out: cannot be created", args=[*words, "/proc/out"])
        fails(3, "nowhere/out: cannot be created: No such file or directory", args=[*words, "nowhere/out"])
        untouched(before)
    if os.geteuid() == 0:   # whom permissions do not hinder
        return
    os.mkdir("closed", 0o555)
    before.append("closed")
    for words, _ in cases:
        fails(3, "closed/out: cannot be created: Permission denied", args=[*words, "closed/out"])
        untouched(sorted(before))
    fails(3, "closed/run: cannot be made", args=["train", TINY, *FAST, "--out", "closed/run", "--quiet"])


def test_bad_number():
    done = fails(1, "training step", "the loss became", "(in ", "lr = ", "Options: --lr.", "is good",
                 args=["train", TINY, *FAST, "--optimizer", "sgd", "--lr", "1e30", "--momentum", "0", "--epochs", 3,
                       "--checkpoint-every", 1, "--out", "nan", "--quiet"])
    check("[" in done.stderr, f"the operation is named: {done.stderr}")


def test_two_writers():
    import fcntl
    ok("train", TINY, *FAST, "--epochs", 1, "--out", "busy", "--quiet")
    with open("busy/log.txt") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        fails(3, "another process is training this run", args=["train", "--resume", "busy"])


main(globals())
