# SPDX-License-Identifier: Apache-2.0
"""The generated pages are what their generator makes of bench/results/*.jsonl, and the generator says what the
values say."""
import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["SUANLI_SOURCE"])
GENERATOR = SOURCE / "bench/peers/pages.py"
ZOO = pathlib.Path("docs/benchmarks/zoo.md")


def line(case, side, values, version="1"):
    return {"date": "2026-01-02 03:04", "commit": "0123456789", "cpu": "a processor", "cores": 2,
            "isa": "AVX2", "case": case, "metric": "step_ms", "side": side, "label": "", "version": version,
            "threads": 2, "gflop": 1.0, "elsewhere": 0.02, "values": values}


def made_of(lines):
    folder = pathlib.Path("results")
    folder.mkdir(exist_ok=True)
    (folder / "zoo-avx2.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    subprocess.run([sys.executable, GENERATOR, "--results", folder, "--root", "."], check=True)
    return ZOO.read_text()


def check(what, good):
    print(f"{what}: {'ok' if good else 'WRONG'}")
    return good


def main():
    page = subprocess.run([sys.executable, GENERATOR, "--check"], capture_output=True, text=True)
    good = check(f"the page is what the data say {page.stderr}", page.returncode == 0)

    # Models that take pictures: all of the generated page of the zoo but the model of tables.
    zoo = re.findall(r"^\| `(\w+)` \|", (SOURCE / "docs/zoo.md").read_text(), re.M)
    sys.path.insert(0, str(GENERATOR.parent))
    import cases
    good &= check("every model for pictures is compared", list(cases.ZOO) == [m for m in zoo if m != "tabular"])

    # Within the turns Suanli takes 1/4, 2/4 and 9/3 of PyTorch's time: the ratio is 0.50. A second row
    # with the ratio 2 makes the geometric mean 1.00 and lies above the limit of 0.9.
    text = made_of([line("resnet18.96.train.b16", "suanli", [1, 2, 9]),
                    line("resnet18.96.train.b16", "pytorch", [4, 4, 3]),
                    line("airbench.224.train.b16", "suanli", [6, 6, 6]),
                    line("airbench.224.train.b16", "pytorch", [3, 3, 3])])
    at = "2% | 0123456789, 2026-01-02 |"
    good &= check("a row within the limit", f"| `resnet18` | 96 | 1 | 2 | 4 | 0.50 | {at}" in text)
    good &= check("a row beyond the limit", f"| `airbench` | 224 | 1 | 6 | 3 | **2.00** | {at}" in text)
    good &= check("the mean", "| geometric mean of 2 |  |  |  |  | **1.00** |  |  |" in text)
    good &= check("the target of the mean", "geometric mean **1.00**, the target is 0.65." in text)
    good &= check("the limit", "1 of 2 are above 0.9, the target is none: `airbench` 224 (2.00)." in text)
    good &= check("what is missing", "94 of 96 cases are not measured." in text)

    ZOO.write_text(text.replace("**2.00**", "**0.50**"))
    changed = subprocess.run([sys.executable, GENERATOR, "--check", "--results", "results", "--root", "."],
                             capture_output=True, text=True)
    good &= check("a page that was edited is refused", changed.returncode == 1 and
                  "zoo.md is not what the data say" in changed.stderr)
    sys.exit(0 if good else 1)


main()
