# SPDX-License-Identifier: Apache-2.0
"""The view on terminals of any width: one bar that stays on its line, tables in columns, help that breaks between words."""
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata

from _suanli import BIN, FAST, TINY, check, main, ok, ok_json, read_png, run, same, write_png

os.environ.pop("NO_COLOR", None)


def columns(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def resize(fd, width):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))


def on_terminal(*args, width, during=None, expect=0):
    """Runs with stdout and stderr on a terminal; `during(fd, child, seen)` is called after each piece of output."""
    ours, theirs = pty.openpty()
    resize(theirs, width)
    child = subprocess.Popen([BIN, *map(str, args)], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
            if during:
                during(ours, child, seen)
    except OSError:   # how a terminal says that nobody writes to it any more
        pass
    os.close(ours)
    same(child.wait(timeout=60), expect, seen.decode(errors="replace"))
    return seen.decode()


class Screen:
    """A terminal that breaks lines at its width: how many rows were written, and how many breaks the program did not ask for."""
    def __init__(self, width):
        self.width, self.column, self.breaks, self.rows = width, 0, 0, [""]

    def write(self, text):
        for piece in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|.", text, re.S):
            if piece.startswith("\x1b"):
                continue
            if piece == "\r":
                self.column = 0
            elif piece == "\n":
                self.rows.append("")
                self.column = 0
            else:
                w = columns(piece)
                if self.column + w > self.width:
                    self.breaks += 1
                    self.rows.append("")
                    self.column = 0
                self.column += w


def bars_of(seen):
    return [line.split("\x1b")[0] for line in re.split(r"[\r\n]", seen) if re.match(r"(epoch \d+/\d+ +)?\d+%", line)]


TRAIN = ["train", "glyphs?train=12800&test=64", "--model", "cnn_b", "--epochs", 9, "--val", 0]


def interrupt_after(count, since=lambda: 0):
    """For `during`: ends the training once `count` bars were drawn behind the first since() bytes, for it has nothing new to show."""
    def look(fd, child, seen):
        if not sent and len(bars_of(seen[since():].decode(errors="replace"))) >= count:   # a second signal would end it at once
            sent.append(child.send_signal(signal.SIGINT))

    sent = []
    return look


def test_a_bar_stays_on_its_line():
    for width in (200, 100, 80, 61, 60, 59, 50, 40, 25, 12, 5):
        seen = on_terminal(*TRAIN, "--out", f"w{width}", width=width, during=interrupt_after(4), expect=130)
        bars = bars_of(seen)
        check(len(bars) >= 4, f"{width} columns: {len(bars)} bars in {seen!r}")
        for bar in bars:
            check(columns(bar) < width, f"{width} columns: {columns(bar)} in {bar!r}")
        last = bars[-1]
        if width >= 60:
            check(re.fullmatch(r"epoch 1/9 +\d+% \|[█▏▎▍▌▋▊▉ ]{5,40}\| .*loss=\d+\.\d{4}\]", last), f"{width} columns: {last!r}")
        if width >= 40:
            check("loss=" in last and "|" in last, f"{width} columns: {last!r}")


def test_the_width_may_change():
    def narrow(fd, child, seen):
        if b"it/s" in seen and not changed:
            changed.append(len(seen))
            resize(fd, 30)
            child.send_signal(signal.SIGWINCH)
        if changed:
            interrupt(fd, child, seen)

    changed = []
    interrupt = interrupt_after(5, lambda: changed[0])
    seen = on_terminal(*TRAIN, "--out", "resized", width=100, during=narrow, expect=130)
    after = bars_of(seen.encode()[changed[0]:].decode(errors="replace"))
    check(len(after) >= 3 and all(columns(bar) < 30 for bar in after[1:]), f"{after}")   # one may have been on its way
    check(columns(bars_of(seen)[0]) > 60, "it was wide before")


def test_names_in_wide_letters():
    """Reading pictures shows their folder's name in the bar."""
    folder = "图片" * 20
    for i in range(2):
        os.makedirs(f"{folder}/类{i}")
        for k in range(8):
            write_png(f"{folder}/类{i}/{k}.png", [[(i * 97 + k + r * c) % 250 for c in range(24)] for r in range(24)])
    seen = on_terminal("train", folder, "--model", "mlp", "--epochs", 1, "--out", "wide", width=40)
    for line in re.split(r"[\r\n]", seen):
        if "|" in line and "%" in line:
            check(columns(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)) < 40, f"{line!r}")


def aligned(text, names):
    """The columns at which the first figure behind each name ends."""
    ends = set()
    for line in text.splitlines():
        for name in names:
            if found := re.match(rf"(\s*\d*\s*{re.escape(name)}\s+\d+)", line):
                ends.add(columns(found.group(1)))
    return ends


