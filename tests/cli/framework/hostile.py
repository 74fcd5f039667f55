# SPDX-License-Identifier: Apache-2.0
"""Words that nobody meant: every wrong one is usage (2), every wrong file another matter (3); nothing crashes, and hints can be pasted."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import time

from _suanli import BIN, FAST, TINY, check, digest, fails, main, ok, ok_json, run, same, start, write_png


def prepare():
    ok("train", TINY, *FAST, "--epochs", 1, "--out", "r", "--quiet")
    pathlib.Path("file").write_text("x")
    os.mkdir("things")
    pathlib.Path("things/x").touch()
    write_png("p.png", [[0] * 28] * 28)


USAGE = [
    ["--bogus"], ["bogus"], ["-z"], [""], ["train", "--bogus=1"], ["train", "-x"], ["train", "--json=1"], ["train", "--quiet=false"],
    ["train", "--model="], ["train", "--model", ""], ["train", "--out="], ["train", "--epochs="], ["train", "--epochs", ""],
    ["train", "--epochs", "1e3"], ["train", "--epochs", "0x10"], ["train", "--epochs", " 3"], ["train", "--epochs", "3 "],
    ["train", "--epochs", "-1"], ["train", "--epochs", "1,000"], ["train", "--lr", "0,1"], ["train", "--lr", "inf"], ["train", "--lr", "-1"],
    ["train", "--lr", "1e400"], ["train", "--lr=nan"], ["train", "--val", "1.5"], ["train", "--threads", "0"], ["train", "--threads", "99999"],
    ["train", "--optimizer", "adamm"], ["train", "--schedule", "x"], ["train", "--model", "cnnb"], ["train", "--device", "gpu"],
    ["train", "--device", "cuda0"], ["train", "--stem", "medium"], ["train", "--tta", "flip"], ["train", "--augment", "flipp"],
    ["train", "--augment", "flip,,crop"], ["train", "--augment", "none,flip"], ["train", "--decay", "some"], ["train", "--task", "regresion", "file"],
    ["train", "--freeze", "nothing.*"], ["train", "--milestones", "a"], ["train", "--lr-factors", "x"], ["train", "--class-weights", "1,x"],
    ["train", "--memory-limit", "much"], ["train", "--memory-limit", "-1"], ["train", "--time", "0"], ["train", "--time", "1y"],
    ["train", "--batch-size", "0"], ["train", "--batch-size", "1.5"], ["train", "--set", "bogus=1"], ["train", "--set", "=1"],
    ["train", "--set", "lr"], ["train", "--set", "lr=x"], ["train", "--set", "optimizer=sdg"], ["train", "--set", "device=gpu"],
    ["train", "--set", "momentum=2", "--optimizer", "sgd"], ["train", "--target", "y"], ["train", "glyphs", "more"], ["train", "--", "glyphs", "--lr"],
    ["eval"], ["eval", "r", "--split", "all"], ["eval", "r", "--tta", "x"], ["eval", "r", "--threads", "-1"], ["eval", "r", "--device", "gpu"],
    ["predict", "r"], ["predict", "r", "p.png", "--top", "0"], ["predict", "r", "p.png", "--top", "x"],
    ["data"], ["data", "peel"], ["data", "get"], ["data", "get", "minst"], ["data", "get", "mnist", "--sheet", "x.png"], ["data", "pack", "things"],
    ["data", "show", TINY, "more"], ["data", "show", TINY, "--sheet", "s.png", "--augment", "flipp"], ["profile"], ["profile", "eval"],
    ["profile", "train", TINY, "--steps", "0"], ["explain", "--model", "gpt", "glyphs"], ["explain", "--batch", "0"], ["bench"], ["bench", "x"],
    ["train", ""], ["predict", "r", ""], ["predict", "", "p.png"], ["data", "pack", TINY, ""], ["data", "show", ""],
    ["eval", "r", "--confusion", "-"],
    ["completion"], ["completion", "cmd"], ["doctor", "x"], ["version", "x"], ["man", "--bogus"], ["help", "x"],
]

DATA = [
    ["train", "nowhere"], ["train", "file"], ["train", "things"], ["train", "p.png"], ["train", "mnist:things"], ["train", "csv:things?target=y"],
    ["train", "folder:file"], ["train", "npz:things"], ["train", "packed:things"], ["train", "--weights", "things"], ["train", "--weights", "file"],
    ["train", "--weights", "nowhere"], ["train", "--config", "things"], ["train", "--config", "nowhere"], ["train", "--out", "file"],
    ["train", "--out", "things"], ["train", "--resume", "things"], ["train", "--resume", "file"], ["train", "--resume", "nowhere"],
    ["train", "x" * 5000], ["train", "--out", "x" * 5000], ["train", "--resume", "y" * 5000], ["train", "a\udcffb"], ["train", "a\x1bb"],
    ["eval", "nowhere"], ["eval", "file"], ["eval", "things"], ["eval", "r", "things"], ["eval", "r", "file"], ["eval", "r", "p.png"],
    ["eval", "r", "--confusion", "things"], ["eval", "r", "--confusion", "missing/x.png"], ["eval", "\udcff"],
    ["predict", "r", "nowhere.png"], ["predict", "r", "file"], ["predict", "r", "things"], 
    ["predict", "r", "p.png", "--csv", "things"], ["predict", "r", "p.png", "--csv", "missing/x"], ["predict", "r", "z" * 5000],
    ["data", "show", "nowhere"], ["data", "show", "file"], ["data", "pack", TINY, "things"], ["data", "show", TINY, "--sheet", "things"],
    ["data", "get", "mnist", "file"], ["explain", TINY, *FAST, "--html", "things"], ["profile", "train", TINY, *FAST, "--steps", 1, "--trace", "things"],
]


def test_wrong_words():
    prepare()
    before = sorted(str(p) for p in pathlib.Path(".").rglob("*"))
    environment = {**os.environ, "SUANLI_MIRROR": "http://127.0.0.1:9"}
    for code, cases in ((2, USAGE), (3, DATA)):
        for words in cases:
            what = [str(w) for w in words]
            done = subprocess.run([BIN, *[os.fsencode(w) for w in what]], capture_output=True, timeout=120, env=environment)
            err = done.stderr.decode(errors="replace")
            same((done.returncode, done.stdout), (code, b""), f"{what}: {err}")
            lines = [l for l in err.splitlines() if l.startswith("suanli: ")]
            check(len(lines) == 1 and len(err) < 12000, f"{what}: {err!r}")
            same(sorted(str(p) for p in pathlib.Path(".").rglob("*")), before, f"{what}: nothing is left")


def test_words_in_every_form():
    for words in (["--epochs=1"], ["--epochs", "1"], ["--epochs", "+1"], ["--epochs", "7", "--epochs", "1"]):
        shutil.rmtree("form", ignore_errors=True)
        same(ok_json("train", TINY, *FAST, *words, "--out=form", "--quiet")["epochs"], 1, str(words))
    shutil.rmtree("form", ignore_errors=True)
    ok("train", TINY, *FAST, "--max-steps", 1, "--seed", 2**63 - 1, "--out", "form", "--quiet")
    fails(2, "at most", args=["train", "--epochs", 2_000_000_000])
    for lr in ("0.01", "1e-2", ".01", "+0.01"):
        shutil.rmtree("form", ignore_errors=True)
        ok("train", TINY, *FAST, "--max-steps", 1, "--lr", lr, "--out", "form", "--quiet")
        check("\nlr = 0.01 " in pathlib.Path("form/config.toml").read_text(), lr)
    os.mkdir("-dash")
    write_png("-dash/-p.png", [[0] * 28] * 28)
    behind = json.loads(ok("predict", "--json", "r", "--", "-dash/-p.png"))
    same(behind["predictions"][0]["file"], "-dash/-p.png", "a name behind --")
    same(ok_json("predict", "r", "./-dash")["predictions"][0]["file"], "./-dash/-p.png", "or with a folder in front")
    same([run(v).stdout for v in ("-v", "-V", "--version")], [ok("version")] * 3, "the version's short names")


def test_hints_can_be_pasted():
    """The commands in what is printed, given to a shell as they stand."""
    for name in ("run with space 猫", "it's", "a&b?c=d;e", "$HOME `x` \"q\" \\", "-leading", "tab\there", "new\nline", "!history", "~tilde", "=equals", "#hash"):
        done = run("train", TINY, *FAST, "--epochs", 1, f"--out={name}", "--quiet")
        same(done.returncode, 0, done.stderr)
        hint = re.search(r"^next +(suanli eval .*)$", done.stdout, re.M).group(1)
        shells = [s for s in ("bash", "zsh") if shutil.which(s)]
        for shell in shells:
            evaluated = subprocess.run([shell, "-c", f'suanli() {{ "{BIN}" "$@"; }}; {hint} --json'], capture_output=True, text=True)
            same(evaluated.returncode, 0, f"{shell}: {hint}: {evaluated.stderr}")
        word = subprocess.run(["bash", "-c", f"printf %s {hint.removeprefix('suanli eval ')}"], capture_output=True, text=True).stdout
        same(os.path.normpath(word), os.path.normpath(name), hint)
        other = fails(3, "suanli train --resume", args=["train", TINY, f"--out={name}"]).stderr
        check(other.endswith(f"Command: suanli train --resume {hint.removeprefix('suanli eval ')}\n"), f"{hint}: {other}")


def test_targets_by_option():
    pathlib.Path("t.csv").write_text("a,b,the answer\n" + "".join(f"{i % 7},{i % 5},{'yes' if i % 2 else 'no'}\n" for i in range(120)))
    by_option = ok_json("train", "t.csv", "--target", "the answer", "--epochs", 1, "--out", "by_option", "--quiet")
    by_word = ok_json("train", "t.csv?target=the answer", "--epochs", 1, "--out", "by_word", "--quiet")
    same(by_option["val_loss"], by_word["val_loss"], "the same run")
    same(digest("by_option/model.safetensors"), digest("by_word/model.safetensors"), "the same weights")
    for name in ("a&b", "R&D=%", "50%,a?b=c", "%26"):
        cells = "".join(f"{i % 7},{i % 5},{'yes' if i % 2 else 'no'}\n" for i in range(120))
        pathlib.Path("odd.csv").write_text(f'a,b,"{name}"\n' + cells)
        shutil.rmtree("odd", ignore_errors=True)
        done = run("train", "odd.csv", "--target", name, "--epochs", 1, "--out", "odd", "--quiet", "--json")
        same((done.returncode, json.loads(done.stdout)["val_loss"]), (0, by_word["val_loss"]), f"{name}: {done.stderr}")
        ok("eval", "odd")
        ok("eval", "odd", "odd.csv")
        ok("train", "--resume", "odd", "--quiet")
    fails(2, "target", args=["train", "t.csv?target=a", "--target", "b"])
    for given, said in (("pictures", "a folder"), ("p.png", "a picture"), ("x.XLSX", "CSV"), ("x.npz", "an archive")):
        os.makedirs("pictures", exist_ok=True)
        pathlib.Path("x.XLSX").write_bytes(b"PK\x03\x04\xff")
        fails(3, given, said, args=["predict", "by_word", given])
    fails(3, "t.csv", "answers for pictures", args=["predict", "r", "t.csv"])
    # Hints name a run as a shell reads it.
    os.makedirs("it's gone", exist_ok=True)
    shutil.copytree("by_word", "it's gone", dirs_exist_ok=True)
    os.rename("t.csv", "moved.csv")
    shutil.rmtree("it's gone/checkpoints/", ignore_errors=True)
    fails(3, "Its weights are in it's gone/model.safetensors", "Options: --out, --weights 'it'\\''s gone/model.safetensors'.", args=["train", "--resume", "it's gone"])
    os.rename("moved.csv", "t.csv")
    fails(2, "--target: beside --resume", args=["train", "--resume", "by_word", "--target", "b"])


def test_a_reader_that_goes_away():
    """`| head -1` ends any verb without a word, and a training not before it is saved."""
    cases = [["help"], ["help", "train"], ["man"], ["completion", "bash"], ["version"], ["doctor"], ["data", "show", TINY], ["explain", TINY, *FAST],
             ["predict", "r", "p.png"], ["eval", "r"], ["eval", "r", "--json"], ["train", TINY, *FAST, "--epochs", 2, "--out", "headless", "--quiet"]]
    for words in cases:
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([BIN, *map(str, words)], stdout=write, stderr=subprocess.PIPE, text=True)
        os.close(write)
        same((done.returncode, [l for l in done.stderr.splitlines() if l.startswith("suanli: ")]), (141, []), str(words))
    check(os.path.exists("headless/summary.json") and os.path.exists("headless/model.safetensors"), "the training ended first")


def test_closed_standard_files():
    """None of the run's files gets the number of a closed stderr, and with it the notes."""
    ok("train", TINY, *FAST, "--epochs", 2, "--out", "open_run", "--quiet")
    for closed in ("2>&-", "<&- 2>&-", "<&- >&- 2>&-", ">&-"):
        shutil.rmtree("closed_run", ignore_errors=True)
        done = subprocess.run(["bash", "-c", f'"$0" train "{TINY}" --model mlp --epochs 2 --out closed_run {closed}', BIN], capture_output=True, text=True)
        same(done.returncode, 3 if ">&-" in closed.split() else 0, f"{closed}: {done.stderr}")   # a result that cannot be written
        same(digest("closed_run/model.safetensors"), digest("open_run/model.safetensors"), closed)
        log = pathlib.Path("closed_run/log.txt").read_text()
        check(all(re.match(r"\d{4}-\d\d-\d\d ", line) for line in log.splitlines()), f"{closed}: {log}")
        for name in ("metrics.jsonl", "config.toml"):
            check("train loss" not in pathlib.Path("closed_run", name).read_text(), f"{closed}: notes in {name}")
    same(run("version", stdin=subprocess.DEVNULL).returncode, 0, "as usual")


