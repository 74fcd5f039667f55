# SPDX-License-Identifier: Apache-2.0
"""profile train: what it counts agrees with closed forms and with itself; the trace is well-formed."""
import json
import math
import os
import pathlib

from _suanli import TINY, check, fails, main, ok, ok_json, same

STEPS = 12   # more than the 9 batches of an epoch: all full


def close(a, b, what):
    check(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12), f"{what}: {a} != {b}")


def test_counts_and_times():
    p = ok_json("profile", "train", TINY, "--model", "linear", "--steps", STEPS, "--trace", "trace.json")
    same((p["model"], p["batch_size"], p["steps"], p["plan_hits"], p["plans_built"]), ("linear", 64, STEPS, STEPS, 0), "what ran")
    same(p["kernels"], sum(r["calls"] for r in p["ops"]), "kernels by op")
    same(p["kernels"], sum(r["calls"] for r in p["modules"]), "kernels by module")
    same((p["flops"], p["bytes"]), tuple(sum(r[k] for r in p["ops"]) for k in ("flops", "bytes")), "work by op")
    close(p["kernel_seconds"], sum(r["seconds"] for r in p["ops"]), "time by op")
    close(p["kernel_seconds"], sum(r["seconds"] for r in p["modules"]), "time by module")
    close(p["seconds"], p["kernel_seconds"] + p["data_seconds"] + p["overhead_seconds"], "parts of the time")
    check(p["overhead_seconds"] > 0 and p["data_seconds"] > 0, f"{p}")
    products = [r for r in p["ops"] if r["name"].split("(")[0] == "matmul"]   # behind a bracket: what is fused to it
    calls, flops, alone = sum(r["calls"] for r in products), sum(r["flops"] for r in products), 2 * STEPS * 2 * 64 * 784 * 10
    check(calls == 2 * STEPS and alone <= flops <= 1.2 * alone, f"x·w forwards, gᵀ·x backwards, and some operations per element: {products}")
    check({"fc"} <= {r["name"] for r in p["modules"]}, f"{p['modules']}")
    same({r["name"]: r["calls"] for r in p["spans"]},
         {name: STEPS for name in ("data", "step", "forward", "backward", "optimizer", "flush")}, "spans")


def test_trace():
    ok("profile", "train", TINY, "--model", "mlp", "--steps", 3, "--trace", "trace.json", "--json")
    trace = json.loads(pathlib.Path("trace.json").read_text())
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    check(all(e["ph"] in "XM" and e["dur"] >= 0 for e in events), "kinds of events")
    starts = [e["ts"] for e in events]
    same(starts, sorted(starts), "events in the order of their beginnings")
    open_, paths = [], set()
    slack = 1e-3   # µs: the sum of two doubles
    for e in events:
        while open_ and open_[-1][1] <= e["ts"] + slack:
            open_.pop()
        if open_:
            check(e["ts"] + e["dur"] <= open_[-1][1] + slack, f"{e['name']} ends after {open_[-1][0]} in which it began")
        open_.append((e["name"], e["ts"] + e["dur"]))
        paths.add(tuple(name for name, _ in open_[:-1]) + (e["cat"] if e["cat"] == "kernel" else e["name"],))
    same(paths, {("data",), ("step",), ("step", "forward"), ("step", "backward"), ("step", "optimizer"), ("step", "optimizer", "flush"),
                 ("step", "optimizer", "flush", "kernel")}, "what lies in what")
    same({e["args"]["module"] for e in events if e["cat"] == "kernel"} >= {"fc1", "fc2", "fc3"}, True, "modules of kernels")


def test_in_words():
    text = ok("profile", "train", TINY, "--model", "mlp", "--steps", 2)
    for part in ("kernels", "overhead", "0 built", "matmul", "fc1", "(outside of modules)", "roofs: f32"):
        check(part in text, f"{part!r} is not in {text}")
    check(not pathlib.Path("runs").exists(), "a profile leaves no run folder")


def test_errors():
    fails(2, "'serve'", args=["profile", "serve"])
    fails(3, "activations", "the memory limit of the session", "--memory-limit", env={**os.environ, "SUANLI_MEMORY_LIMIT": "1GiB"},
          args=["profile", "train", "random:3x500x500?samples=64", "--model", "resnet18", "--batch-size", 64, "--val", 0])
    fails(3, "nowhere", args=["profile", "train", TINY, "--model", "linear", "--steps", 1, "--trace", "nowhere/t.json"])


main(globals())
