"""Writes one of networks.py as ONNX with torch.onnx.export, with torch_worker.py's weights and the batch size of DATA.

    export_onnx.py NETWORK DATA.safetensors OUT.onnx
"""
import sys

import torch
from networks import BUILDERS
from safetensors.torch import load_file

name, data, out = sys.argv[1:]
torch.manual_seed(1)
model = BUILDERS[name]().eval()
x = load_file(data)["x"][0]
torch.onnx.export(model, (x,), out, input_names=["x"], output_names=["y"], opset_version=18, dynamo=False)
