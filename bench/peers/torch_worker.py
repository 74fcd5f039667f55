# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of compare.py: a process that loads a case and runs steps of it when told to. See protocol.py."""
import protocol
import torch

baseline = protocol.memory()   # PyTorch is imported; no network, no data, no other module of ours

import functools

from export_onnx import export
from networks import build, loss_of, optimizer_of, products_of
from safetensors.torch import load_file
from torch._inductor import config as inductor


class Training:
    def __init__(self, request):
        self.network, options = request["case"]["network"], request["case"]["optimizer"]
        self.model, self.x, self.y = loaded(request)
        self.optimizer = optimizer_of(self.model, options)
        self.loss = functools.partial(loss_of, self.network)
        if request["mode"] == "compile":
            self.loss = torch.compile(self.loss, dynamic=False)
        self.steps = 0

    def step(self):
        """One training step; returns the loss, read as a training loop that reports it would."""
        self.optimizer.zero_grad()
        loss = self.loss(self.model, self.x[self.steps % len(self.x)], self.y[self.steps % len(self.y)])
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        return loss.item()

    def parameters(self):
        return sum(p.numel() for p in self.model.parameters())


class Inference:
    def __init__(self, request):
        self.model, self.x, _ = loaded(request)
        self.model.eval()
        self.call = self.model
        if request["mode"] != "eager":
            inductor.freezing = request["mode"] == "compile+freezing"   # weights become constants: packed, batch norm folded
            self.call = torch.compile(self.model, dynamic=False)
        self.steps = 0

    @torch.inference_mode()
    def step(self):
        y = self.call(self.x[self.steps % len(self.x)])
        self.steps += 1
        return y.flatten()[0].item()

    parameters = Training.parameters


class Product:
    """One product or convolution in one direction, straight at ATen: no autograd, no module."""

    def __init__(self, request):
        case = request["case"]
        torch.manual_seed(1)
        x, w = torch.randn(case["x"]), torch.randn(case["w"])
        if case["op"] == "linear":
            g = torch.randn(x.shape[0], w.shape[0])
            self.call = {"forward": lambda: x @ w.t(), "grad_input": lambda: g @ w, "grad_weight": lambda: g.t() @ x}[case["direction"]]
            return
        if request["layout"] == "channels_last":
            x, w = x.contiguous(memory_format=torch.channels_last), w.contiguous(memory_format=torch.channels_last)
        options = [[case["stride"]] * 2, [case["padding"]] * 2, [1, 1], False, [0, 0], 1]
        forward = lambda: torch.ops.aten.convolution(x, w, None, *options)
        g = torch.randn_like(forward())
        gradient = lambda *mask: torch.ops.aten.convolution_backward(g, x, w, None, *options, [*mask, False])
        self.call = {"forward": forward, "grad_input": lambda: gradient(True, False)[0], "grad_weight": lambda: gradient(False, True)[1]}[case["direction"]]

    @torch.inference_mode()
    def step(self):
        return self.call().flatten()[0].item()

    def parameters(self):
        return 0


def loaded(request):
    """The case's network and its batches, in the layout that is asked for."""
    torch.manual_seed(1)
    model = build(request["case"])
    tensors = load_file(request["data"])
    x, y = tensors["x"].unbind(), tensors["y"].unbind()
    if request["layout"] == "channels_last":
        model = model.to(memory_format=torch.channels_last)
        x = [batch.contiguous(memory_format=torch.channels_last) for batch in x]
    return model, x, y


def load(request):
    torch.set_num_threads(request["threads"])
    work = {"train": Training, "infer": Inference, "product": Product}[request["case"]["kind"]](request)
    return work, {"parameters": work.parameters(), "threads": torch.get_num_threads(), "isa": torch.backends.cpu.get_cpu_capability(),
                  "version": torch.__version__}


def flops(work, request):
    from torch.utils.flop_counter import FlopCounterMode
    with FlopCounterMode(display=False) as counter:
        work.step()
    return counter.get_total_flops()


def products(work, request):
    return products_of(request["network"], load_file(request["data"])["x"][0], request["inference"])


def export_onnx(work, request):
    export(request["case"], request["data"], request["onnx"])


protocol.serve(load, baseline, {"flops": flops, "products": products, "export": export_onnx})
