# SPDX-License-Identifier: Apache-2.0
"""scripts/speed_guard judges the bounds, adds pairs where one is broken, and writes every value down.
It reads what the benchmarks print. The programs here are stand-ins that report given times, so that no
load of this machine decides."""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["SUANLI_SOURCE"])
PROGRAMS = pathlib.Path(os.environ["SUANLI_BIN"]).parent
GUARD = SOURCE / "scripts/speed_guard"

PYTHON = f"#!{sys.executable} -SE\n"   # starts at once: no search for the interpreter, no site packages
STEP = """import json, sys
factors, counts = json.loads('''{factors}'''), json.loads('''{counts}''')
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "load":
        ms = 50 * factors.get(request["case"]["network"], 1)
        answer = {{"parameters": 1, "threads": 2, "isa": "AVX2", "version": "0"}}
    elif request["do"] == "run":
        answer = {{"ms": [ms] * request["steps"], "values": [1.0] * request["steps"]}}
    elif request["do"] == "counts" and counts:
        answer = {{"value": counts}}
    else:
        answer = {{"error": "request is not known"}}
    print(json.dumps(answer), flush=True)
"""
RECORDER = """print('bare mul   forward  401 nodes   {0:.1f} ns/node (best 20.0) 0.000 heap/node'
      '   vjp  1202 nodes   {0:.1f} ns/node (best 30.0) 0.000 heap/node')
"""
PLAN_HIT = """print('{1}  100 nodes   13 kernels   to the first kernel   {0:.1f} ns/node (7 us)'
      '   between kernels   {0:.1f}   after the last   {0:.1f}')
"""
COUNTS = {"kernels": 7, "arena_bytes": 4096, "allocations": 0}


def programs(name, factors={}, counts=COUNTS, host=50.0, network="mlp"):
    """A folder of stand-ins: steps take 50 ms times the network's factor."""
    folder = pathlib.Path(name)
    folder.mkdir()
    step = STEP.format(factors=json.dumps(factors), counts=json.dumps(counts))
    for program, text in (("bench_step", step), ("bench_recorder", RECORDER.format(host)),
                          ("bench_plan_hit", PLAN_HIT.format(host, network))):
        (folder / program).write_text(PYTHON + text)
        (folder / program).chmod(0o755)
    return folder


# The guard lets the machine settle before each slot. Stand-ins load nothing, so there is nothing to wait for.
AT_ONCE = f"import compare, runpy; compare.SETTLE_S = 0; runpy.run_path({str(GUARD)!r}, run_name='__main__')"


def guard(base, head):
    return subprocess.run([sys.executable, "-c", AT_ONCE, "--base-build", base,
                           "--head-build", head, "--pairs", "3", "--ledger", "speed.jsonl"],
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(SOURCE / "bench/peers")})


def check(what, good, run=None):
    print(f"{what}: {'ok' if good else 'WRONG'}")
    if run and not good:
        print(run.stdout, run.stderr)
    return good


def formats():
    """Every number that the real programs print is found."""
    if not (PROGRAMS / "bench_plan_hit").exists():
        print("not built: bench_plan_hit (SUANLI_BUILD_BENCHMARKS=ON)")
        return True
    loader = importlib.machinery.SourceFileLoader("speed_guard", str(GUARD))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("speed_guard", loader))
    loader.exec_module(module)
    good = True
    for program, arguments, names in (
            ("bench_recorder", [], ["bare mul", "pointwise", "matmul"] * 2),
            ("bench_plan_hit", ["3"], ["200 × tanh(y·a + b)", "mlp", "cnn_b", "resnet18"])):
        done = subprocess.run([PROGRAMS / program, *arguments], capture_output=True, check=True)
        rows = module.ROWS[program].findall(done.stdout.decode())
        good &= check(f"rows of {program}", [name for name, *_ in rows] == names)
        good &= check(f"numbers of {program}", all(float(v) > 0 for _, *values in rows for v in values))
    return good


def main():
    base = programs("base")
    same = guard(base, programs("same"))
    good = check("equal times", same.returncode == 0 and
                 "geometric mean of the steps: 1.000 (bound 1.01)\n" in same.stdout, same)
    lines = [json.loads(line) for line in pathlib.Path("speed.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["metric"] == "step_ms"]
    facts = ("date", "commit", "cpu", "isa", "cores", "case", "metric", "values")
    good &= check("lines of the ledger", len(lines) == 2 * (4 * 4 + 2 + 3) and
                  {line["side"] for line in lines} == {"base", "head"} and
                  all(line[fact] for line in lines for fact in facts))
    good &= check("commits in the ledger", all(re.fullmatch(r"[0-9a-f]{10}\+?|unknown", line["commit"]) for line in lines))
    good &= check("times in the ledger", len(steps) == 8 and all(line["values"] == [50] * 3 for line in steps))

    one = guard(base, programs("one", {"gpt": 1.02, "cnn_b": 1.036}))   # the mean of the four is 1.0139
    good &= check("one step", "train.cnn_b: 1.036 (bound 1.03)  BROKEN" in one.stdout, one)
    good &= check("a step within", "train.gpt: 1.020 (bound 1.03)\n" in one.stdout, one)
    good &= check("the mean", "the steps: 1.014 (bound 1.01)  BROKEN" in one.stdout, one)
    good &= check("pairs are added", "| train.cnn_b | 9 | 50 | 51.8 | 1.036" in one.stdout and
                  "| train.gpt | 9 |" in one.stdout and one.returncode == 1, one)
    step = guard(base, programs("step", {"gpt": 1.035}))   # the mean is 1.0086
    good &= check("one step alone", "| train.gpt | 9 |" in step.stdout and
                  "| train.cnn_b | 3 |" in step.stdout and step.returncode == 1, step)

    host = guard(base, programs("host", host=53.0))
    good &= check("recording", host.returncode == 1 and
                  "bench_recorder: 1.060 (bound 1.05)  BROKEN" in host.stdout, host)
    more = guard(base, programs("more", counts={**COUNTS, "kernels": 8}))
    good &= check("counts", more.returncode == 0 and "| 7 → 8 | 4,096 | 0 |" in more.stdout, more)
    old = guard(programs("old", counts={}), base)
    good &= check("a program that cannot count", old.returncode == 0 and
                  "| ? → 7 | ? → 4,096 | ? → 0 |" in old.stdout, old)
    missing = guard(base, pathlib.Path("nowhere"))
    good &= check("no programs", missing.returncode == 2 and
                  "nowhere has no bench_step" in missing.stderr, missing)
    written = len(pathlib.Path("speed.jsonl").read_text().splitlines())
    renamed = guard(base, programs("renamed", network="cnn_b"))
    good &= check("no row in common", renamed.returncode == 2 and
                  "speed_guard: bench_plan_hit:" in renamed.stderr, renamed)
    good &= check("what was measured is kept",
                  len(pathlib.Path("speed.jsonl").read_text().splitlines()) > written, renamed)
    sys.exit(0 if good & formats() else 1)


main()
