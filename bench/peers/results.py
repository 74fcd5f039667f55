# SPDX-License-Identifier: Apache-2.0
"""The files bench/results/*.jsonl: what was measured, when, at which commit and on which machine. A line
holds one metric of one case on one side:

    {"date": ..., "commit": ..., "cpu": ..., "isa": ..., "cores": 2, "command": ...,
     "case": "resnet18.96.train.b16", "metric": "step_ms", "side": "pytorch", ..., "values": [...]}

There is a value for each repetition. Values at the same place in the lines of one case and date were
measured one right after the other: their ratios are what counts.
"""
import datetime
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench/results"


def cpu():
    """The processor's name with its family and model, since clouds leave the name vague."""
    first = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        first.setdefault(key.strip(), value.strip())
    return f"{first.get('model name', 'unknown')}, family {first.get('cpu family', '?')}, model {first.get('model', '?')}"


def commit(programs=ROOT):
    """The short hash of HEAD in the checkout that holds the programs, with a + where its sources differ from HEAD.
    "unknown" outside of a checkout."""
    def git(*words):
        done = subprocess.run(["git", "-C", programs, *words], capture_output=True, text=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", ":/include", ":/src", ":/cmake", ":/CMakeLists.txt")
    head = git("rev-parse", "--short=10", "HEAD")
    return head + ("+" if changed else "") if head else "unknown"


def machine():
    return {"cpu": cpu(), "cores": os.cpu_count()}


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")


def command():
    """The command line, without folders outside of the checkout."""
    return " ".join(shlex.quote(re.sub(r"^/.*/", "", word)) for word in sys.argv)


def slug(isa):
    """The first word in small letters: "AVX3 (own kernels), avx512_core_bf16 (oneDNN)" → "avx3"."""
    return re.match(r"\w*", isa)[0].lower()


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as f:
        f.writelines(json.dumps(line) + "\n" for line in lines)


def memory_mb(memory):
    return (memory["peak_hwm"] - memory["baseline_rss"]) / 1024


def keep_case(folder, page, case, programs):
    """Replaces a case's lines in PAGE-ISA.jsonl; `programs` is the folder of the programs measured. Training cases
    have a second metric: the memory of Suanli and of the peer's variant that takes least."""
    isa = next(c["isa"] for c in case["contenders"] if c["side"] == "suanli")
    path = folder / f"{page}-{slug(isa)}.jsonl"
    common = {"date": now(), "commit": commit(programs), **machine(), "isa": isa, "command": command(),
              "case": case["name"], "gflop": round(case["flops"]["pytorch"] / 1e9, 4),
              "elsewhere": round(case["elsewhere"]["share"], 3)}   # the share that other programs took
    lines = [{**common, "metric": "step_ms", **{key: c[key] for key in ("side", "label", "version", "threads")},
              "values": [round(ms, 4) for ms in c["ms"]]} for c in case["contenders"] if c["side"] != "roof"]
    if case["kind"] == "train":
        for side in ("suanli", "pytorch"):
            tried = [t for t in case.get("trials", []) if t["side"] == side]
            if tried:
                least = min(tried, key=lambda t: memory_mb(t["memory"]))
                lines.append({**common, "metric": "memory_mb", "side": side, "label": least["label"],
                              "values": [round(memory_mb(least["memory"]), 1)]})
    kept = [line for line in read(path) if line["case"] != case["name"]]
    path.unlink(missing_ok=True)
    append(path, kept + lines)
