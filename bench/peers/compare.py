# SPDX-License-Identifier: Apache-2.0
"""Suanli against PyTorch and ONNX Runtime: training steps, inference, memory, and the products and convolutions these are made of.

    $(scripts/peers --path) bench/peers/compare.py [--only train.resnet18] [--quick] [--json FILE] [--lock FILE]
    $(scripts/peers --path) bench/peers/compare.py --zoo [--only resnet18.96]

Every contender is a process that has loaded its case and sleeps until it is told to run steps. First every variant of a peer (layout,
eager or compiled, waiting threads that spin or sleep) is tried in a few interleaved slots, then the fastest of each peer runs against
Suanli: one slot each, in turn, the order reversed from repetition to repetition, so that a clock that drifts meets all of them alike.
A slot is as many steps as fill 100 ms, after 60 ms of steps that do not count; its value is their mean. Ratios are medians of the ratios within one repetition.

What can make a comparison wrong is checked or reported: both sides must count the same parameters and, where weights are the same
(PyTorch and ONNX Runtime), give the same output; losses must be finite and fall; an idle worker that burns more than 2% of a CPU ends
the comparison; a repetition during which others took more than 15% of the machine is repeated, and what they took stands in the table.
"""
import argparse
import contextlib
import fcntl
import itertools
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import report
import results
from cases import CASES, NETWORKS, ZOO_CASES, write_data

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = HERE.parents[1] / "build/test"
SLOT_MS, SLOT_WARM_UP_MS, SETTLE_S = 100, 60, 0.05   # threads of a worker that has just finished spin for some milliseconds more
WARM_UP_STEPS, WARM_UP_ENOUGH_MS = (2, 6), 1500   # at least and at most so many, fewer where they take that long
TRIAL_REPETITIONS = 3
FALL_STEPS = 3   # the mean of the last third of the losses, at least so many, lies below that of the first
IDLE_LIMIT = 0.02              # of the time measured
ELSEWHERE_LIMIT = 0.15         # of all CPUs
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    pass


