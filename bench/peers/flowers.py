# SPDX-License-Identifier: Apache-2.0
"""A small network on a folder of photographs in PyTorch, by the recipe of `suanli train PHOTOS`: what its accuracy is compared with.

    $(scripts/peers --path) bench/peers/flowers.py PHOTOS [--model airbench] [--size 96] [--epochs 60] [--seeds 0 1 2 3 4] [--threads 2]

PHOTOS holds train/ and val/ with one sub-folder per class. Batches of 64, random resized crops (at least 0.35 of the area) and mirror
images, pixels by the channels' mean and deviation over the training pictures. Adam 1e-3; AirBench by its recipe (Jordan 2024), the learning rate for
batches of 64. Prints the accuracy on val/ after the last epoch and the best of all epochs, and the mean training loss of the last epoch, for
each seed.
"""
import argparse
import os
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from networks import AirBench, CnnBn
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

BATCH = 64


class CnnB(nn.Module):
    def __init__(self, size, classes):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 64, 3)
        side = ((size - 2) // 2 - 2) // 2
        self.fc1, self.fc2 = nn.Linear(64 * side * side, 128), nn.Linear(128, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class Adam:
    """A constant learning rate."""
    smoothing = 0

    def __init__(self, model, steps):
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def before(self, epoch):
        pass

    def step(self):
        self.optimizer.step()


class Lookahead:
    """AirBench's: Nesterov's descent up to a peak and down, the weights going back to their average every five steps."""
    smoothing, lr, warmup, begin, end, decay = 0.2, 1.5 * BATCH / 1024, 0.23, 0.2, 0.07, 0.0153 / 11.5

    def __init__(self, model, steps):
        self.model, self.steps, self.done = model, steps, 0
        shifts = [p for name, p in model.named_parameters() if "norm" in name and name.endswith("bias")]
        others = [p for name, p in model.named_parameters() if not ("norm" in name and name.endswith("bias")) and p.requires_grad]
        self.factors = [64, 1]
        self.optimizer = torch.optim.SGD([dict(params=shifts, weight_decay=self.decay / 64), dict(params=others, weight_decay=self.decay)],
                                         lr=self.lr, momentum=0.85, nesterov=True)
        self.average = {k: v.clone() for k, v in model.state_dict().items() if v.is_floating_point()}

    def before(self, epoch):
        self.model.whitening.bias.requires_grad_(epoch < 3)
        if epoch >= 3:
            self.model.whitening.bias.grad = None

    def step(self):
        rise, t = int(self.warmup * self.steps), self.done
        factor = self.begin + (1 - self.begin) * t / rise if t < rise else 1 + (self.end - 1) * (t - rise) / (self.steps - rise)
        for group, own in zip(self.optimizer.param_groups, self.factors):
            group["lr"] = self.lr * factor * own
        self.optimizer.step()
        self.done += 1
        with torch.no_grad():
            state = self.model.state_dict()
            if self.done % 5 == 0:
                keep = 0.95 ** 5 * (self.done / self.steps) ** 3
                for k, a in self.average.items():
                    a.lerp_(state[k], 1 - keep)
            if self.done % 5 == 0 or self.done == self.steps:
                for k, a in self.average.items():
                    state[k].copy_(a)


MODELS = {"cnn_b": (CnnB, Adam), "cnn_bn": (CnnBn, Adam), "airbench": (AirBench, Lookahead)}


def decoded(folder):
    return [(Image.open(path).convert("RGB"), y) for path, y in ImageFolder(folder).samples]


def run(options, seed, train, val, classes, mean, std):
    torch.manual_seed(seed)
    size = options.size
    numbers = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
    view = v2.Compose([v2.RandomResizedCrop(size, (0.35, 1)), v2.RandomHorizontalFlip(), *numbers])
    whole = v2.Compose([v2.Resize(size), v2.CenterCrop(size), *numbers])
    vx, vy = torch.stack([whole(p) for p, _ in val]), torch.tensor([y for _, y in val])
    y = torch.tensor([label for _, label in train])
    network, recipe = MODELS[options.model]
    with torch.no_grad():
        model = network(size, classes)
        if hasattr(model, "whiten"):
            model.whiten(torch.stack([whole(p) for p, _ in train]))
    opt = recipe(model, options.epochs * -(-len(train) // BATCH))
    best = last = 0.0
    for epoch in range(options.epochs):
        model.train()
        opt.before(epoch)
        total = 0.0
        for at in torch.randperm(len(train)).split(BATCH):
            x = torch.stack([view(train[i][0]) for i in at.tolist()])
            model.zero_grad()
            loss = F.cross_entropy(model(x), y[at], label_smoothing=opt.smoothing)
            loss.backward()
            opt.step()
            total += loss.item() * len(at)
        model.eval()
        with torch.no_grad():
            last = (model(vx).argmax(1) == vy).float().mean().item()
        best = max(best, last)
    return last, best, total / len(train)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("photos"), p.add_argument("--model", choices=MODELS, default="airbench")
    p.add_argument("--size", type=int, default=96), p.add_argument("--epochs", type=int, default=60)
    p.add_argument("--seeds", type=int, nargs="+", default=range(5)), p.add_argument("--threads", type=int, default=2)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    train, val = (decoded(os.path.join(o.photos, part)) for part in ("train", "val"))
    pixels = torch.cat([v2.functional.pil_to_tensor(p.resize((o.size, o.size))).flatten(1).float() / 255 for p, _ in train], 1)
    mean, std = pixels.mean(1).tolist(), pixels.std(1).tolist()
    results = []
    for seed in o.seeds:
        begin = time.perf_counter()
        last, best, loss = run(o, seed, train, val, len(set(y for _, y in train)), mean, std)
        results.append((last, best))
        print(f"pytorch {torch.__version__} {o.model} seed {seed}: last {last:.4f}, best {best:.4f}, training loss {loss:.4f}, {time.perf_counter() - begin:.0f} s", flush=True)
    print(f"mean of {len(results)}: last {statistics.mean(r[0] for r in results):.4f}, best {statistics.mean(r[1] for r in results):.4f}")


main()
