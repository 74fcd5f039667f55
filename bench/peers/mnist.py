# SPDX-License-Identifier: Apache-2.0
"""The networks cnn_b and cnn_c on MNIST in PyTorch, data in memory: what `suanli train mnist:DIR --val 0` is compared with.

    $(scripts/peers --path) bench/peers/mnist.py DIR cnn_c 10 [--channels-last] [--seed N] [--threads N]
Prints seconds of training, of the whole process, and the test accuracy.
"""
import argparse
import gzip
import os
import time

start = time.perf_counter()
import numpy as np
import torch
import torch.nn.functional as F
from networks import Cnn


def idx(path, header):
    with gzip.open(path) as f:
        return np.frombuffer(f.read(), np.uint8, offset=header)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("dir"), p.add_argument("model", choices=["cnn_b", "cnn_c"]), p.add_argument("epochs", type=int)
    p.add_argument("--channels-last", action="store_true"), p.add_argument("--seed", type=int, default=1), p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    load = lambda kind, n: (torch.from_numpy(idx(os.path.join(a.dir, f"{kind}-images-idx3-ubyte.gz"), 16).reshape(n, 1, 28, 28).astype(np.float32) / 255),
                            torch.from_numpy(idx(os.path.join(a.dir, f"{kind}-labels-idx1-ubyte.gz"), 8).astype(np.int64)))
    x, y = load("train", 60000)
    tx, ty = load("t10k", 10000)
    model = Cnn(3, 32, 64, 128) if a.model == "cnn_b" else Cnn(5, 10, 20, 50)
    if a.channels_last:
        model = model.to(memory_format=torch.channels_last)
        x, tx = x.to(memory_format=torch.channels_last), tx.to(memory_format=torch.channels_last)
    opt = torch.optim.Adam(model.parameters(), lr=1e-3) if a.model == "cnn_b" else torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    begin = time.perf_counter()
    for _ in range(a.epochs):
        order = torch.randperm(len(x))
        for i in range(0, len(x), 64):
            at = order[i:i + 64]
            opt.zero_grad()
            F.nll_loss(model(x[at]), y[at]).backward()
            opt.step()
    train = time.perf_counter() - begin
    model.eval()
    with torch.no_grad():
        right = sum((model(tx[i:i + 500]).argmax(1) == ty[i:i + 500]).sum().item() for i in range(0, len(tx), 500))
    print(f"pytorch {torch.__version__} {a.model} {'channels_last' if a.channels_last else 'nchw'}: training {train:.1f} s, "
          f"process {time.perf_counter() - start:.1f} s, test accuracy {right / len(tx):.4f}")


main()