def catches(child):
    """Waits until the program has said what becomes of SIGINT and SIGTERM."""
    wanted = 1 << (signal.SIGINT - 1) | 1 << (signal.SIGTERM - 1)
    while child.poll() is None:
        caught = re.search(r"^SigCgt:\s*(\w+)", pathlib.Path(f"/proc/{child.pid}/status").read_text(), re.M)
        if caught and int(caught.group(1), 16) & wanted == wanted:
            return
        time.sleep(0.005)


def test_interrupted():
    """Ctrl-C while it measures, answers or downloads: 130, no word, nothing half written."""
    os.makedirs("many")
    for i in range(30000):
        os.link("p.png", f"many/{i}.png")
    for words in (["predict", "r", "many", "--csv", "never.csv"], ["eval", "r", "glyphs?train=64&test=200000"], ["bench", "roofs", "--again"],
                  ["profile", "train", "glyphs", "--model", "cnn_b", "--steps", 100000], ["data", "pack", "glyphs?train=200000", "never.packed"],
                  ["train", "glyphs?train=300000", "--dry-run"]):
        for sent, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            child = start(*words, env={**os.environ, "XDG_CACHE_HOME": os.getcwd() + "/cache"})
            catches(child)
            time.sleep(0.2)
            child.send_signal(sent)
            out, err = child.communicate(timeout=60)
            same((child.returncode, out), (code, ""), f"{words}: {err}")
            check("suanli:" not in err, f"{words}: {err}")
    check(not [p for p in os.listdir(".") if p.startswith("never")], f"{os.listdir('.')}")
    with socket.create_server(("127.0.0.1", 0)) as server:   # answers, and then sends nothing more
        child = start("data", "get", "mnist", "got", env={**os.environ, "SUANLI_MIRROR": f"http://127.0.0.1:{server.getsockname()[1]}"})
        connection, _ = server.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9912422\r\n\r\n" + b"x" * 1000)
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        connection.close()
    same((child.returncode, out, "suanli:" in err), (130, "", False), f"a download: {err}")
    same([p for p in os.listdir("got") if not p.endswith(".part")], [], "what is not whole has another name")


