# SPDX-License-Identifier: Apache-2.0
"""scripts/coverage counts what gcov saw of a program of three files: lines that ran, that did not, and those of a file never called."""
import os
import pathlib
import shutil
import subprocess
import sys

from _suanli import check, main, same

SCRIPT = pathlib.Path(os.environ["SUANLI_SOURCE"]) / "scripts/coverage"
if not shutil.which("g++") or not shutil.which("gcov"):
    print("skipped: no g++ with gcov")
    sys.exit(77)

SHARED = "template <class T> T twice(T x) {\n  if (x < 0)\n    return 0;\n  return x + x;\n}\n"   # line 3 runs in b.cpp alone
A = '#include "shared.h"\nint b();\nint main() {\n  return twice(1) + b() == 2 ? 0 : 1;\n}\n'
B = '#include "shared.h"\nint b() {\n  return static_cast<int>(twice(-1.0));\n}\nint unused() {\n  return 1;\n}\n'
NEVER = "int never() {\n  return 2;\n}\n"


def coverage(*args):
    return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True)


def test_counts():
    for name, text in (("src/one/shared.h", SHARED), ("src/one/a.cpp", A), ("src/two/b.cpp", B), ("src/two/never.cpp", NEVER)):
        pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(name).write_text(text)
    pathlib.Path("build").mkdir()
    for name in ("one/a", "two/b", "two/never"):
        subprocess.run(["g++", "--coverage", f"-ffile-prefix-map={os.getcwd()}/=", f"-I{os.getcwd()}/src/one", "-c",
                        f"{os.getcwd()}/src/{name}.cpp", "-o", f"{name.split('/')[1]}.o"], cwd="build", check=True)
    subprocess.run(["g++", "--coverage", "a.o", "b.o", "never.o", "-o", "program"], cwd="build", check=True)
    subprocess.run(["build/program"], check=True)
    done = coverage("build", "--files")
    same(done.returncode, 0, done.stderr)
    rooms = {words[0]: (int(words[1]), int(words[3])) for line in done.stdout.splitlines() if line.endswith("%") and (words := line.split())}
    # shared.h: 4 lines with code, all of which ran; a.cpp: 2; b.cpp: 2 of 4; never.cpp: 0 of 2.
    same(rooms, {"src/one": (6, 6), "src/two": (2, 6), "total": (8, 12)}, done.stdout)
    missed = done.stdout.split("never ran:\n")[1].splitlines()
    same([line.split() for line in missed], [["2", "of", "4", "src/two/b.cpp"], ["2", "of", "2", "src/two/never.cpp"]], "files")


def test_page():
    for folder in ("bench/results", "docs"):
        pathlib.Path(folder).mkdir(parents=True)
    same(coverage("build", "--keep", "--root", ".").returncode, 0, "kept")
    page = pathlib.Path("docs/coverage.md")
    check("| `src/two` | 2 | 6 | 33.3% |\n| total | 8 | 12 | 66.7% |\n" in page.read_text(), page.read_text())
    same(coverage("--check", "--root", ".").returncode, 0, "the page matches")
    page.write_text(page.read_text().replace("33.3%", "99.9%"))
    done = coverage("--check", "--root", ".")
    check(done.returncode == 1 and "does not match" in done.stderr, done.stderr)


def test_counted_anew():
    same(coverage("build", "--clear").returncode, 0, "cleared")
    same(coverage("build").stdout.splitlines()[-1].split()[1:4], ["0", "of", "12"], "nothing ran")


def test_of_another_build():
    done = coverage("src")
    check(done.returncode == 1 and "not built with --coverage" in done.stderr, done.stderr)


main(globals())
