"""State dicts that PyTorch writes are read to the last bit; files that are no state dicts are refused in one line."""
import os
import subprocess
import sys

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
    files = {
        "plain.pt": (state, state),
        "network.pth": (network.state_dict(), network.state_dict()),
        "parameters.pt": (dict(network.named_parameters()), dict(network.named_parameters())),
        "checkpoint.pt": ({"epoch": 3, "lr": 0.1, "state_dict": network.state_dict(), "optimizer": optimizer.state_dict()}, network.state_dict()),
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
    refused = {"whole.pt": "names the Python object torch.nn.modules.container.Sequential", "legacy.pt": "before PyTorch 1.6",
               "script.pt": "TorchScript program", "nothing.pt": "dict without tensors; its keys are epoch"}
    for path, text in refused.items():
        run, _ = read(path)
        right = run.returncode == 3 and text in run.stderr and run.stderr.count("\n") == 1
        print(path, run.stderr.strip(), "ok" if right else f"EXPECTED {text}")
        good &= right
    sys.exit(0 if good else 1)


main()
