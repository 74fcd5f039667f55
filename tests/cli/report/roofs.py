# SPDX-License-Identifier: Apache-2.0
"""bench roofs: measured once, kept in the cache folder, measured again when what is kept there does not hold."""
import json
import os
import pathlib
import re

from _suanli import check, fails, main, run, same, start

RATES = ["f32", "f64", "bf16", "int8", "copy", "read"]
CACHE = pathlib.Path("cache/suanli/roofs.json")
ENV = {**os.environ, "XDG_CACHE_HOME": os.path.abspath("cache")}


def roofs(*args, env=ENV):
    """(the result, whether it was measured now)"""
    done = run("bench", "roofs", *args, "--json", env=env)
    same(done.returncode, 0, f"exit; stderr {done.stderr}")
    return json.loads(done.stdout), "measuring" in done.stderr


def test_measured_once_and_kept():
    first, measured = roofs()
    same(measured, True, "measured at first")
    same(list(first), ["cpu", "isa", "threads"] + RATES, "keys")
    for name in RATES:
        if first[name] is None:
            check(name in ("bf16", "int8"), f"{name} is there on every machine")
        else:
            check(first[name]["one"] > 0 and first[name]["all"] > 0, f"{name}: {first[name]}")
    again, measured = roofs()
    same((again, measured), (first, False), "the kept roofs")
    words = run("bench", "roofs", env=ENV).stdout
    for name in RATES:
        check(("not there" if first[name] is None else first[name]["unit"]) in words, f"{name} is not in {words}")


def measures_again(*args):
    """The program says that it measures; it is stopped there, for the measurement is the same whatever was kept."""
    with start("bench", "roofs", *args, "--json", env=ENV) as child:
        said = child.stderr.readline()
        child.kill()
    return "measuring" in said


def test_what_is_kept_for_something_else_is_not_believed():
    text = CACHE.read_text()
    kept = json.loads(text)
    for damage in ("", "{", "[]", json.dumps({**kept, "cpu": "another"}), json.dumps({**kept, "f32": {"one": -1, "all": 2}}),
                   json.dumps({k: v for k, v in kept.items() if k != "copy"})):
        CACHE.write_text(damage)
        check(measures_again(), f"measured again after {damage[:40]!r}")
    CACHE.write_text(text)
    check(measures_again("--threads", 1 + kept["threads"]), "another number of threads")
    check(measures_again("--again"), "what holds is measured again where that is asked for")
    again, measured = roofs()
    same((again["threads"], measured), (kept["threads"], False), "what holds is believed")


def test_roofs_of_a_busy_machine_are_measured_again():
    """No report claims more than 100% of a roof that was measured while others computed."""
    kept = json.loads(CACHE.read_text())
    CACHE.write_text(json.dumps({**kept, "f32": {"one": 1e3, "all": 1e3}}))
    done = run("train", "glyphs?train=640&test=64", "--model", "cnn_b", "--epochs", 1, "--quiet", "--out", "busy", env=ENV)
    same((done.returncode, "measuring" in done.stderr), (0, True), done.stderr)
    line = next(l for l in done.stdout.splitlines() if l.startswith("work"))
    share = re.search(r"([\d.]+)% of this machine's ([\d.]+)", line)
    check(share and float(share[1]) <= 100 and float(share[2]) > 1, line)
    check(json.loads(CACHE.read_text())["f32"]["all"] > 1e6, "kept anew")
    s = json.loads(pathlib.Path("busy/summary.json").read_text())
    check(0 < s["executed_flops_per_s"] <= s["flops_per_s"], f"{s}")


def test_no_folder_to_keep_it():
    pathlib.Path("file").write_text("")
    done = run("bench", "roofs", "--threads", 1, "--json", env={**os.environ, "XDG_CACHE_HOME": os.path.abspath("file")})
    same((done.returncode, "are not kept" in done.stderr), (0, True), f"a cache folder that cannot be made: {done.stderr}")
    one = json.loads(done.stdout)
    check(one["threads"] == 1 and one["f32"]["all"] > 0, f"measured all the same: {one}")


def test_errors():
    fails(2, "roofs", args=["bench", "roof"])
    fails(2, "WHAT: missing", args=["bench"])


main(globals())
