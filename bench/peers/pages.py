# SPDX-License-Identifier: Apache-2.0
"""Writes the pages that follow from bench/results/*.jsonl: docs/benchmarks/zoo.md, docs/benchmarks/networks.md,
and the tables of the READMEs.

    python3 bench/peers/pages.py [--results FOLDER] [--root FOLDER]
    python3 bench/peers/pages.py --check

With --check it writes nothing. It exits with status 1 if a page does not match the data. --root is the
checkout by default.
"""
import argparse
import pathlib
import re
import statistics
import sys

import results
from cases import CASES, ZOO_CASES, ZOO_CLASSES, ZOO_KINDS, ZOO_SIDES
from report import NAMES, geometric_mean, number, table

# Bounds of Suanli's time over the peer's: the target of the geometric mean, and the limit of each row.
TARGETS = {"train": ("pytorch", 0.65, 0.9), "infer": ("onnxruntime", 0.85, 1.1)}
TITLES = {"infer.b1": "Inference, batch 1", "infer.b16": "Inference, batch 16",
          "train.b16": "Training step, batch 16"}
MOST_NAMED = 12   # cases that were not measured

HEAD = """# The zoo against PyTorch and ONNX Runtime

Every model of [the zoo](../zoo.md) for pictures, at {sides} pixels with {classes} classes, f32. Peers run the
same architecture: torchvision's where it has the model, else the one in `bench/peers/networks.py`. Both
sides must count the same parameters; `ctest --test-dir build/test -R peer.zoo_torchvision` compares their answers. A training
step is forward, backward and the optimizer's step.

```sh
scripts/peers                                                          # once: PyTorch, ONNX Runtime
$(scripts/peers --path) bench/peers/compare.py --zoo                   # writes bench/results/zoo-ISA.jsonl
$(scripts/peers --path) bench/peers/compare.py --zoo --only vgg11.96   # some cases again
python3 bench/peers/pages.py                                           # writes this page from the data
```

PyTorch runs eagerly, contiguous and in channels_last. The table shows the faster of the two for each case;
inference is in `inference_mode`. ONNX Runtime runs what `torch.onnx.export` wrote, at its highest level of
optimization. Each contender is a process. The processes run slots of 100 ms, or of one step, in turn, and
the order is reversed each time. Times are medians of the slots. A ratio is the median of the ratios within
one turn; below 1 Suanli is faster. A ratio beyond the limit of a row is bold. "Busy elsewhere" is the share
of the machine that other programs took.
[The method](README.md) says what is checked.
"""


def median_ratio(ours, theirs):
    return statistics.median(a / b for a, b in zip(ours["values"], theirs["values"]))


def ms(line):
    return number(statistics.median(line["values"]))


def part(name, kind, by_case):
    """The line of the summary and the table of one kind of case; None if none was measured."""
    cases = [c for c in ZOO_CASES if c.name.endswith("." + name) and c.name in by_case]
    if not cases:
        return None
    peer, target, limit = TARGETS[kind]
    peers = [p for p in NAMES if p in by_case[cases[0].name]]
    rows, found = [], {p: [] for p in peers}
    for case in cases:
        sides = by_case[case.name]
        ours = sides["suanli"]
        row = [f"`{case.network}`", str(case.side), number(ours["gflop"]), ms(ours)]
        for p in peers:
            ratio = median_ratio(ours, sides[p])
            found[p].append((ratio, f"`{case.network}` {case.side}"))
            bold = "**" if p == peer and ratio > limit else ""
            row += [f"{ms(sides[p])} {sides[p]['label']}".strip(), f"{bold}{ratio:.2f}{bold}"]
        rows.append([*row, f"{ours['elsewhere']:.0%}", f"{ours['commit']}, {ours['date'][:10]}"])
    means = {p: geometric_mean([ratio for ratio, _ in found[p]]) for p in peers}
    above = [f"{name} ({r:.2f})" for r, name in sorted(found[peer], reverse=True) if r > limit]
    summary = (f"* {TITLES[name]}, against {NAMES[peer]}: geometric mean **{means[peer]:.2f}**, the target is "
               f"{target}. {len(above)} of {len(rows)} are above {limit}, the target is none"
               f"{': ' + ', '.join(above) if above else ''}.")
    rows.append([f"geometric mean of {len(rows)}", "", "", "",
                 *(cell for p in peers for cell in ("", f"**{means[p]:.2f}**")), "", ""])
    columns = (cell for p in peers for cell in (f"{NAMES[p]}, ms", f"Suanli / {NAMES[p]}"))
    header = ["model", "pixels", "GFLOP", "Suanli, ms", *columns, "busy elsewhere", "measured at"]
    return summary, f"### {TITLES[name]}\n\n{table(header, rows)}"