def test_tables_of_wide_names_stand_in_columns():
    names = ["猫", "dog", "ねこ猫", "e\u0301te\u0301", "강아지", "🐶"]
    for i, name in enumerate(names):
        os.makedirs(f"zoo/{name}")
        for k in range(6):
            write_png(f"zoo/{name}/{k}.png", [[(i * 37 + k + r) % 250 for c in range(16)] for r in range(16)])
    same(len(aligned(ok("data", "show", "zoo"), names)), 1, "data show")
    ok("train", "zoo", "--model", "mlp", "--epochs", 1, "--out", "zoo_run", "--quiet")
    text = ok("eval", "zoo_run", "--split", "train")
    table, matrix = text.split("\nconfusion")
    same(len(aligned(table, names)), 1, table)
    rows = matrix.splitlines()[1:]
    same(len({columns(row) for row in rows if row.strip()}), 1, matrix)
    counts = ok_json("eval", "zoo_run", "--split", "train")["confusion"]
    shown = [[0 if cell == "·" else int(cell) for cell in row.split()[-len(names):]] for row in rows[1:] if row.strip()]
    same(shown, counts, "the matrix in words")


def test_confusion_picture():
    """A margin all around, and a name at each row and above each column."""
    for count in (2, 6, 40, 100):
        folder = f"many{count}"
        for i in range(count):
            os.makedirs(f"{folder}/c{i:02}")
            for k in range(4):
                write_png(f"{folder}/c{i:02}/{k}.png", [[(i * 37 + k + r) % 250 for c in range(8)] for r in range(8)])
        ok("train", folder, "--model", "mlp", "--epochs", 1, "--out", f"{folder}_run", "--quiet")
        ok("eval", f"{folder}_run", "--split", "train", "--confusion", "m.png")
        rows = read_png("m.png")
        white, height, width = (255, 255, 255), len(rows), len(rows[0])
        for margin in [rows[y] for y in (*range(8), *range(height - 8, height))] + [r[:8] + r[-8:] for r in rows]:
            same(set(margin), {white}, f"{count} classes: margin")
        if count > 60:
            continue   # colors alone
        line = (217, 217, 217)   # between the cells
        top = next(y for y in range(height) if rows[y].count(line) >= 64)
        left, right = rows[top].index(line), width - rows[top][::-1].index(line)
        cell = (right - left) // count
        for i in range(count):
            ink = lambda ys, xs: sum(rows[y][x] != white for y in ys for x in xs)
            check(ink(range(top + i * cell, top + (i + 1) * cell), range(8, left)) > 15, f"{count} classes: the name of row {i}")
            check(ink(range(40, top), range(left + i * cell, left + (i + 1) * cell)) > 15, f"{count} classes: the name of column {i}")


def test_help_breaks_between_words():
    words = set(re.findall(r"\S+", ok("help", "train")))
    for width in (50, 60, 72, 80, 120):
        for args in (["help"], ["help", "train"], ["help", "predict"], ["explain", "--help"]):
            seen = on_terminal(*args, width=width)
            told = set(re.findall(r"\S+", ok(*args)))
            for line in seen.replace("\r\n", "\n").splitlines():
                if not re.match(r"\s*suanli |  suanli|Usage:", line) and " " in line.strip():   # commands stay whole
                    check(columns(line) <= width, f"{width} columns: {columns(line)}: {line!r}")
            if args != ["help"]:
                same(set(re.findall(r"\S+", seen)) - told, set(), f"{width} columns: {args}: words are whole")


def test_interrupted_bars_go_away():
    seen = on_terminal("train", "glyphs", "--model", "cnn_b", "--epochs", 3, "--out", "cut", width=60, during=interrupt_after(1), expect=130)
    last = re.split(r"[\r\n]+", seen.strip())[-1]
    check("--resume cut" in seen and "%" not in last, f"{last!r}")


def test_one_is_singular():
    done = run("train", TINY, *FAST, "--max-steps", 1, "--epochs", 1, "--threads", 1, "--out", "single")
    dry = run("train", "glyphs?train=70&test=9", *FAST, "--epochs", 1, "--val", 0, "--batch-size", 70, "--threads", 1, "--lr", "0.0028284271247461905",
              "--dry-run")
    for text in (done.stdout + done.stderr, dry.stdout + dry.stderr, ok("eval", "single"), ok("profile", "train", TINY, *FAST, "--steps", 1, "--threads", 1)):
        check(not re.search(r"\(s\)|\b1 [a-z]+s\b", text), text)
    check(", 1 epoch, 1 step" in done.stdout and "for 1 epoch of" in dry.stdout and ": 1 step of" in dry.stdout, done.stdout + dry.stdout)
    check("lr 0.00283," in dry.stderr, f"a learning rate for people: {dry.stderr}")
    check("e+" not in dry.stdout, f"a time in plain figures: {dry.stdout}")


def main_if_there_is_a_terminal():
    try:
        for end in pty.openpty():
            os.close(end)
    except OSError as e:
        print(f"skipped: no pseudo-terminal on this machine ({e})")
        raise SystemExit(77)
    main(globals())


main_if_there_is_a_terminal()
