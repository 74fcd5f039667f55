"""A small network on a folder of photographs in PyTorch, by the recipe of `suanli train PHOTOS`: what its accuracy is compared with.

    $(scripts/peers --path) bench/peers/flowers.py PHOTOS [--model cnn_b] [--size 96] [--epochs 60] [--seeds 5] [--threads 2]

PHOTOS holds train/ and val/ with one sub-folder per class. Adam 1e-3, batches of 64, random resized crops (at least 0.35 of the area) and
mirror images, pixels by the channels' mean and deviation over the training pictures. Prints the accuracy on val/ after the last epoch and
the best of all epochs, and the mean training loss of the last epoch, for each seed.
"""
import argparse
import os
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
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


class CnnBn(nn.Module):
    def __init__(self, size, classes):
        super().__init__()
        stages, width = [], 3
        for out in (32, 64, 128):
            stages += [nn.Conv2d(width, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
            width = out
        self.stages, self.drop, self.fc = nn.Sequential(*stages), nn.Dropout(0.2), nn.Linear(128 * (size // 8) ** 2, classes)

    def forward(self, x):
        return self.fc(self.drop(self.stages(x).flatten(1)))


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
    model = {"cnn_b": CnnB, "cnn_bn": CnnBn}[options.model](size, classes)
    opt = torch.optim.Adam(model.parameters(), lr=1e-3)
    best = last = 0.0
    for _ in range(options.epochs):
        model.train()
        total = 0.0
        for at in torch.randperm(len(train)).split(BATCH):
            x = torch.stack([view(train[i][0]) for i in at.tolist()])
            opt.zero_grad()
            loss = F.cross_entropy(model(x), y[at])
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
    p.add_argument("photos"), p.add_argument("--model", choices=["cnn_b", "cnn_bn"], default="cnn_b")
    p.add_argument("--size", type=int, default=96), p.add_argument("--epochs", type=int, default=60)
    p.add_argument("--seeds", type=int, default=5), p.add_argument("--threads", type=int, default=2)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    train, val = (decoded(os.path.join(o.photos, part)) for part in ("train", "val"))
    pixels = torch.cat([v2.functional.pil_to_tensor(p.resize((o.size, o.size))).flatten(1).float() / 255 for p, _ in train], 1)
    mean, std = pixels.mean(1).tolist(), pixels.std(1).tolist()
    results = []
    for seed in range(o.seeds):
        begin = time.perf_counter()
        last, best, loss = run(o, seed, train, val, len(set(y for _, y in train)), mean, std)
        results.append((last, best))
        print(f"pytorch {torch.__version__} {o.model} seed {seed}: last {last:.4f}, best {best:.4f}, training loss {loss:.4f}, {time.perf_counter() - begin:.0f} s", flush=True)
    print(f"mean of {o.seeds}: last {statistics.mean(r[0] for r in results):.4f}, best {statistics.mean(r[1] for r in results):.4f}")


main()
