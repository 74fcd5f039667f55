# SPDX-License-Identifier: Apache-2.0
"""Layers and activations that networks are made of, 50 steps of training each, against PyTorch's: the losses of every step.

One text describes a network on both sides. f64: within 1e-7 relative. f32: within max(1e-3, twice what PyTorch's f32 is from its f64). Each
loss must fall, so that there is something to follow.
"""
import os
import subprocess
import sys

import numpy as np
import torch
import torch.nn as nn
from safetensors.numpy import load_file, save_file

STEPS, BATCH, CHANNELS, SIDE, CLASSES = 50, 24, 4, 14, 5
PROGRAM = os.path.join(os.environ["SUANLI_PEER_PROGRAMS"], "peer_parts")


class Add(nn.Module):
    def __init__(self, p, inner):
        super().__init__()
        self.p, self.inner, self.mask = p, inner, None

    def forward(self, x):
        y = self.inner(x)
        return x + (y * self.mask.to(y.dtype).reshape(-1, *[1] * (y.dim() - 1)) if self.p > 0 else y)


class Tokens(nn.Module):
    def forward(self, x):
        return x.flatten(2).transpose(1, 2)


LAYERS = {   # word: (numbers it takes, module)
    "conv": (5, lambda i, o, k, s, g: nn.Conv2d(i, o, k, s, k // 2, groups=g)),
    "linear": (2, nn.Linear),
    "pool": (2, lambda h, w: nn.AdaptiveAvgPool2d((h, w))),
    "batch_norm": (1, nn.BatchNorm2d),
    "layer_norm": (1, nn.LayerNorm),
    "relu": (0, nn.ReLU), "relu6": (0, nn.ReLU6), "gelu": (0, nn.GELU), "silu": (0, nn.SiLU),
    "hardswish": (0, nn.Hardswish), "hardsigmoid": (0, nn.Hardsigmoid),
    "flatten": (0, nn.Flatten), "tokens": (0, Tokens),
}

HEAD = "pool 4 4 flatten linear 256 5"
CASES = {
    "depthwise convolution": f"conv 4 16 1 1 1 conv 16 16 3 1 16 relu {HEAD}",
    "depthwise 5x5 at stride 2": f"conv 4 16 1 1 1 relu conv 16 16 5 2 16 relu {HEAD}",
    "several outputs per channel": f"conv 4 16 3 1 4 relu {HEAD}",
    "grouped convolution": f"conv 4 16 3 1 2 relu conv 16 16 3 2 4 relu {HEAD}",
    "adaptive pooling": "conv 4 8 3 1 1 relu pool 3 5 flatten linear 120 5",
    "adaptive pooling to more": "conv 4 8 3 4 1 relu pool 5 5 flatten linear 200 5",
    "layer norm": "conv 4 16 2 2 1 tokens layer_norm 16 linear 16 16 relu layer_norm 16 flatten linear 1024 5",
    "gelu": f"conv 4 16 3 1 1 gelu {HEAD}",
    "relu6": f"conv 4 16 3 1 1 relu6 {HEAD}",
    "silu": f"conv 4 16 3 1 1 silu {HEAD}",
    "hardswish": f"conv 4 16 3 1 1 batch_norm 16 hardswish {HEAD}",
    "hardsigmoid": f"conv 4 16 3 1 1 batch_norm 16 hardsigmoid batch_norm 16 {HEAD}",
    # Smooth, so that f32 can be compared: PyTorch's own f32 leaves its f64 by 4e-3 where an input of relu rounds to the other side of 0.
    "drop path, never": f"conv 4 16 3 1 1 silu add 0 conv 16 16 3 1 1 silu end {HEAD}",
    "drop path": f"conv 4 16 3 1 1 silu add 0.3 conv 16 16 3 1 1 silu end {HEAD}",
    "inverted residual": f"conv 4 16 3 2 1 batch_norm 16 silu add 0 conv 16 48 1 1 1 batch_norm 48 silu conv 48 48 3 1 48 batch_norm 48 "
                         f"silu conv 48 16 1 1 1 batch_norm 16 end {HEAD}",
    "block of ConvNeXt": "conv 4 16 2 2 1 add 0.2 conv 16 16 7 1 16 end tokens layer_norm 16 linear 16 64 gelu linear 64 16 flatten linear 1024 5",
}


def network(words):
    layers = []
    while words:
        word = words.pop(0)
        if word == "end":
            break
        if word == "add":
            layers.append(Add(float(words.pop(0)), network(words)))
        else:
            count, make = LAYERS[word]
            layers.append(make(*(int(words.pop(0)) for _ in range(count))))
    return nn.Sequential(*layers)


def batches():
    """Classes that a picture shows: a pattern each, in noise."""
    rng = np.random.default_rng(4)
    patterns = rng.normal(size=(CLASSES, CHANNELS, SIDE, SIDE))
    y = rng.integers(0, CLASSES, (STEPS, BATCH))
    return (0.4 * patterns[y] + rng.normal(size=(STEPS, BATCH, CHANNELS, SIDE, SIDE))).astype(np.float32), y


def suanli(text, dtype):
    out = subprocess.run([PROGRAM, text, dtype, "weights.safetensors", "batches.safetensors", "masks.safetensors"], capture_output=True, text=True,
                         env={**os.environ, "SUANLI_CONV": "direct"})   # the same algorithm on both sides, see track_pytorch.py
    if out.returncode:
        sys.exit(out.stderr)
    return np.array([float(line) for line in out.stdout.split()]), load_file("masks.safetensors")["mask"]


def pytorch(text, state, x, y, dtype, masks):
    model = network(text.split()).to(dtype)
    model.load_state_dict({k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    losses = []
    for i in range(STEPS):
        for module in model.modules():
            if isinstance(module, Add):
                module.mask = torch.from_numpy(masks[i])
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.from_numpy(x[i]).to(dtype)), torch.from_numpy(y[i]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def distance(a, b):
    """Largest relative difference; of a loss that is almost 0, relative to a tenth."""
    return (np.abs(a - b) / np.maximum(b, 0.1)).max()


def drops(text):
    words = text.split()
    return max((float(words[i + 1]) for i, word in enumerate(words) if word == "add"), default=0.0)


def main():
    torch.set_num_threads(1)
    x, y = batches()
    save_file({"x": x, "y": y}, "batches.safetensors")
    failed = False
    for name, text in CASES.items():
        torch.manual_seed(3)
        state = {k: v.clone() for k, v in network(text.split()).state_dict().items()}
        save_file({k: v.numpy() for k, v in state.items()}, "weights.safetensors")
        losses = {}
        for dtype in (torch.float64, torch.float32):
            ours, masks = suanli(text, "f64" if dtype == torch.float64 else "f32")
            theirs = losses[dtype] = pytorch(text, state, x, y, dtype, masks)
            p = drops(text)
            kept = np.isclose(masks, 1 / (1 - p))   # whole samples, the others made larger, as often as asked
            good = (kept | (masks == 0)).all() and abs((masks == 0).mean() - p) <= 4 * np.sqrt(p * (1 - p) / masks.size)
            limit = 1e-7 if dtype == torch.float64 else max(1e-3, 2 * distance(theirs, losses[torch.float64]))
            apart = distance(ours, theirs)
            good = good and apart <= limit and theirs[-5:].mean() < 0.9 * theirs[:5].mean()
            failed |= not good
            print(f"{name} {str(dtype)[6:]}: losses {theirs[0]:.4f} -> {theirs[-1]:.4f}; largest relative difference {apart:.1e} "
                  f"(limit {limit:.1e}) {'ok' if good else 'WRONG'}")
    sys.exit(1 if failed else 0)


main()
