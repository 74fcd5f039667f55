# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment, also inside a save: every resume ends with the bits of the undisturbed run.

SUANLI_TEST_FULL=1 kills more often and trains a convolutional network.
"""
import os
import pathlib
import random
import signal
import time

from _suanli import check, digest, main, metrics, ok, run, same, start, state, summary

FULL = bool(os.environ.get("SUANLI_TEST_FULL"))
KILLS, INSIDE = (60, 20) if FULL else (20, 5)
MODEL = "cnn_b" if FULL else "mlp"
ARGS = ["train", "glyphs?train=2560&test=160", "--model", MODEL, "--epochs", 4, "--quiet"]
CLOCK = random.Random(7)


def kill(child):
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)


def temporary(folder):
    try:
        return [f for f in os.listdir(f"{folder}/checkpoints") if f.endswith(".tmp")]
    except FileNotFoundError:
        return []


def begin(folder, every):
    if os.path.exists(f"{folder}/config.toml"):
        return start("train", "--resume", folder, "--quiet", "--checkpoint-every", every)
    return start(*ARGS, "--out", folder, "--checkpoint-every", every)


def finish(folder, what):
    done = run("train", "--resume", folder, "--quiet", timeout=250)
    same(done.returncode, 0, f"{what}: {done.stderr}")
    same(digest(f"{folder}/model.safetensors"), digest("whole/model.safetensors"), f"{what}: weights")
    same((metrics(folder), summary(folder)), (metrics("whole"), summary("whole")), f"{what}: metrics")
    same(temporary(folder), [], f"{what}: nothing is left over")


def test_killed_at_random_moments():
    began = time.time()
    ok(*ARGS, "--out", "whole")
    whole = time.time() - began
    kills = chain = 0
    places = []
    while kills < KILLS:
        folder = f"random{chain}"
        chain += 1
        while kills < KILLS:   # one run, killed again and again, until it gets to its end
            child = begin(folder, CLOCK.choice([1, 3, 7, 500]))
            time.sleep(CLOCK.uniform(0, 0.8 * whole))
            if child.poll() is not None:
                err = child.communicate()[1]
                same(child.returncode, 0, f"{folder}: {err}")
                break
            kill(child)
            kills += 1
            if os.path.exists(f"{folder}/checkpoints/state.json"):
                places.append(state(folder)["progress"]["step"])
        if os.path.exists(f"{folder}/config.toml"):
            finish(folder, f"{folder} after {kills} kills")
    print(f"        {kills} kills in {chain} runs; the last checkpoints were of steps {places}")


def test_killed_inside_a_save():
    inside = tries = 0
    folder = "saving"
    while inside < INSIDE:
        tries += 1
        check(tries < 40 * INSIDE, f"only {inside} of {tries} kills hit a save")
        child = begin(folder, 1)
        for _ in range(CLOCK.randrange(1, 6)):   # let some saves pass
            time.sleep(0.02)
        while not temporary(folder) and child.poll() is None:
            pass
        over = child.poll() is not None
        kill(child)
        inside += bool(temporary(folder))
        if over or inside == INSIDE or CLOCK.random() < 0.2:
            finish(folder, f"{folder} after {tries} kills, {inside} inside a save")
            folder = f"saving{tries}"
    if os.path.exists(f"{folder}/config.toml"):
        finish(folder, f"{folder} after {tries} kills, {inside} inside a save")


main(globals())
