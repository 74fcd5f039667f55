# SPDX-License-Identifier: Apache-2.0
""".npz files that NumPy itself writes: every type, both orders, stored and deflated, pictures channels first and last."""
import os
import subprocess

import numpy as np

PROGRAM = os.path.join(os.environ["SUANLI_PEER_PROGRAMS"], "peer_dataset")
rng = np.random.default_rng(0)


def read(spec):
    done = subprocess.run([PROGRAM, spec, "out"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.fromfile("out.x", np.float32), np.fromfile("out.y", np.float64)


def check(what, x, y, expected, save=np.savez, **more):
    save("a.npz", x=x, y=y, **more)
    inputs, targets = read("npz:a.npz")
    assert np.array_equal(inputs, expected.astype(np.float32).ravel()), what
    assert np.allclose(targets, y.ravel(), rtol=1e-6), what
    print(what, "ok")


labels = rng.integers(0, 5, 12)
for save in (np.savez, np.savez_compressed):
    for dtype in (np.uint8, np.int8, np.int16, np.int32, np.int64, np.float32, np.float64, bool, ">i4", ">f8"):
        for order in "CF":
            x = np.array(rng.integers(0, 2 if dtype is bool else 100, (12, 7)), dtype, order=order)
            check(f"{save.__name__} {np.dtype(dtype)} {order}", x, labels, x, save)
for y in (labels.astype(np.uint8), labels.astype(np.int32)[:, None], rng.normal(50, 7, 12), rng.normal(50, 7, 12).astype(np.float32)):
    x = rng.normal(0, 1, (12, 3))
    check(f"targets {y.dtype} {y.shape}", x, y, x)
for order in "CF":
    first = np.array(rng.integers(0, 256, (12, 3, 8, 6)), np.uint8, order=order)
    check(f"channels first {order}", first, labels, first / np.float32(255))
    last = np.array(rng.integers(0, 256, (12, 8, 6, 3)), np.uint8, order=order)
    check(f"channels last {order}", last, labels, last.transpose(0, 3, 1, 2) / np.float32(255))
    gray = np.array(rng.integers(0, 256, (12, 8, 6)), np.uint8, order=order)
    check(f"gray {order}", gray, labels, gray / np.float32(255))
    heat = np.array(rng.normal(0, 9, (12, 2, 8, 3)), np.float32, order=order)
    check(f"floats, channels last {order}", heat, labels, heat.transpose(0, 3, 1, 2))
big = rng.integers(0, 256, (300, 40, 40), dtype=np.uint8)   # more than one piece of everything
check("large", big, rng.integers(0, 5, 300), big / np.float32(255), np.savez_compressed)
