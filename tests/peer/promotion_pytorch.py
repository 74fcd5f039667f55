# SPDX-License-Identifier: Apache-2.0
"""Dtypes of results for all pairs of tensors with axes, 0-d tensors and numbers, against torch.result_type() and torch's division."""
import os
import subprocess

import torch

DTYPES = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i64": torch.int64, "i32": torch.int32,
          "i16": torch.int16, "i8": torch.int8, "u8": torch.uint8, "bool": torch.bool}


def made(dtype, kind):
    if kind == "number":
        return 1.0 if DTYPES[dtype].is_floating_point else True if dtype == "bool" else 1
    return torch.ones([3] if kind == "axes" else [], dtype=DTYPES[dtype])


lines = subprocess.run([os.path.join(os.environ["SUANLI_PEER_PROGRAMS"], "peer_promotion")], check=True, capture_output=True, text=True)
wrong, compared = [], 0
for line in lines.stdout.splitlines():
    a, kind_a, b, kind_b, chosen, quotient = line.split()
    x, y = made(a, kind_a), made(b, kind_b)
    if kind_a == kind_b == "number":   # Python's own
        continue
    compared += 1
    if torch.result_type(x, y) != DTYPES[chosen]:
        wrong.append(f"{line}: {torch.result_type(x, y)}")
    if torch.true_divide(x, y).dtype != DTYPES[quotient]:
        wrong.append(f"{line}: / gives {torch.true_divide(x, y).dtype}")
assert compared == 100 * 8, compared
assert not wrong, "\n".join(wrong)
print(f"{compared} pairs have PyTorch's dtypes")