class Worker:
    """One contender: a process, how it is told to load, and what it has measured since it did."""

    def __init__(self, side, command, label="", environment={}, **request):
        self.side, self.label, self.request = side, label, request
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={**os.environ, **environment})

    def ask(self, what, **more):
        try:
            self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            self.log.seek(0)
            raise Failed(f"{self.side} {self.label}: {answer['error']}\n{self.log.read()[-2000:]}".strip())
        return answer

    def load(self, case, threads):
        self.facts = self.ask("load", case=case, threads=threads, **self.request)
        self.slots, self.values = [], []
        ms, (least, most) = [], WARM_UP_STEPS
        while len(ms) < least or (len(ms) < most and sum(ms) < WARM_UP_ENOUGH_MS):
            ms += self.run(1)
        self.steps = min(1000, math.ceil(SLOT_MS / min(ms)))

    def run(self, steps):
        answer = self.ask("run", steps=steps)
        self.values += answer["values"]
        return answer["ms"]

    def slot(self):
        """Milliseconds per step in one slot. Its first steps do not count where more than one fits: others have used the caches since, and
        threads that have slept are often woken on one CPU and spread only after some 40 ms; training and serving go on without such pauses."""
        warm_up = math.ceil(self.steps * SLOT_WARM_UP_MS / SLOT_MS) if self.steps > 1 else 0
        ms = self.run(warm_up + self.steps)[warm_up:]
        return sum(ms) / len(ms)

    def cpu_ms(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_MS

    def memory(self):
        m = self.ask("memory")
        return {"baseline_rss": m["baseline"]["VmRSS"], "baseline_hwm": m["baseline"]["VmHWM"], "peak_hwm": m["now"]["VmHWM"]}

    def record(self):
        return {"side": self.side, "label": self.label, **self.facts, "ms": self.slots, "steps_per_slot": self.steps}

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Turn:
    """Holds a lock file, where one is given, so that builds and other measurements wait; gives way between slots every few minutes."""

    def __init__(self, path, seconds=150):
        self.file = open(path, "w") if path else None
        self.seconds = seconds

    def __enter__(self):
        if self.file:
            fcntl.flock(self.file, fcntl.LOCK_EX)
        self.since = time.monotonic()
        return self

    def __exit__(self, *_):
        if self.file:
            fcntl.flock(self.file, fcntl.LOCK_UN)

    def give_way(self):
        if self.file and time.monotonic() - self.since > self.seconds:
            self.__exit__()
            time.sleep(1)   # flock is not fair: let those who wait have it
            self.__enter__()


def machine_busy_ms():
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq, steal, *_ = map(int, f.readline().split()[1:])
    return (user + nice + system + irq + softirq + steal) * TICK_MS


def repetition(workers, order, idle, turn):
    """One slot of each worker, in this order. Returns slots by worker, the share of the CPUs that did something else, and milliseconds
    measured; adds to `idle` what the workers used while another one was measured."""
    slots, elsewhere, wall = {}, 0, 0
    for worker in order:
        turn.give_way()
        time.sleep(SETTLE_S)
        before, busy, begin = {w: w.cpu_ms() for w in workers}, machine_busy_ms(), time.monotonic()
        slots[worker] = worker.slot()
        wall += (time.monotonic() - begin) * 1000
        used = {w: w.cpu_ms() - before[w] for w in workers}
        elsewhere += max(0, machine_busy_ms() - busy - used[worker])
        for w in workers:
            idle[w] += 0 if w is worker else used[w]
    return slots, elsewhere / wall / os.cpu_count(), wall


def interleave(workers, repetitions, turn):
    """Adds `repetitions` slots to each worker. A repetition in which others took too much of the machine is done again, as long as no
    more than half are. Returns what others took of those kept, on average, and how many were done again."""
    kept, again, measured, idle = [], 0, 0, {w: 0 for w in workers}
    while len(kept) < repetitions:
        slots, elsewhere, wall = repetition(workers, workers[::-1 if len(kept) % 2 else 1], idle, turn)
        measured += wall
        if elsewhere > ELSEWHERE_LIMIT and again < repetitions:
            again += 1
            continue
        kept.append(elsewhere)
        for w, ms in slots.items():
            w.slots.append(ms)
    for w, ms in idle.items():
        if ms > max(IDLE_LIMIT * measured, 3 * TICK_MS):
            raise Failed(f"{w.side} {w.label} used {ms:.0f} ms of CPU time while others were measured for {measured:.0f} ms: nothing here is comparable")
    return {"share": statistics.mean(kept), "repeated": again}


def finite(values):
    return all(map(math.isfinite, values))


def check_values(case, workers):
    """Losses are finite and fall. Outputs are finite, and those of the peers, which have the same weights, equal; that Suanli gives
    PyTorch's outputs and losses for PyTorch's weights is a test (tests/peer)."""
    for w in workers:
        if not finite(w.values):
            raise Failed(f"{w.side} {w.label}: not finite: {w.values}")
        some = max(FALL_STEPS, len(w.values) // 3)
        if case["kind"] == "train" and len(w.values) >= case["telling_steps"] and not statistics.mean(w.values[-some:]) < statistics.mean(w.values[:some]):
            raise Failed(f"{w.side} {w.label}: the loss does not fall: {w.values}")
    if case["kind"] == "infer":
        first = [w.values[0] for w in workers if w.side != "suanli"]
        if max(first) - min(first) > 1e-3 * max(map(abs, first)):
            raise Failed(f"the peers' outputs differ: {first}")


def flops_of(case, workers):
    """Floating-point operations of a step: PyTorch counts products and convolutions, Suanli every op, so only single products can agree."""
    counts = {w.side: w.ask("flops")["value"] for w in workers if w.side != "onnxruntime"}
    if case["kind"] == "product" and len({n for side, n in counts.items() if side != "roof"}) != 1:
        raise Failed(f"the sides count different numbers of operations: {counts}")
    return counts


def parameters_of(workers):
    counts = {w.side: w.facts["parameters"] for w in workers if "parameters" in w.facts}
    if len(set(counts.values())) != 1:
        raise Failed(f"the sides count different numbers of parameters: {counts}")
    return counts["suanli"]


def compare(case, workers, roof, options, turn):
    """Loads the case into all workers, tries them, and runs the fastest of each side in turn, and the roof with them."""
    for w in workers:
        w.ask("memory")   # waits until it has started, so that none is loaded and tried while another one still imports
    for w in workers:
        turn.give_way()
        w.load(case, options.threads)
    interleave(workers, min(TRIAL_REPETITIONS, options.repetitions), turn)
    trials = [{**w.record(), "memory": w.memory()} for w in workers]
    # By the best slot, not the median: with so few, a disturbance of some seconds must not decide against a variant.
    chosen = [min((w for w in workers if w.side == side), key=lambda w: min(w.slots)) for side in dict.fromkeys(w.side for w in workers)]
    for w in chosen:
        w.slots = []
    roof.load(case, options.threads)
    elsewhere = interleave([*chosen, roof], options.repetitions, turn)
    check_values(case, chosen)
    return {**case, "date": time.strftime("%Y-%m-%d %H:%M"), "parameters": parameters_of(chosen), "flops": flops_of(case, [*chosen, roof]),
            "elsewhere": elsewhere, "trials": trials, "contenders": [w.record() for w in (*chosen, roof)]}


def suanli(options, **request):
    return Worker("suanli", [options.programs / "bench_step"], **request)


def kernel(options, library):
    return Worker(library, [options.programs / "bench_kernel"], library=library)


# What PyTorch's tuning guide advises: idle threads that sleep, and an allocator that keeps its memory (each fresh page is a fault).
ENVIRONMENTS = {"": {}, " OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
                " malloc keeps": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 36)}}


