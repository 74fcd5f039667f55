"""SIGINT and SIGTERM: finish the step, save, exit 130 or 143; a resume ends with the bits of the undisturbed run."""
import os
import pathlib
import signal
import time

from _suanli import FAST, check, digest, main, metrics, ok, run, same, start, state, summary

DATA = "glyphs?train=6400&test=320"
ARGS = ["train", DATA, *FAST, "--epochs", 6]


def wait_for(condition, child):
    end = time.time() + 60
    while not condition():
        check(child.poll() is None, f"it ended too early: {child.stderr.read() if child.poll() is not None else ''}")
        check(time.time() < end, "it took too long")
        time.sleep(0.002)


def rows(folder):
    try:
        return len(pathlib.Path(folder, "metrics.jsonl").read_text().splitlines())
    except FileNotFoundError:
        return 0


def test_stop_and_go_on():
    ok(*ARGS, "--out", "whole", "--quiet")
    for name, sig, code, after in (("int", signal.SIGINT, 130, 2), ("term", signal.SIGTERM, 143, 7)):
        child = start(*ARGS, "--out", name, "--quiet")
        wait_for(lambda: rows(name) >= after, child)
        child.send_signal(sig)
        out, err = child.communicate(timeout=60)
        same((child.returncode, out), (code, ""), f"{name}: {err}")
        check(f"suanli train --resume {name}" in err and "checkpoint saved" in err, err)
        check(not os.path.exists(f"{name}/summary.json"), "not finished")
        check("stopped at step" in pathlib.Path(name, "log.txt").read_text(), "the log says so")
        done = run("train", "--resume", name)
        same(done.returncode, 0, done.stderr)
        check("continues at step" in done.stderr, done.stderr)
        same(digest(f"{name}/model.safetensors"), digest("whole/model.safetensors"), f"{name}: weights")
        same((metrics(name), summary(name)), (metrics("whole"), summary("whole")), f"{name}: metrics")


def test_stopped_before_the_first_step():
    child = start(*ARGS, "--out", "early", "--quiet")
    wait_for(lambda: os.path.exists("early/checkpoints/state.json"), child)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    same(child.returncode, 130, "exit")
    same(run("train", "--resume", "early", "--quiet").returncode, 0, "resume")
    same(digest("early/model.safetensors"), digest("whole/model.safetensors"), "weights")


def test_second_signal_ends_at_once():
    child = start("train", "glyphs", "--model", "cnn_b", "--batch-size", 4096, "--out", "twice", "--quiet")
    wait_for(lambda: os.path.exists("twice/checkpoints/state.json"), child)
    child.send_signal(signal.SIGINT)
    time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    check(child.returncode in (-signal.SIGINT, 130), f"exit {child.returncode}")


def test_no_checkpoint_yet():
    """Killed between config.toml and the first checkpoint: starts from the configuration."""
    ok(*ARGS, "--out", "bare", "--max-steps", 1, "--quiet")
    for f in pathlib.Path("bare").rglob("*"):
        if f.is_file() and f.name != "config.toml":
            f.unlink()
    text = pathlib.Path("bare/config.toml").read_text().replace("max_steps = 1", "max_steps = 0")
    pathlib.Path("bare/config.toml").write_text(text)
    ok("train", "--resume", "bare", "--quiet")
    same(digest("bare/model.safetensors"), digest("whole/model.safetensors"), "weights")
    same(state("bare")["progress"]["step"], state("whole")["progress"]["step"], "steps")


main(globals())