def section(path):
    """The measurements of one kind of machine."""
    lines, by_case = [x for x in results.read(path) if x["metric"] == "step_ms"], {}
    for line in lines:
        by_case.setdefault(line["case"], {})[line["side"]] = line
    machine = lines[0]
    versions = sorted({f"{NAMES[x['side']]} {x['version']}" for x in lines if x["side"] in NAMES})
    threads = ", ".join(sorted({str(line["threads"]) for line in lines}))
    repetitions = sorted({len(line["values"]) for line in lines})
    repetitions = "–".join(map(str, dict.fromkeys((repetitions[0], repetitions[-1]))))
    parts = list(filter(None, (part(name, kind, by_case) for name, kind, _ in ZOO_KINDS[::-1])))
    summary = [line for line, _ in parts]
    absent = [case.name for case in ZOO_CASES if case.name not in by_case]
    if absent:
        names = f": {', '.join(absent)}" if len(absent) <= MOST_NAMED else ""
        summary.append(f"* {len(absent)} of {len(ZOO_CASES)} cases are not measured{names}.")
    return "\n\n".join([f"## {machine['cpu']}",
                        f"{machine['cores']} cores, {threads} threads, {repetitions} repetitions. "
                        f"Suanli: {machine['isa']}. "
                        f"{'. '.join(versions)}.", "\n".join(summary), *(text for _, text in parts)])


def page(folder):
    files = [path for path in sorted(folder.glob("zoo-*.jsonl")) if results.read(path)]
    head = HEAD.format(sides=" and ".join(map(str, ZOO_SIDES)), classes=ZOO_CLASSES)
    return "\n".join([head, *(section(path) + "\n" for path in files)])


# ---- the four networks that are measured in every variant -------------------------------------------------

NETWORKS_HEAD = """# Four networks against PyTorch and ONNX Runtime

The same network, weights, data and optimizer on each side, f32. PyTorch runs eager and compiled, contiguous
and in channels_last, with its default allocator and with one that keeps freed memory. ONNX Runtime runs with
and without spinning threads. The table shows the fastest variant of each peer.

```sh
$(scripts/peers --path) bench/peers/compare.py     # writes bench/results/networks-ISA.jsonl
python3 bench/peers/pages.py                       # writes this page from the data
```

A ratio below 1 means that Suanli is faster. [The method](README.md) says what is checked.
"""
WORDS = {"train.resnet18": ("ResNet-18, 32×32, batch 128, SGD, step", "ResNet-18，32×32，批大小 128，SGD，训练一步"),
         "train.gpt": ("GPT 4×256, 256 tokens, batch 8, AdamW, step", "GPT 4×256，256 个词元，批大小 8，AdamW，训练一步"),
         "train.cnn_b": ("cnn_b, 28×28, batch 64, Adam, step", "cnn_b，28×28，批大小 64，Adam，训练一步"),
         "train.mlp1024": ("MLP 784-1024-1024-10, batch 128, SGD, step", "MLP 784-1024-1024-10，批大小 128，SGD，训练一步")}
KINDS_ZH = {"cnn_b": "cnn_b", "resnet18": "ResNet-18", "gpt": "GPT"}