def pytorch(layouts, modes, **request):
    """PyTorch in every combination of layout, mode and environment."""
    for label, environment in ENVIRONMENTS.items():
        for layout in layouts:
            for mode in modes:
                yield Worker("pytorch", [sys.executable, HERE / "torch_worker.py"], f"{layout} {mode}{label}", environment,
                             layout=layout, mode=mode, **request)


def onnxruntime(onnx, **request):
    for spinning in (True, False):
        yield Worker("onnxruntime", [sys.executable, HERE / "ort_worker.py"], "" if spinning else "allow_spinning=0", onnx=onnx,
                     spinning=spinning, **request)


@contextlib.contextmanager
def running(workers):
    try:
        yield workers
    finally:
        for w in workers:
            w.stop()


def networks(roof, options, turn, folder):
    """Training and inference: processes of their own for each case, so that each one's memory is its own."""
    for case in (case.as_dict() for case in CASES if options.only(case.name)):
        data, onnx = str(folder / "data.safetensors"), str(folder / "model.onnx")
        write_data(case, data)
        training = case["kind"] == "train"
        layouts = ("contiguous", "channels_last") if NETWORKS[case["network"]].images else ("contiguous",)
        modes = ("eager", "compile") if training else ("eager", "compile", "compile+freezing")
        with turn:
            workers = [suanli(options, data=data), *pytorch(layouts, modes, data=data)]
            if not training:
                subprocess.run([sys.executable, HERE / "export_onnx.py", json.dumps(case), data, onnx], check=True, capture_output=True)
                workers += onnxruntime(onnx, data=data)
            with running(workers):
                yield case["name"], lambda: compare(case, workers, roof, options, turn)


def compare_zoo(case, workers, roof, options, turn):
    """The last worker is ONNX Runtime, which only infers; the second, PyTorch, writes the file for it."""
    data, onnx = workers[-1].request["data"], workers[-1].request["onnx"]
    write_data(case, data)
    if case["kind"] == "train":
        return compare(case, workers[:-1], roof, options, turn)
    workers[1].ask("export", case=case, data=data, onnx=onnx)
    return compare(case, workers, roof, options, turn)


