# SPDX-License-Identifier: Apache-2.0
"""Tables of what compare.py measured, in Markdown. Works on its JSON file too:  python3 bench/peers/report.py FILE"""
import json
import math
import pathlib
import statistics
import sys

from results import memory_mb as mb


def contender(case, side):
    return next((c for c in case["contenders"] if c["side"] == side), None)


def ratio(case, side):
    """Suanli's time over the peer's: the median of the ratios within one repetition, and their quartiles."""
    ratios = [a / b for a, b in zip(contender(case, "suanli")["ms"], contender(case, side)["ms"])]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return middle, low, high


def of_roof(case, side):
    """The share of the multiply-adds that the machine could do in that minute; for all sides by PyTorch's count of operations."""
    times = zip(contender(case, side)["ms"], contender(case, "roof")["ms"])
    return statistics.median(case["flops"]["pytorch"] / ms / (case["flops"]["roof"] / roof) for ms, roof in times)


def number(x):
    return f"{x:.3g}" if x < 100 else f"{x:.0f}"


def times(c):
    return f"{number(statistics.median(c['ms']))} ({number(min(c['ms']))}–{number(max(c['ms']))})"


def table(header, rows):
    return "\n".join(["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *("| " + " | ".join(row) + " |" for row in rows)])


def geometric_mean(values):
    return math.exp(statistics.mean(map(math.log, values)))


NAMES = {"pytorch": "PyTorch", "onnxruntime": "ONNX Runtime", "onednn": "oneDNN"}


def speed(cases, peers):
    """One row per case; the last row is the geometric mean of the ratios."""
    rows, ratios = [], {peer: [] for peer in peers}
    for case in cases:
        ours = contender(case, "suanli")
        row = [case["name"], f"{ours['isa']}; {contender(case, 'pytorch')['isa']}", number(case["flops"]["pytorch"] / 1e9), times(ours)]
        for peer in peers:
            c = contender(case, peer)
            middle, low, high = ratio(case, peer)
            ratios[peer].append(middle)
            row += [f"{times(c)} {c['label']}", f"**{middle:.2f}** ({low:.2f}–{high:.2f})"]
        rows.append(row + [", ".join(f"{of_roof(case, side):.0%}" for side in ("suanli", *peers)), f"{case['elsewhere']['share']:.0%}, {case['elsewhere']['repeated']}"])
    means = [cell for peer in peers for cell in ("", f"**{geometric_mean(ratios[peer]):.2f}**")]
    rows.append([f"geometric mean of {len(rows)}", "", "", "", *means, "", ""])
    header = ["case", "ISA", "GFLOP", "Suanli, ms", *(cell for peer in peers for cell in (f"{NAMES[peer]}, ms", f"Suanli / {NAMES[peer]}")),
              "of the roof", "busy elsewhere, repeated"]
    return table(header, rows)


def against_better(cases, peers):
    """Our speed over that of each case's fastest peer, the slowest of us first."""
    speeds = sorted((1 / max(ratio(case, peer)[0] for peer in peers), case["name"]) for case in cases)
    below = [f"{name} {speed:.2f}" for speed, name in speeds if speed < 0.85]
    return f"Speed over that of the faster of {' and '.join(NAMES[peer] for peer in peers)}: geometric mean of {len(speeds)} cases " \
           f"**{geometric_mean([speed for speed, _ in speeds]):.2f}**; {len(below)} below 0.85: {', '.join(below) or 'none'}."


def memory(cases):
    rows, ratios = [], []
    for case in cases:
        ours = next(t["memory"] for t in case["trials"] if t["side"] == "suanli")
        peers = [t for t in case["trials"] if t["side"] == "pytorch"]
        least, fastest = min(peers, key=lambda t: mb(t["memory"])), next(t for t in peers if t["label"] == contender(case, "pytorch")["label"])
        ratios.append(mb(ours) / mb(least["memory"]))
        rows.append([case["name"], f"{mb(ours):.0f} ({ours['baseline_rss'] // 1024} → {ours['peak_hwm'] // 1024})",
                     *(f"{mb(t['memory']):.0f} ({t['memory']['baseline_rss'] // 1024} → {t['memory']['peak_hwm'] // 1024}) {t['label']}" for t in (least, fastest)),
                     f"**{ratios[-1]:.2f}**"])
    rows.append([f"geometric mean of {len(rows)}", "", "", "", f"**{geometric_mean(ratios):.2f}**"])
    return table(["case", "Suanli, MB", "PyTorch at its least, MB", "PyTorch at its fastest, MB", "Suanli / PyTorch's least"], rows)


def trials(cases):
    rows = [[case["name"], t["side"], t["label"], times(t), f"{mb(t['memory']):.0f}"] for case in cases for t in case["trials"]]
    return table(["case", "side", "variant", "ms", "memory, MB"], rows)


def line(case):
    """One line of progress."""
    return f"{case['name']}: " + ", ".join(f"{c['side']} {times(c)} ms {c['label']}".rstrip() for c in case["contenders"] if c["side"] != "roof")


def tables(results):
    """All tables; those without cases are left out."""
    kinds = {kind: [case for case in results.values() if case["kind"] == kind] for kind in ("train", "infer", "product")}
    parts = []
    if kinds["train"]:
        parts += ["Training step", speed(kinds["train"], ["pytorch"]), "Memory of training: VmHWM minus VmRSS before network and data", memory(kinds["train"])]
    if kinds["infer"]:
        parts += ["Inference", speed(kinds["infer"], ["pytorch", "onnxruntime"])]
    if kinds["product"]:
        parts += ["Products and convolutions", speed(kinds["product"], ["onednn", "pytorch"]), against_better(kinds["product"], ["onednn", "pytorch"])]
    if kinds["train"] or kinds["infer"]:
        parts += ["Every variant that was tried", trials(kinds["train"] + kinds["infer"])]
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(tables(json.loads(pathlib.Path(sys.argv[1]).read_text())))
