# SPDX-License-Identifier: Apache-2.0
"""bench/peers/compare.py refuses what would make its numbers worthless, and measures a product and a model of the zoo from end to end. No
time decides here."""
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

SOURCE = pathlib.Path(os.environ["SUANLI_SOURCE"])
sys.path.insert(0, str(SOURCE / "bench/peers"))
import compare
import protocol

PROGRAMS = pathlib.Path(os.environ["SUANLI_BIN"]).parent


class Scripted:
    """Work whose steps sleep and return given values, the last one for ever."""

    def __init__(self, values):
        self.values = values

    def step(self):
        time.sleep(0.005)
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


def worker_main(values, parameters, spins):
    def spin():
        while True:
            pass

    if spins:
        threading.Thread(target=spin, daemon=True).start()
    load = lambda request: (Scripted(json.loads(values)), {"parameters": int(parameters), "threads": 1, "isa": "none", "version": "0"})
    protocol.serve(load, protocol.memory(), {"flops": lambda work, request: 1})


def scripted(side, values, parameters=1, spins=False):
    return compare.Worker(side, [sys.executable, __file__, "worker", json.dumps(values), str(parameters), "spins" if spins else ""])


class Options:
    threads, repetitions = 1, 2


def outcome(kind, *workers):
    """What compare() says about these workers: the start of its refusal, or "accepted"."""
    roof = scripted("roof", [0])
    with compare.running([*workers, roof]), compare.Turn(None) as turn:
        try:
            compare.compare({"name": "test", "kind": kind, "telling_steps": 4}, list(workers), roof, Options, turn)
            return "accepted"
        except compare.Failed as e:
            return str(e).splitlines()[0]


def pooled(size, output):
    """How the export of an adaptive pooling differs from PyTorch's, at most."""
    import export_onnx   # here: the scripted workers, which are this file too, need no PyTorch
    import torch
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    return (export_onnx.AdaptivePool(size, output)(x) - torch.nn.AdaptiveAvgPool2d(output)(x)).abs().max().item()


ZOO = ("--only", "cnn_c.96.infer.b16", "--only", "cnn_c.96.train")


def zoo():
    """One model, both kinds of cases: a line for each contender, and the model that is asked for."""
    # Threads that wait do not spin: beside other tests they would wait for CPUs that spinning takes.
    run = subprocess.run([sys.executable, SOURCE / "bench/peers/compare.py", "--zoo", *ZOO, "--repetitions", "2",
                          "--results", "results", "--programs", PROGRAMS], capture_output=True, text=True,
                         env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
    print(run.stderr)
    lines = [json.loads(line) for path in pathlib.Path("results").glob("zoo-*.jsonl") for line in path.read_text().splitlines()]
    sides = {(line["case"], line["side"]) for line in lines if len(line["values"]) == 2 and min(line["values"]) > 0}
    infers = {("cnn_c.96.infer.b16", side) for side in ("suanli", "pytorch", "onnxruntime")}
    good = check("the zoo's lines", str(sides == infers | {("cnn_c.96.train.b16", "suanli"), ("cnn_c.96.train.b16", "pytorch")}), "True")
    # Two valid 5x5 convolutions to 10 and 20 channels, pooled to 46 and 21; 50 hidden units, 10 classes; 2 operations per multiply-add.
    products = 16 * 2 * (92 * 92 * 10 * 75 + 42 * 42 * 20 * 250 + 20 * 21 * 21 * 50 + 50 * 10) / 1e9
    counted = next((line["gflop"] for line in lines if line["case"] == "cnn_c.96.infer.b16"), 0)
    return good & check("its operations", str(abs(counted - products) < 1e-3), "True")


def check(what, said, expected):
    good = expected in said
    print(f"{what}: {said[:160]} {'ok' if good else 'EXPECTED ' + expected}")
    return good


def main():
    falls, rises, broken = [3, 3, 3, 2], [1, 1, 1, 2], [3, 3, 3, float("nan")]
    good = check("as it should be", outcome("train", scripted("suanli", falls), scripted("pytorch", falls)), "accepted")
    good &= check("a loss rises", outcome("train", scripted("suanli", rises), scripted("pytorch", falls)), "the loss does not fall")
    good &= check("a loss is NaN", outcome("train", scripted("suanli", falls), scripted("pytorch", broken)), "not finite")
    good &= check("parameters", outcome("train", scripted("suanli", falls, 5), scripted("pytorch", falls, 6)), "different numbers of parameters")
    good &= check("outputs", outcome("infer", scripted("suanli", [1]), scripted("pytorch", [1]), scripted("onnxruntime", [1.1])), "outputs differ")
    good &= check("a pooling to more pixels", str(pooled((3, 3), (7, 7)) < 1e-6 and pooled((5, 4), (7, 3)) < 1e-6), "True")
    good &= check("an idle worker spins", outcome("train", scripted("suanli", falls), scripted("pytorch", falls, spins=True)), "of CPU time while others")

    if not (PROGRAMS / "bench_kernel").exists():
        print("not built: bench_kernel (SUANLI_BUILD_BENCHMARKS=ON)")
        sys.exit(77 if good else 1)
    product = "linear.128x512x10.grad_weight"   # of ResNet-18's last layer
    run = subprocess.run([sys.executable, SOURCE / "bench/peers/compare.py", "--only", product, "--repetitions", "2", "--json", "out.json",
                          "--programs", PROGRAMS], capture_output=True, text=True)
    print(run.stdout, run.stderr)
    case = json.loads(pathlib.Path("out.json").read_text())[product]
    good &= run.returncode == 0 and {c["side"] for c in case["contenders"]} == {"suanli", "onednn", "pytorch", "roof"}
    good &= check("operations", str(case["flops"]["suanli"]), str(2 * 128 * 512 * 10))
    good &= zoo()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker_main(*sys.argv[2:])
    else:
        main()
