# SPDX-License-Identifier: Apache-2.0
"""Every part of a recipe, 50 steps through Trainer, against PyTorch's own: losses and kept weights.

f32 on both sides, all samples in every step (so that their order does not matter), from the same weights: within max(1e-3, twice what PyTorch's
f32 is from its f64). Each part must also change the course: the plain recipe is run beside it.
"""
import os
import shutil
import subprocess
import sys

import numpy as np
import torch
import torch.nn as nn
from safetensors.numpy import load_file, save_file

STEPS, SAMPLES = 50, 240
PLAIN = dict(optimizer="sgd", lr=0.02, momentum=0.9, weight_decay=0.0)


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 256), nn.Linear(256, 128), nn.Linear(128, 10)

    def forward(self, x):
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x.flatten(1))))))


def toml(settings):
    words = {**dict(data=f"glyphs?train={SAMPLES}&test=20", model="mlp", epochs=STEPS, batch_size=SAMPLES, val=0.0, decay="all"), **settings}
    return "".join(f'{k} = "{v}"\n' if isinstance(v, str) else f"{k} = {v}\n" for k, v in words.items())


def suanli(settings):
    shutil.rmtree("run", ignore_errors=True)
    open("config.toml", "w").write(toml(settings))
    program = os.path.join(os.environ["SUANLI_PEER_PROGRAMS"], "peer_recipe")
    out = subprocess.run([program, "config.toml", "weights.safetensors", "data.safetensors"], capture_output=True, text=True)
    if out.returncode:
        sys.exit(out.stderr)
    return np.array([float(line) for line in out.stdout.split()]), load_file("run/model.safetensors")


def pytorch(state, c, schedule=None, smoothing=0.0, weight=None, decay_biases=True, after_backward=None, parts=1, average=None, lookahead=0,
            bias_lr=1.0, frozen_from=STEPS, dtype=torch.float32):
    data = load_file("data.safetensors")
    x, y = torch.from_numpy(data["x"]).to(dtype), torch.from_numpy(data["y"])
    model = Mlp().to(dtype)
    model.load_state_dict(state)
    groups = [dict(params=[p for p in model.parameters() if p.ndim > 1])]
    groups.append(dict(params=[p for p in model.parameters() if p.ndim <= 1], lr=c["lr"] * bias_lr,
                       weight_decay=c["weight_decay"] / bias_lr if decay_biases else 0.0))
    if c["optimizer"] in ("adam", "adamw"):
        make = torch.optim.Adam if c["optimizer"] == "adam" else torch.optim.AdamW
        opt = make(groups, lr=c["lr"], weight_decay=c["weight_decay"])
    else:
        opt = torch.optim.SGD(groups, lr=c["lr"], momentum=c["momentum"], weight_decay=c["weight_decay"], nesterov=c["optimizer"] == "nesterov")
    lrs = schedule(opt) if schedule else None
    loss_of = nn.CrossEntropyLoss(weight=weight(y).to(dtype) if weight else None, label_smoothing=smoothing)
    def toward(before, now, n):   # n is 1 at the first step
        decay = min(average, n.item() / (9 + n.item()))
        return decay * before + (1 - decay) * now

    averaged = torch.optim.swa_utils.AveragedModel(model, avg_fn=toward) if average else None
    if averaged:
        averaged.n_averaged += 1   # the average begins as the weights before the first step
    slow = {k: v.clone() for k, v in model.state_dict().items()}
    losses = []
    for step in range(1, STEPS + 1):
        opt.zero_grad()
        model.fc1.requires_grad_(step <= frozen_from)   # a step is an epoch
        total = 0.0
        for xs, ys in zip(x.chunk(parts), y.chunk(parts)):
            loss = loss_of(model(xs), ys) / parts
            loss.backward()
            total += loss.item()
        if after_backward:
            after_backward(model)
        opt.step()
        if lrs:
            lrs.step()
        if averaged:
            averaged.update_parameters(model)
        if lookahead and (step % lookahead == 0 or step == STEPS):
            decay = 1.0 if step % lookahead else 0.95 ** lookahead * (step / STEPS) ** 3
            with torch.no_grad():
                for k, v in model.state_dict().items():
                    slow[k].lerp_(v, 1 - decay)
                    v.copy_(slow[k])
        losses.append(total)
    return np.array(losses), {k: v.numpy() for k, v in (averaged.module if averaged else model).state_dict().items()}


def differences(losses, kept, peer, weights):
    """The largest relative differences of losses and of kept weights. Root mean squares: Adam divides by the gradient's size, so that an
    element without any goes as its rounding goes."""
    return ((np.abs(losses - peer) / np.abs(peer)).max(),
            max(np.sqrt(((kept[k] - weights[k]) ** 2).mean() / (weights[k] ** 2).mean()) for k in weights))


