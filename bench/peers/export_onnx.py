# SPDX-License-Identifier: Apache-2.0
"""Writes a case's network as ONNX with torch.onnx.export, with torch_worker.py's weights and the batch size of DATA.

    export_onnx.py CASE_AS_JSON DATA.safetensors OUT.onnx
"""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from networks import build
from safetensors.torch import load_file


class AdaptivePool(nn.Module):
    """nn.AdaptiveAvgPool2d for inputs of one size, as two products: the exporter knows it only where the output's size divides the input's."""

    def __init__(self, size, output):
        super().__init__()
        for name, inner, outer in zip(("rows", "columns"), size, output):
            self.register_buffer(name, F.adaptive_avg_pool1d(torch.eye(inner)[None], outer)[0].T.contiguous())   # [outer, inner]

    def forward(self, x):
        return self.rows @ x @ self.columns.T


def with_known_pools(model, x):
    """Replaces the poolings of vgg11's kind, once for the sizes that x brings."""
    found = {}
    pools = {name: m for name, m in model.named_modules() if isinstance(m, nn.AdaptiveAvgPool2d) and m.output_size not in (1, (1, 1))}

    def note(name, inputs):
        found[name] = inputs[0].shape[2:]

    hooks = [m.register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs)) for name, m in pools.items()]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    for name, size in found.items():
        if any(inner % outer for inner, outer in zip(size, pools[name].output_size)):
            model.set_submodule(name, AdaptivePool(size, pools[name].output_size))
    return model


def export(case, data, out):
    torch.manual_seed(1)
    x = load_file(data)["x"][0]
    model = with_known_pools(build(case).eval(), x)
    torch.backends.mha.set_fastpath_enabled(False)   # the fused attention of an encoder has no ONNX form
    torch.onnx.export(model, (x,), out, input_names=["x"], output_names=["y"], opset_version=18, dynamo=False)
    torch.backends.mha.set_fastpath_enabled(True)


if __name__ == "__main__":
    case, data, out = sys.argv[1:]
    export(json.loads(case), data, out)
