# SPDX-License-Identifier: Apache-2.0
"""scripts/test_times: order, sums, and a budget that warns and fails nothing."""
import os
import pathlib
import subprocess
import sys

from _suanli import check, main, same

SCRIPT = pathlib.Path(os.environ["SUANLI_SOURCE"]) / "scripts/test_times"
TIMES = [0.5, 12.25, 3, 0.25, 7, 1, 2, 4, 5, 6, 8, 0.125]   # twelve tests, the slowest is the second


def times(*args):
    return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True)


def results(seconds):
    cases = "".join(f'<testcase name="room.Case{i}" time="{s}" status="run"/>' for i, s in enumerate(seconds))
    pathlib.Path("results.xml").write_text(f'<?xml version="1.0"?><testsuite name="x" tests="{len(seconds)}">{cases}</testsuite>')
    return "results.xml"


def test_the_slowest_ten():
    done = times(results(TIMES))
    same((done.returncode, done.stderr), (0, ""), "no budget")
    lines = done.stdout.splitlines()
    same(lines[0], "the slowest of 12 tests:", "heading")
    order = sorted(range(12), key=lambda i: -TIMES[i])[:10]
    same([line.split()[2] for line in lines[1:11]], [f"room.Case{i}" for i in order], "slowest first")
    same(lines[11].split(), ["49.1", "s", "sum", "of", "all", "tests"], "sum")
    same(len(lines), 12, "no more lines")


def test_budget():
    within = times(results(TIMES), "--build", 100, "--tests", 30, "--budget", 130)
    same((within.returncode, within.stderr), (0, ""), "within")
    check(within.stdout.endswith("130.0 s  in all; the budget is 130 s\n"), within.stdout)
    beyond = times(results(TIMES), "--build", 100, "--tests", 42, "--budget", 130)
    same((beyond.returncode, beyond.stderr), (0, "warning: 12 s beyond the budget\n"), "beyond")


def test_of_ctest_itself():
    """What ctest writes has the names and times that are read."""
    pathlib.Path("CTestTestfile.cmake").write_text('add_test(quick true)\nadd_test(slow sleep 0.3)\n')
    subprocess.run(["ctest", "--output-junit", "own.xml"], capture_output=True, check=True)
    lines = times("own.xml").stdout.splitlines()
    same([line.split()[2] for line in lines[1:3]], ["slow", "quick"], "names")
    check(float(lines[1].split()[0]) >= 0.3, lines)


main(globals())