def test_standard_input():
    whole = ok_json("predict", "r", "p.png")["predictions"][0]
    data = pathlib.Path("p.png").read_bytes()
    for name in ("-", "/dev/stdin"):
        done = subprocess.run([BIN, "predict", "r", name, "--json"], input=data, capture_output=True)
        same(done.returncode, 0, done.stderr.decode())
        answer = json.loads(done.stdout)["predictions"][0]
        same((answer["file"], answer["top"]), (name, whole["top"]), "a picture through a pipe")
    done = subprocess.run(["bash", "-c", f'"{BIN}" predict r <(cat p.png) <(cat p.png) --json'], capture_output=True, text=True)
    same(done.returncode, 0, done.stderr)
    same([p["top"] for p in json.loads(done.stdout)["predictions"]], [whole["top"]] * 2, "pictures of two processes")
    os.mkfifo("named")
    writer = subprocess.Popen(["bash", "-c", "cat p.png > named"])
    same(ok_json("predict", "r", "named")["predictions"][0]["top"], whole["top"], "a named pipe")
    writer.wait()
    rows = pathlib.Path("t.csv").read_bytes()
    direct = ok_json("predict", "by_word", "t.csv")["predictions"]
    done = subprocess.run([BIN, "predict", "by_word", "-", "--json"], input=rows, capture_output=True)
    same(done.returncode, 0, done.stderr.decode())
    same([(p["row"], p["top"]) for p in json.loads(done.stdout)["predictions"]], [(p["row"], p["top"]) for p in direct], "a table through a pipe")
    measured = subprocess.run([BIN, "eval", "by_word", "-", "--json"], input=rows, capture_output=True)
    same(measured.returncode, 0, measured.stderr.decode())
    same(json.loads(measured.stdout)["accuracy"], ok_json("eval", "by_word", "t.csv")["accuracy"], "measured through a pipe")
    empty = subprocess.run([BIN, "predict", "r", "-"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    check(empty.returncode == 3 and "empty" in empty.stderr, f"{empty}")


def test_where_a_result_may_go():
    """A device is written to, never replaced; a link stays and what it names is replaced; - is the standard output."""
    ok("predict", "r", "p.png", "--csv", "plain.csv")
    table = pathlib.Path("plain.csv").read_text()
    same(ok("predict", "r", "p.png", "--csv", "-"), table, "-")
    same(ok("predict", "r", "p.png", "--csv", "/dev/stdout"), table, "/dev/stdout")
    check(not os.path.exists("-"), "no file of that name")
    same(run("predict", "r", "p.png", "--csv", "-", "--json").returncode, 2, "two results for one output")
    os.mkfifo("out")
    reader = subprocess.Popen(["cat", "out"], stdout=subprocess.PIPE, text=True)
    ok("predict", "r", "p.png", "--csv", "out")
    same((reader.communicate()[0], pathlib.Path("out").is_fifo()), (table, True), "a named pipe")
    os.mkdir("elsewhere")
    os.symlink("elsewhere/there.csv", "link.csv")
    for _ in range(2):   # it leads nowhere at first
        ok("predict", "r", "p.png", "--csv", "link.csv")
        same((os.path.islink("link.csv"), pathlib.Path("elsewhere/there.csv").read_text()), (True, table), "a link")
    same(os.listdir("elsewhere"), ["there.csv"], "no temporary file")
    try:   # a device of our own: the machine's must outlive a failure of this test
        os.mknod("null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        pathlib.Path("null").write_text("x")
    except PermissionError:
        return print("        no device could be made: it was not tried")
    ok("predict", "r", "p.png", "--csv", "null")
    ok("data", "pack", "glyphs?train=10&test=10", "null")
    check(pathlib.Path("null").is_char_device(), "a device stays one")


def test_locales():
    """Numbers are written and read with a point, whatever the locale says; a locale that is not installed changes nothing."""
    plain = {**os.environ, "LC_ALL": "C"}
    for locale in ("de_DE.UTF-8", "fr_FR.UTF-8", "zh_CN.UTF-8", "tr_TR.UTF-8", "nonsense"):
        there = {**os.environ, "LC_ALL": locale, "LC_NUMERIC": locale, "LANG": locale}
        for words in (["predict", "by_word", "t.csv", "--csv", "a.csv"], ["eval", "by_word"], ["eval", "by_word", "--json"], ["data", "show", TINY, "--json"]):
            same(ok(*words, env=there), ok(*words, env=plain), f"{locale}: {words}")
        shutil.rmtree("form", ignore_errors=True)
        ok("train", TINY, *FAST, "--max-steps", 1, "--lr", "0.0125", "--out", "form", "--quiet", env=there)
        check("\nlr = 0.0125 " in pathlib.Path("form/config.toml").read_text(), locale)
        fails(2, "--lr: '0,5', expected a number", args=["train", "--lr", "0,5"], env=there)


main(globals())