def in_words(case, chinese):
    if case.name in WORDS:
        return WORDS[case.name][chinese]
    name = KINDS_ZH[case.network]
    return f"{name}，推理，批大小 {case.batch}" if chinese else f"{name}, inference, batch {case.batch}"


def network_rows(lines, chinese=False):
    """A row per case that was measured: times, ratios and memory."""
    by = {}
    for line in lines:
        by.setdefault(line["case"], {})[line["metric"], line["side"]] = line
    for case in CASES:
        sides = by.get(case.name)
        if not sides:
            continue
        ours = sides["step_ms", "suanli"]
        row = [in_words(case, chinese), ms(ours)]
        for peer in ("pytorch", "onnxruntime"):
            theirs = sides.get(("step_ms", peer))
            row += [f"{ms(theirs)}", f"{median_ratio(ours, theirs):.2f}"] if theirs else ["", ""]
        memory = [sides.get(("memory_mb", side)) for side in ("suanli", "pytorch")]
        row.append(" / ".join(number(m["values"][0]) for m in memory) if all(memory) else "")
        yield row, ours, sides


def networks_section(path):
    lines = results.read(path)
    machine = lines[0]
    versions = sorted({f"{NAMES[x['side']]} {x['version']}" for x in lines if x["side"] in NAMES and "version" in x})
    rows = [[*row, sides["step_ms", "pytorch"]["label"], f"{ours['elsewhere']:.0%}", f"{ours['commit']}, {ours['date'][:10]}"]
            for row, ours, sides in network_rows(lines)]
    header = ["case", "Suanli, ms", "PyTorch, ms", "Suanli / PyTorch", "ONNX Runtime, ms", "Suanli / ONNX Runtime",
              "memory, MB: Suanli / PyTorch", "PyTorch's fastest variant", "busy elsewhere", "measured at"]
    return f"## {machine['cpu']}\n\n{machine['cores']} cores. Suanli: {machine['isa']}. {'. '.join(versions)}.\n\n{table(header, rows)}\n"


def networks_page(folder):
    files = [path for path in sorted(folder.glob("networks-*.jsonl")) if results.read(path)]
    return "\n".join([NETWORKS_HEAD, *map(networks_section, files)])


HEADERS = {False: ["", "Suanli, ms", "PyTorch, ms", "Suanli / PyTorch", "ONNX Runtime, ms", "Suanli / ONNX Runtime", "memory, MB: Suanli / PyTorch"],
           True: ["", "Suanli，毫秒", "PyTorch，毫秒", "Suanli / PyTorch", "ONNX Runtime，毫秒", "Suanli / ONNX Runtime", "内存，MB：Suanli / PyTorch"]}


def with_table(text, folder, chinese):
    """`text` with the table between its two marks made anew, of the machine that was measured last."""
    files = [path for path in folder.glob("networks-*.jsonl") if results.read(path)]
    if not files:
        return text
    lines = max(map(results.read, files), key=lambda lines: max(line["date"] for line in lines))
    rows = [row for row, _, _ in network_rows(lines, chinese)]
    return re.sub(r"(<!-- networks -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{table(HEADERS[chinese], rows)}\n{m[2]}", text, flags=re.S)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--results", type=pathlib.Path, default=results.RESULTS, metavar="FOLDER")
    p.add_argument("--root", type=pathlib.Path, default=results.ROOT, metavar="FOLDER")
    p.add_argument("--check", action="store_true")
    options = p.parse_args()
    pages = {options.root / "docs/benchmarks/zoo.md": page(options.results),
             options.root / "docs/benchmarks/networks.md": networks_page(options.results)}
    for name, chinese in (("README.md", False), ("README.zh-CN.md", True)):
        readme = options.root / name
        if readme.exists():
            pages[readme] = with_table(readme.read_text(), options.results, chinese)
    for path, text in pages.items():
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path} does not match the data: run python3 bench/peers/pages.py")


if __name__ == "__main__":
    main()
