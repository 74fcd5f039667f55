# SPDX-License-Identifier: Apache-2.0
"""Every row of the tables of docs/from_pytorch.md, compared with PyTorch.

  idioms_pytorch.py                        run peer_idioms, and compare each of its results with PyTorch's
  idioms_pytorch.py --generate PAGE FILE   write the rows of the page as C++ (needs no PyTorch)
"""
import os
import pathlib
import re
import subprocess
import sys

LEAST = 200   # rows


def rows(page):
    """(PyTorch, C++, the tensor that a statement changes or None) of every row."""
    found, statement = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("After these statements"):
            statement = True
        elif line.startswith("## "):
            statement = False
        match = re.fullmatch(r"\| `(.*)` \| `(.*)` \|", line)
        if match:
            ours, theirs = (part.replace(r"\|", "|") for part in (match[2], match[1]))
            found.append((theirs, ours, re.match(r"\w+", ours)[0] if statement else None))
    return found


def generate(page, file):
    text = ["// Generated from docs/from_pytorch.md by tests/peer/idioms_pytorch.py."]
    for number, (_, ours, target) in enumerate(rows(page)):
        text.append(f"  run({number}, [&] {{ Inputs in; [[maybe_unused]] auto& [x, m, s, v, w, p, i, n, b, k] = in; "
                    + (f"{ours}; return {target};" if target else f"return {ours};") + " });")
    file.write_text("\n".join(text) + "\n", encoding="utf-8")


def inputs(torch):
    def ramp(shape, step, shift):
        count = 1
        for size in shape:
            count *= size
        return torch.tensor([((j * step + shift) % 23 - 11) / 8 for j in range(count)], dtype=torch.float32).reshape(shape)

    m = ramp((3, 4), 7, 2)
    return {"x": ramp((2, 3, 4), 5, 1), "m": m, "s": ramp((4, 4), 9, 3), "v": ramp((4,), 6, 4), "w": ramp((4,), 11, 5),
            "p": ramp((2, 3), 3, 6).abs() + 0.5, "i": torch.tensor([2, 0, 1]), "n": torch.tensor([3, -7, 3, 5], dtype=torch.int32),
            "b": m > 0.25, "k": torch.tensor([True, False, True, True])}


def flat(value, torch):
    if isinstance(value, (tuple, list)):
        return [t for part in value for t in flat(part, torch)]
    return [value if isinstance(value, torch.Tensor) else torch.tensor(value)]


def main():
    import torch
    names = {"f32": torch.float32, "f64": torch.float64, "i64": torch.int64, "i32": torch.int32, "bool": torch.bool}
    table = rows(pathlib.Path(os.environ["SUANLI_SOURCE"], "docs/from_pytorch.md"))
    output = subprocess.run([os.environ["SUANLI_PEER_PROGRAMS"] + "/peer_idioms"], check=True, capture_output=True, text=True).stdout
    got = {}
    for line in output.splitlines():
        number, dtype, shape, *values = line.split(" ")
        if dtype == "error":
            got[int(number)] = line
            continue
        shape = [int(size) for size in shape.strip("[]").split(",") if size]
        convert = float if dtype.startswith("f") else int
        t = torch.tensor([convert(value) for value in values if value], dtype=names[dtype]).reshape(shape)
        got.setdefault(int(number), []).append(t)
    failures = 0
    for number, (theirs, ours, target) in enumerate(table):
        scope = {"torch": torch, "F": torch.nn.functional, **inputs(torch)}
        if target:
            exec(theirs, scope)
            want = flat(scope[target], torch)
        else:
            want = flat(eval(theirs, scope), torch)
        have = got.get(number, "no result")
        if isinstance(have, str):
            fault = have
        elif len(have) != len(want):
            fault = f"{len(have)} tensors, expected {len(want)}"
        else:
            fault = next((f"{a.dtype} {list(a.shape)} {a.tolist()}, expected {e.dtype} {list(e.shape)} {e.tolist()}" for a, e in zip(have, want)
                          if a.dtype != e.dtype or a.shape != e.shape or not torch.allclose(a.double(), e.double(), 2e-6, 1e-6, True)), None)
        if fault:
            failures += 1
            print(f"{theirs}  |  {ours}: {fault}")
    print(f"{len(table)} rows, {failures} differ")
    sys.exit(1 if failures or len(table) < LEAST else 0)


if sys.argv[1:2] == ["--generate"]:
    generate(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
else:
    main()
