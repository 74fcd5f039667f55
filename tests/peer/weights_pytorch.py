# SPDX-License-Identifier: Apache-2.0
"""State dicts that PyTorch writes are read to the last bit; files that are no state dicts are refused in one line."""
import argparse
import collections
import datetime
import os
import pathlib
import random
import subprocess
import sys

import numpy
import torch
from safetensors.torch import load_file

READER = os.path.join(os.environ["SUANLI_PEER_PROGRAMS"], "peer_weights")


def read(path):
    run = subprocess.run([READER, path, "out.safetensors"], capture_output=True, text=True)
    return run, load_file("out.safetensors") if run.returncode == 0 else None


def main():
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    state = {name: (torch.randn(3, 4) * 10).to(getattr(torch, name))
             for name in "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()}
    state |= {"scalar": torch.tensor(3), "empty": torch.zeros(0, 3), "transposed": base.t(), "columns": base[:, 2:5], "row": base[3],
              "every other": base[::2, ::3], "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last), "tied": base}
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    average = torch.optim.swa_utils.AveragedModel(network)
    average.update_parameters(network)
    files = {
        "plain.pt": (state, state),
        "network.pth": (network.state_dict(), network.state_dict()),
        "parameters.pt": (dict(network.named_parameters()), dict(network.named_parameters())),
        "checkpoint.pt": ({"epoch": 3, "lr": 0.1, "state_dict": network.state_dict(), "optimizer": optimizer.state_dict()}, network.state_dict()),
        "beside.pt": ({"epoch": 3, "state_dict": network.state_dict(), "best_acc": torch.tensor(71.5), "rng": torch.get_rng_state(),
                       "python": random.getstate(), "numpy": numpy.random.get_state(), "generator": numpy.random.default_rng(1).bit_generator.state,
                       "args": argparse.Namespace(lr=0.1, out=pathlib.Path("x"), device=torch.device("cpu")), "optimizer": optimizer.state_dict(),
                       "history": collections.defaultdict(list, {"loss": [numpy.float64(1.5)]}), "when": datetime.datetime.now()},
                      network.state_dict()),
        "mine.pt": ({"x": {"my_network": network.state_dict()}, "loss": torch.zeros(())}, network.state_dict()),
        "average.pt": (average.state_dict(), average.state_dict()),
    }
    good = True
    for path, (saved, expected) in files.items():
        torch.save(saved, path)
        run, got = read(path)
        equal = got is not None and got.keys() == expected.keys() and all(
            got[k].dtype == v.dtype and got[k].shape == v.shape and torch.equal(got[k], v.detach()) for k, v in expected.items())
        print(path, "equal" if equal else f"DIFFERS {run.stderr}")
        good &= equal

    torch.save(network, "whole.pt")
    torch.save(state, "legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.script(torch.nn.Linear(2, 2)).save("script.pt")
    torch.save({"epoch": 3}, "nothing.pt")
    torch.save({"a": network.state_dict(), "b": network.state_dict()}, "two.pt")
    torch.save({"w": torch.zeros(2).to(torch.float8_e4m3fn)}, "eight.pt")
    torch.save({"w": torch.zeros(2, dtype=torch.complex64)}, "complex.pt")
    torch.save({"w": torch.eye(2).to_sparse()}, "sparse.pt")
    torch.save(state, "protocol.pt", pickle_protocol=4)
    refused = {"two.pt": "fit equally well: a, b", "eight.pt": "'w': an object of torch._utils._rebuild_tensor_v3", "complex.pt": "'w'", "sparse.pt": "'w': an object of torch._utils._rebuild_sparse_tensor",
               "protocol.pt": "protocol 4, expected 2", "whole.pt": "an object of torch.nn.modules.container.Sequential", "legacy.pt": "before PyTorch 1.6",
               "script.pt": "TorchScript program", "nothing.pt": "dict without tensors; its keys are epoch"}
    for path, text in refused.items():
        run, _ = read(path)
        right = run.returncode == 3 and text in run.stderr and run.stderr.count("\n") == 1
        print(path, run.stderr.strip(), "ok" if right else f"EXPECTED {text}")
        good &= right
    sys.exit(0 if good else 1)


main()
