# SPDX-License-Identifier: Apache-2.0
"""Help in two languages, completion and the manual page: all from the same tables."""
import os
import pathlib
import re
import subprocess
import unicodedata

from _suanli import BIN, check, fails, main, ok, run, same


def verbs():
    return re.findall(r"^  (\w+) +\S", ok("help").split("\n\n")[2], re.M)


def english(*args):
    return ok(*args, env={**os.environ, "LC_ALL": "C"})


def chinese(*args):
    return ok(*args, env={**os.environ, "LC_ALL": "zh_CN.UTF-8"})


def columns(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def test_overview_fits_a_screen():
    for text in (english("--help"), chinese("--help")):
        lines = text.splitlines()
        check(len(lines) <= 24 and max(map(columns, lines)) <= 80, f"{len(lines)} lines, {max(map(columns, lines))} columns:\n{text}")
    check("训练" in chinese("--help") and "训练" not in english("--help"), "the language follows the locale")
    same(ok("--help", env={**os.environ, "LC_ALL": "de_DE.UTF-8"}), english("--help"), "a language that is not there")


def test_no_help_repeats_another():
    """train's options are listed once; the verbs that take them too say where."""
    listed = {verb: set(re.findall(r"^  (--[\w-]+)", english("help", verb), re.M)) for verb in verbs()}
    check(len(listed["train"]) > 50, f"{listed['train']}")
    for verb in ("explain", "profile"):
        check(len(english("help", verb).splitlines()) < 25 and "suanli train --help" in english("help", verb), english("help", verb))
        check(len(listed[verb] & listed["train"]) <= 2, f"{verb}: {listed[verb] & listed['train']}")   # --json, --help


def test_help_in_chinese():
    untranslated, rows = [], 0
    for text in [chinese("--help")] + [chinese("help", verb) for verb in verbs()]:
        text = re.sub(r"\n {20,}|用法.*\n", " ", text.split("示例：")[0])   # explanations in one line each, without examples
        untranslated += re.findall(r"[a-z]+(?: [a-z]+){2,}", text)   # three English words in a row
        for explanation in re.findall(r"^  (?:--[\w-]+(?: [A-Z=]+)?|[A-Z]+|[a-z]+ {2,})\s+(.*)$", text, re.M):
            rows += 1
            if explanation.isascii():
                untranslated.append(explanation)
    check(rows > 100, f"only {rows} rows found")
    same(untranslated, [], "not translated")
    same(re.findall(r"--[\w-]+", chinese("train", "--help")), re.findall(r"--[\w-]+", english("train", "--help")), "options")


def complete(*words):
    """What bash offers for the last of `words`."""
    script = 'eval "$("$1" completion bash)"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _suanli; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script, "_", BIN, *words], capture_output=True, text=True)
    same((done.returncode, done.stderr), (0, ""), "bash")
    return done.stdout.split()


def fish_completes(script):
    open("suanli.fish", "w").write(script)

    def offered(line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source suanli.fish; complete -C '{line}'"], capture_output=True, text=True,
                              env={**os.environ, "PATH": os.path.dirname(BIN) + ":" + os.environ["PATH"], "HOME": os.getcwd()})
        return [row.split("\t")[0] for row in done.stdout.splitlines()]

    same(offered("suanli tr"), ["train"], "verbs")
    same(offered("suanli train --sched"), ["--schedule"], "options")
    check("cosine" in offered("suanli train --schedule "), "values")
    open("a.safetensors", "w").close()
    check("a.safetensors" in offered("suanli train --weights "), "files")
    same(offered("suanli train --epochs "), [], "no files where a number is meant")
    same(offered("suanli help pre"), ["predict"], "help completes verbs")
    same(sorted(offered("suanli data ")), ["get", "pack", "show"], "a verb's own words")


def test_completion():
    same(complete("suanli", "tr"), ["train"], "verbs")
    same(sorted(complete("suanli", "")), sorted(verbs()), "all verbs")
    same(complete("suanli", "train", "--sched"), ["--schedule"], "options")
    check("cosine" in complete("suanli", "train", "--schedule", "") and complete("suanli", "train", "--model", "resnet18") == ["resnet18"], "values")
    same(complete("suanli", "help", "pre"), ["predict"], "help completes verbs")
    same(complete("suanli", "data", ""), ["show", "get", "pack"], "a verb's own words")
    same(complete("suanli", "data", "show", ""), [], "then files, which the shell finds")
    same(sorted(complete("suanli", "data", "get", "")), ["cifar10", "fashion-mnist", "mnist"], "published sets")
    same(complete("suanli", "train", "--stem", ""), ["small", "large"], "--stem")
    same(complete("suanli", "eval", "r", "--split", "t"), ["train", "test"], "--split")
    same(complete("suanli", "train", "--class-weights", "a"), ["auto"], "--class-weights")
    same(complete("suanli", "predict", "r", "--device", "c"), ["cpu", "cuda"], "--device")
    for verb in ("train", "data"):
        same(complete("suanli", verb, "--augment", "fl"), ["flip"], f"{verb} --augment")
    same(complete("suanli", "train", "--augment", "crop,fl"), ["crop,flip"], "the next of a list")
    same(complete("suanli", "explain", "--sched"), ["--schedule"], "options that another verb's help lists")
    for shell in ("zsh", "fish"):
        text = ok("completion", shell)
        for verb in verbs():
            check(verb in text, f"{verb} in {shell}")
        check("label-smoothing" in text, shell)
        try:
            done = subprocess.run([shell, "-n", "/dev/stdin"], input=text, capture_output=True, text=True)
        except FileNotFoundError:
            print(f"        {shell} is not installed: its script was not parsed")
        else:
            same((done.returncode, done.stderr), (0, ""), shell)
            if shell == "fish":
                fish_completes(text)
    fails(2, "SHELL: 'basch', expected bash, zsh or fish. Did you mean bash?", args=["completion", "basch"])


def test_page_of_the_documentation():
    """docs/cli.md is this program's own page: suanli man --markdown > docs/cli.md."""
    expected = pathlib.Path(os.environ["SUANLI_SOURCE"], "docs/cli.md").read_text(encoding="utf-8")
    same(english("man", "--markdown"), expected, "docs/cli.md")


def test_manual():
    page = ok("man")
    for text in (page, chinese("man")):   # man guesses how a page is encoded; letters by their numbers need no guess
        check(text.isascii(), f"{[c for c in text if not c.isascii()]}")
    for status in (0, 1, 2, 3, 129, 141):
        check(re.search(rf"^\.B {status}\b", page, re.M), f"exit status {status}")
    options = set(re.findall(r"^  (--[\w-]+)", english("train", "--help"), re.M)) - {"--help"}
    for option in options:
        check(".B " + option.replace("-", "\\-") in page, f"{option} is not in the page")
    try:
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=page, capture_output=True, text=True)
    except FileNotFoundError:
        return print("        groff is not installed: the page was not set")
    same((done.returncode, done.stderr), (0, ""), "groff")
    check("suanli train" in done.stdout, "set")
    done = subprocess.run(["groff", "-man", "-Tutf8"], input=chinese("man"), capture_output=True, text=True)   # lines without blanks cannot be filled
    check(done.returncode == 0 and "评测" in done.stdout, f"{done.stderr}")


main(globals())
