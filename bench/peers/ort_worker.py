# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's side of compare.py, for inference. The network is exported from PyTorch by export_onnx.py in a process of its own, so
that this one holds nothing but ONNX Runtime. See protocol.py."""
import protocol
import onnxruntime as ort

baseline = protocol.memory()   # ONNX Runtime (and NumPy) are imported; no network, no data

import os

from safetensors.numpy import load_file


class Inference:
    def __init__(self, request):
        options = ort.SessionOptions()
        options.intra_op_num_threads = request["threads"]
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if request["spinning"] else "0")
        self.session = ort.InferenceSession(request["onnx"], options, providers=["CPUExecutionProvider"])
        x = load_file(request["data"])["x"]
        self.inputs = [ort.OrtValue.ortvalue_from_numpy(batch) for batch in x]
        # Bound once: no conversions and no lookup of names in a step.
        self.bindings = []
        for value in self.inputs:
            binding = self.session.io_binding()
            binding.bind_ortvalue_input("x", value)
            binding.bind_output("y", "cpu")
            self.bindings.append(binding)
        self.steps = 0

    def step(self):
        binding = self.bindings[self.steps % len(self.bindings)]
        self.session.run_with_iobinding(binding)
        self.steps += 1
        return float(binding.get_outputs()[0].numpy().flat[0])


def load(request):
    work = Inference(request)
    facts = {"threads": request["threads"], "version": ort.__version__, "isa": "by MLAS, from CPUID", "model_bytes": os.path.getsize(request["onnx"])}
    return work, facts


protocol.serve(load, baseline)