def zoo(roof, options, turn, folder):
    """The zoo's models for pictures, eager PyTorch in both layouts. The processes of one network and size take its cases one after the other: there
    are many, and memory is not what is measured."""
    data, onnx = str(folder / "data.safetensors"), str(folder / "model.onnx")
    cases = [case.as_dict() for case in ZOO_CASES if options.only(case.name)]
    with turn:
        for _, group in itertools.groupby(cases, lambda case: (case["network"], case["side"])):
            pytorches = [Worker("pytorch", [sys.executable, HERE / "torch_worker.py"], layout, layout=layout, mode="eager", data=data)
                         for layout in ("contiguous", "channels_last")]
            runtime = Worker("onnxruntime", [sys.executable, HERE / "ort_worker.py"], onnx=onnx, spinning=True, data=data)
            with running([suanli(options, data=data), *pytorches, runtime]) as workers:
                for case in group:
                    yield case["name"], lambda: compare_zoo(case, workers, roof, options, turn)


def products(roof, options, turn, folder):
    """What the steps are made of: all directions of training, and the forward one of a single sample. One process per variant loads them
    one after the other."""
    data = str(folder / "data.safetensors")
    with turn, running([kernel(options, "suanli"), kernel(options, "onednn"), *pytorch(("contiguous",), ("eager",))]) as workers:
        other_layout = []   # only convolutions have it, so that its processes start with the first one
        for case in (case.as_dict() for case in CASES if case.kind == "train" or case.batch == 1):
            write_data(case, data)
            for product in workers[2].ask("products", network=case["network"], data=data, inference=case["kind"] == "infer")["value"]:
                if not options.only(product["name"]):
                    continue
                if product["op"] == "conv2d" and not other_layout:
                    other_layout = list(pytorch(("channels_last",), ("eager",)))
                    workers += other_layout
                measured = [w for w in workers if product["op"] == "conv2d" or w not in other_layout]
                yield product["name"], lambda: compare(product, measured, roof, options, turn)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", action="append", default=[], metavar="TEXT", help="cases whose name begins so (may be given again)")
    p.add_argument("--repetitions", type=int, default=21)
    p.add_argument("--quick", action="store_true", help="5 repetitions")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--programs", type=pathlib.Path, default=PROGRAMS, metavar="FOLDER", help="where bench_step, bench_kernel and bench_roof are")
    p.add_argument("--json", type=pathlib.Path, metavar="FILE", help="keeps all raw values; cases that are in it already and not measured now stay")
    p.add_argument("--usual-malloc", action="store_true", help="leaves out PyTorch with an allocator that keeps its memory, which nobody has by default")
    p.add_argument("--lock", metavar="FILE", help="is held (flock) while measuring, with pauses")
    p.add_argument("--zoo", action="store_true", help="the zoo's models for pictures instead; see docs/benchmarks/zoo.md")
    p.add_argument("--results", type=pathlib.Path, default=results.RESULTS, metavar="FOLDER", help="where networks-ISA.jsonl, products-ISA.jsonl or zoo-ISA.jsonl is kept")
    options = p.parse_args()
    prefixes = tuple(options.only) or ("",)
    options.only = lambda name: name.startswith(prefixes)
    if options.quick:
        options.repetitions = 5
    if options.usual_malloc:
        del ENVIRONMENTS[" malloc keeps"]
    measured = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    turn, failed = Turn(options.lock), []
    with tempfile.TemporaryDirectory() as folder, running([Worker("roof", [options.programs / "bench_roof"])]) as (roof,):
        for kind in (zoo,) if options.zoo else (networks, products):
            for name, measure in kind(roof, options, turn, pathlib.Path(folder)):
                try:
                    measured[name] = measure()
                    print(report.line(measured[name]), file=sys.stderr, flush=True)
                    results.keep_case(options.results, kind.__name__, measured[name], options.programs)
                except Failed as e:
                    failed.append(name)
                    print(f"{name}: {e}", file=sys.stderr, flush=True)
                if options.json:
                    options.json.write_text(json.dumps(measured, indent=1))
    if not options.zoo:
        print(report.tables(measured))
    sys.exit(f"not measured: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
