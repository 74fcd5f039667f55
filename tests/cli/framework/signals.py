# SPDX-License-Identifier: Apache-2.0
"""SIGINT, SIGTERM and SIGHUP: finish the step, save, exit 130, 143 or 129; a resume ends with the bits of the undisturbed run."""
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import time

from _suanli import BIN, FAST, check, digest, fails, main, metrics, ok, ok_json, run, same, start, state, summary

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
    for name, sig, code, after in (("int", signal.SIGINT, 130, 2), ("term", signal.SIGTERM, 143, 7), ("hup", signal.SIGHUP, 129, 4)):
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


def test_a_terminal_that_is_closed():
    """The kernel sends SIGHUP to who runs on it, and what is written there afterward fails."""
    terminal, side = pty.openpty()
    child = subprocess.Popen([BIN, *map(str, ARGS), "--out", "closed"], stdin=side, stdout=side, stderr=side, start_new_session=True,
                             preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0))
    os.close(side)
    end = time.time() + 60
    while rows("closed") < 2:
        check(child.poll() is None and time.time() < end, "it did not begin")
        time.sleep(0.002)
    os.close(terminal)
    same(child.wait(timeout=60), 129, "exit")
    step = state("closed")["progress"]["step"]
    check(step > 0, f"saved at step {step}")
    same(run("train", "--resume", "closed", "--quiet").returncode, 0, "resume")
    same(digest("closed/model.safetensors"), digest("whole/model.safetensors"), "weights")


def test_nohup_keeps_it_running():
    child = start(*ARGS, "--out", "nohup", "--quiet", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for(lambda: rows("nohup") >= 2, child)
    child.send_signal(signal.SIGHUP)
    child.communicate(timeout=120)
    same(child.returncode, 0, "it goes on to its end")


def test_a_run_whose_checkpoints_are_gone_is_not_overwritten():
    shutil.copytree("whole", "bereft")
    shutil.rmtree("bereft/checkpoints")
    files = lambda: {p: p.read_bytes() for p in pathlib.Path("bereft").rglob("*") if p.is_file()}
    before = files()
    fails(3, "bereft: no checkpoints any more", "bereft/model.safetensors", "Options: --out, --weights bereft/model.safetensors.", args=["train", "--resume", "bereft"])
    fails(3, "no checkpoints any more", args=["train", "--resume", "bereft", "--force", "--epochs", 9])
    same(files(), before, "nothing is touched")
    same(ok_json("eval", "bereft")["accuracy"], ok_json("eval", "whole")["accuracy"], "its weights are measured")


def test_unfinished_runs_say_so():
    child = start(*ARGS, "--out", "cut", "--quiet", "--checkpoint-every", 1)
    wait_for(lambda: os.path.exists("cut/checkpoints/state.json") and state("cut")["progress"]["step"] > 0, child)
    child.kill()
    child.communicate(timeout=60)
    step, epoch = state("cut")["progress"]["step"], state("cut")["progress"]["epoch"]
    e = ok_json("eval", "cut")
    same((e["finished"], e["epoch"] > 0), (False, epoch > 0), f"{e}")
    if epoch == 0:
        same(e["step"], step, "of which step the weights are")
    check("suanli train --resume cut" in run("eval", "cut").stderr, "how it goes on")
    same((ok_json("eval", "whole")["finished"], run("eval", "whole").stderr), (True, ""), "a finished run needs no note")


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