def balanced(y):
    return torch.tensor([SAMPLES / (10 * max(1, int((y == k).sum()))) for k in range(10)])


lr = torch.optim.lr_scheduler
CASES = {   # name: (settings beyond PLAIN, PyTorch's side)
    "plain": ({}, {}),
    "nesterov": (dict(optimizer="nesterov", weight_decay=1e-3), {}),
    "adam, weight decay": (dict(optimizer="adam", lr=1e-3, momentum=-1.0, weight_decay=1e-2), {}),
    "adamw": (dict(optimizer="adamw", lr=1e-3, momentum=-1.0, weight_decay=0.3), {}),
    "no decay of biases": (dict(weight_decay=0.01, decay="weights"), dict(decay_biases=False)),
    "biases at another rate": (dict(weight_decay=0.01, lr_factors="*.bias=4"), dict(bias_lr=4.0)),
    "a layer for 20 epochs": (dict(freeze_after="fc1.*=20"), dict(frozen_from=20)),
    "label smoothing": (dict(label_smoothing=0.1), dict(smoothing=0.1)),
    "class weights": (dict(class_weights="auto"), dict(weight=balanced)),
    "both": (dict(class_weights="1,2,0.5,1,1,3,1,1,1,0.1", label_smoothing=0.2),
             dict(weight=lambda y: torch.tensor([1, 2, 0.5, 1, 1, 3, 1, 1, 1, 0.1]), smoothing=0.2)),
    "cosine": (dict(schedule="cosine"), dict(schedule=lambda o: lr.CosineAnnealingLR(o, STEPS))),
    "cosine with warm-up": (dict(schedule="cosine", warmup=0.2, lr_start=0.1, lr_end=0.05), dict(schedule=lambda o: lr.SequentialLR(
        o, [lr.LinearLR(o, 0.1, total_iters=10), lr.LambdaLR(o, lambda t: 0.05 + 0.95 * (1 + np.cos(np.pi * t / 40)) / 2)], [10]))),
    "onecycle": (dict(schedule="onecycle"), dict(schedule=lambda o: lr.OneCycleLR(o, PLAIN["lr"], total_steps=STEPS, cycle_momentum=False))),
    "linear": (dict(schedule="linear", lr_end=0.1), dict(schedule=lambda o: lr.LinearLR(o, 1.0, 0.1, total_iters=STEPS))),
    "step": (dict(schedule="step", milestones="0.4,0.8", gamma=0.3), dict(schedule=lambda o: lr.MultiStepLR(o, [20, 40], 0.3))),
    "clipping by norm": (dict(clip_norm=0.2), dict(after_backward=lambda m: nn.utils.clip_grad_norm_(m.parameters(), 0.2))),
    "clipping by value": (dict(clip_value=0.003), dict(after_backward=lambda m: nn.utils.clip_grad_value_(m.parameters(), 0.003))),
    "accumulation": (dict(batch_size=SAMPLES // 6, accumulate=6), dict(parts=6)),
    "average": (dict(ema=0.9), dict(average=0.9)),
    "lookahead": (dict(lookahead=7), dict(lookahead=7)),
}


def main():
    torch.manual_seed(3)
    torch.set_num_threads(1)
    state = {k: v.clone() for k, v in Mlp().state_dict().items()}
    save_file({k: v.numpy() for k, v in state.items()}, "weights.safetensors")
    plain = None
    failed = False
    for name, (settings, theirs) in CASES.items():
        c = {**PLAIN, **settings}
        ours, kept = suanli(c)
        peer, weights = pytorch(state, c, **theirs)
        apart, off = differences(ours, kept, peer, weights)
        own = ""
        good = apart <= 1e-3 and off <= 1e-3
        if not good:   # as far from f64 as PyTorch's f32 goes, ours may go too
            own_apart, own_off = differences(*pytorch(state, c, dtype=torch.float64, **theirs), peer, weights)
            own = f" (PyTorch's own, f32 against f64: {own_apart:.1e}, {own_off:.1e})"
            good = apart <= max(1e-3, 2 * own_apart) and off <= max(1e-3, 2 * own_off)
        plain = (ours, kept) if plain is None else plain
        # Accumulation is the same course by another way; an average shows in what is kept.
        changed = max((np.abs(ours - plain[0]) / plain[0]).max(), max(np.abs(kept[k] - plain[1][k]).max() for k in kept))
        if name not in ("plain", "accumulation"):
            good &= changed > 1e-2
        failed |= not good
        print(f"{name}: losses {peer[0]:.4f} -> {peer[-1]:.4f}; largest relative difference {apart:.1e}, of the kept weights {off:.1e}{own}; "
              f"against plain {changed:.1e} {'ok' if good else 'WRONG'}")
    sys.exit(1 if failed else 0)


main()
