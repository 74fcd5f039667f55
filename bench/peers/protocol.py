# SPDX-License-Identifier: Apache-2.0
"""The line protocol between compare.py and its workers, from a worker's side. One JSON object per line, an answer to each request.

    {"do": "load", "case": {...}, "data": FILE, "threads": 2, ...}  ->  {"parameters": ..., "threads": ..., "isa": ..., "version": ...}
    {"do": "run", "steps": N}  ->  {"ms": [N step times], "values": [N losses, or an element of each output]}
    {"do": "memory"}           ->  {"baseline": {"VmRSS": kB, "VmHWM": kB}, "now": {...}}
    anything a worker adds     ->  {"value": ...}
    whatever fails             ->  {"error": "..."}
A worker that waits for a request sleeps in read(). It ends at end of file. bench/step.cpp speaks the same.
"""
import json
import os
import sys
import time
import traceback


def memory():
    """Resident memory now and at its highest so far, in kB, as the kernel counts it."""
    with open("/proc/self/status") as f:
        rows = dict(line.split(":", 1) for line in f)
    return {key: int(rows[key].split()[0]) for key in ("VmRSS", "VmHWM")}


def run(work, steps):
    ms, values = [], []
    for _ in range(steps):
        begin = time.perf_counter_ns()
        values.append(work.step())
        ms.append((time.perf_counter_ns() - begin) / 1e6)
    return {"ms": ms, "values": values}


def serve(load, baseline, more={}):
    """load(request) -> (object with step(), facts); more: other requests by name, each a function of that object and the request."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)   # what libraries print goes to stderr
    work = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "load":
                work = None   # what was loaded goes first
                work, answer = load(request)
            elif request["do"] == "run":
                answer = run(work, request["steps"])
            elif request["do"] == "memory":
                answer = {"baseline": baseline, "now": memory()}
            else:
                answer = {"value": more[request["do"]](work, request)}
        except Exception as e:
            traceback.print_exc()
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), file=answers)
