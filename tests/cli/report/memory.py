# SPDX-License-Identifier: Apache-2.0
"""The memory that train predicts before its first step, checked from outside: against the kernel's high-water mark of the process."""
import os
import pathlib
import re
import resource
import subprocess

from _suanli import BIN, check, fails, main, same

MIB = 1024 * 1024
UNITS = {"B": 1, "KiB": 1024, "MiB": MIB, "GiB": 1024 * MIB}


def high_water_mark(*args):
    """(bytes, stderr)"""
    with open("stderr.txt", "w+") as errors:
        child = subprocess.Popen([BIN, *map(str, args)], stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        errors.seek(0)
        text = errors.read()
    check(status == 0, f"{args} gave {status}: {text}")
    return usage.ru_maxrss * 1024, text


def predicted(text):
    found = re.search(r"predicted peak memory ([\d.]+) (\w+): (.*)", text)
    check(found, f"nothing was predicted: {text}")
    return float(found[1]) * UNITS[found[2]], found[3]


def check_case(what, *args):
    """What was foretold, of which parts, and the text that said so."""
    start_up, _ = high_water_mark("doctor")
    used, text = high_water_mark("train", *args, "--out", what)
    foretold, parts = predicted(text)
    used -= start_up
    print(f"{what}: predicted {foretold / MIB:.1f} MiB, used {used / MIB:.1f} MiB beyond start-up; {parts}")
    check(text.index("predicted") < text.index("train loss"), "it is said before the first step")
    check(used <= 1.05 * foretold + 40 * MIB, f"{what}: more was used than foretold")
    check(used >= 0.8 * foretold, f"{what}: less was used than foretold")
    check(re.search(r"a training step takes [\d.]+ [kMGT]?FLOP", text), f"no FLOPs: {text}")
    return foretold, parts, text


def test_activations_decide():
    _, parts, _ = check_case("cnn", "glyphs?train=2400&test=160", "--model", "cnn_b", "--batch-size", 1000, "--epochs", 2)
    for kind in ("weights", "optimizer state", "activations", "loader", "data"):
        check(kind in parts, f"{kind} is not in {parts}")


def test_evaluation_decides():
    # Trained in batches of 8, evaluated in batches of 256.
    check_case("evaluation", "glyphs?train=640&test=2000", "--model", "cnn_b", "--batch-size", 8, "--epochs", 1)


def test_a_deep_network():
    check_case("resnet", "glyphs?train=192&test=32", "--model", "resnet18", "--batch-size", 64, "--epochs", 1, "--val", 0)


def test_views_come_one_after_the_other():
    # Six views of each picture at the end, after a training with small batches.
    check_case("views", "random:3x32x32?classes=10&samples=640", "--model", "airbench", "--batch-size", 64, "--epochs", 1,
               "--tta", "translate")


def test_a_limit():
    run = ("glyphs?train=256&test=32", "--model", "cnn_bn", "--batch-size", 128, "--epochs", 1, "--val", 0)
    usual, _, _ = check_case("usual", *run)
    limit = int(usual * 0.8)
    foretold, _, text = check_case("limited", *run, "--memory-limit", limit)
    check(foretold <= 1.001 * limit, f"{foretold} is foretold, {limit} is the limit")
    check(re.search(r"memory limit .* instead of .* per step instead of", text), f"what it costs is not said: {text}")
    same(pathlib.Path("limited/model.safetensors").read_bytes() == pathlib.Path("usual/model.safetensors").read_bytes(), True, "the same bits")
    fails(3, "memory_limit: 1.0 MiB", "more", "--batch-size", args=["train", *run, "--memory-limit", "1MiB", "--out", "no"])
    check(not os.path.exists("no"), "nothing is written by a run that does not fit")
    fails(2, "--memory-limit: 'much'", "400MiB", args=["train", *run, "--memory-limit", "much"])
    fails(2, "SUANLI_MEMORY_LIMIT", "'1 apple'", "400MiB", args=["train", *run, "--out", "no"],
          env={**os.environ, "SUANLI_MEMORY_LIMIT": "1 apple"})


def test_a_run_that_does_not_fit_is_refused():
    """The numbers and what helps are said, and nothing is written."""
    address_space = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))}
    process = {"env": {**os.environ, "SUANLI_MEMORY_LIMIT": "1GiB"}}
    for what, by, limit, args in (
            ("weights", "ulimit -v", address_space, ["random:1x3000x3000?samples=8", "--model", "cnn_b"]),
            ("weights", "the memory limit of the session", process, ["random:1x3000x3000?samples=8", "--model", "cnn_b"]),
            ("activations", "the memory limit of the session", process, ["random:3x500x500?samples=64", "--model", "resnet18", "--batch-size", 64])):
        for mode in (["--dry-run"], []):
            fails(3, what, by, "--batch-size", "--memory-limit", args=["train", *args, *mode, "--out", "large", "--val", 0], **limit)
    check(not os.path.exists("large"), "nothing is written")


def test_the_report_tells_tensors_from_the_process():
    done = subprocess.run([BIN, "train", "glyphs?train=320&test=64", "--model", "mlp", "--epochs", "1", "--quiet", "--out", "said"],
                          capture_output=True, text=True, check=True)
    line = next(l for l in done.stdout.splitlines() if l.startswith("memory"))
    tensors, process = re.search(r"tensors ([\d.]+ \w+) at most, the process ([\d.]+ \w+)", line).groups()
    size = lambda text: float(text.split()[0]) * UNITS[text.split()[1]]
    check(0 < size(tensors) < size(process) < 2 << 30, line)


main(globals())
