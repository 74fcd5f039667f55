# SPDX-License-Identifier: Apache-2.0
"""Losses, convolutions, pooling and modules against PyTorch's: values and the gradients of Σ y² for all inputs and parameters, in f32 and f64.

Modules take PyTorch's state, so that the names of theirs are compared too. tests/peer/functions.cpp has the calls by the same names.
"""
import os
import subprocess
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

PROGRAM = os.path.join(os.environ["SUANLI_PEER_PROGRAMS"], "peer_functions")
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-11}   # relative to the largest element, beside the same absolutely


def real(*shape):
    return lambda dtype: torch.randn(shape, dtype=dtype)


def unit(*shape):
    return lambda dtype: torch.rand(shape, dtype=dtype) * 0.9 + 0.05


def signs(*shape):
    return lambda dtype: torch.randint(0, 2, shape).to(dtype) * 2 - 1


def below(n, *shape):
    return lambda dtype: torch.randint(0, n, shape)


def mask(*shape):
    def make(dtype):
        m = torch.rand(shape) < 0.3
        m[..., 0] = False
        return m
    return make


def seen(*shape):
    return lambda dtype: ~mask(*shape)(dtype)


def joined(y):
    out, state = y
    return torch.cat([t.flatten() for t in (out, *(state if isinstance(state, tuple) else (state,)))])


X = real(2, 4, 9, 8)
CASES = {   # name: (inputs, a function of them, or of a module and them, the module)
    "pad": ([X], lambda x: F.pad(x, (1, 2, -1, 3), value=1.5)),
    "pad_reflect": ([X], lambda x: F.pad(x, (2, 1, 1, 3), mode="reflect")),
    "pad_replicate": ([X], lambda x: F.pad(x, (2, 1, 0, 7), mode="replicate")),
    "pad_circular": ([X], lambda x: F.pad(x, (2, 1, 3, 0), mode="circular")),
    "conv2d_same": ([X, real(6, 4, 4, 3), real(6)], lambda x, w, b: F.conv2d(x, w, b, padding="same", dilation=(1, 2))),
    "conv1d_valid": ([real(2, 4, 9), real(6, 4, 3)], lambda x, w: F.conv1d(x, w, stride=2, padding="valid")),
    "conv2d_one": ([real(4, 9, 8), real(6, 4, 2, 3)], F.conv2d),
    "max_pool2d": ([X], lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0), (1, 2), ceil_mode=True)),
    "avg_pool2d": ([X], lambda x: F.avg_pool2d(x, (3, 2), (2, 3), (1, 1), ceil_mode=True, count_include_pad=False)),
    "avg_pool2d_divisor": ([X], lambda x: F.avg_pool2d(x, 2, divisor_override=3)),
    "max_pool1d": ([real(2, 4, 9)], lambda x: F.max_pool1d(x, 3, 2, 1)),
    "avg_pool1d": ([real(4, 10)], lambda x: F.avg_pool1d(x, 3, 2, 1, ceil_mode=True)),
    "adaptive_max_pool2d": ([X], lambda x: F.adaptive_max_pool2d(x, (3, 4))),
    "adaptive_avg_pool1d": ([real(2, 4, 9)], lambda x: F.adaptive_avg_pool1d(x, 4)),
    "nearest": ([X], lambda x: F.interpolate(x, (5, 21))),
    "nearest_factor": ([X], lambda x: F.interpolate(x, scale_factor=2.6)),
    "bilinear": ([X], lambda x: F.interpolate(x, (5, 21), mode="bilinear")),
    "bilinear_factor": ([X], lambda x: F.interpolate(x, scale_factor=2.6, mode="bilinear")),
    "bilinear_corners": ([X], lambda x: F.interpolate(x, (17, 1), mode="bilinear", align_corners=True)),
    "pixel_shuffle": ([real(2, 8, 3, 4)], lambda x: F.pixel_shuffle(x, 2)),
    "pixel_unshuffle": ([real(2, 3, 4, 6)], lambda x: F.pixel_unshuffle(x, 2)),
    "cross_entropy": ([real(9, 4), below(4, 9), unit(4)], lambda x, t, w: F.cross_entropy(x, t, w.detach(), ignore_index=1, label_smoothing=0.1)),
    "cross_entropy#pictures": ([real(2, 4, 3, 5), below(4, 2, 3, 5), unit(4)],
                               lambda x, t, w: F.cross_entropy(x, t, w.detach(), ignore_index=1, label_smoothing=0.1)),
    "cross_entropy_plain": ([real(9, 4), below(4, 9)], F.cross_entropy),
    "cross_entropy_plain#one": ([real(4), below(4)], F.cross_entropy),
    "cross_entropy_none": ([real(2, 4, 3), below(4, 2, 3), unit(4)],
                           lambda x, t, w: F.cross_entropy(x, t, w.detach(), ignore_index=1, reduction="none")),
    "cross_entropy_soft": ([real(9, 4), unit(9, 4), unit(4)],
                           lambda x, t, w: F.cross_entropy(x, t, w.detach(), reduction="sum", label_smoothing=0.2)),
    "nll_loss": ([real(2, 4, 3), below(4, 2, 3), unit(4)], lambda x, t, w: F.nll_loss(x, t, w.detach(), ignore_index=0)),
    "multi_margin": ([real(9, 4), below(4, 9), unit(4)], lambda x, t, w: F.multi_margin_loss(x, t, 2, 0.7, w.detach())),
    "bce": ([unit(3, 4), unit(3, 4), unit(3, 4)], lambda x, t, w: F.binary_cross_entropy(x, t.detach(), w.detach())),
    "bce_logits": ([real(3, 4), unit(3, 4), unit(3, 4), unit(4)],
                   lambda x, t, w, p: F.binary_cross_entropy_with_logits(x, t, w.detach(), reduction="none", pos_weight=p.detach())),
    "kl_div": ([real(3, 4), unit(3, 4)], lambda x, t: F.kl_div(x, t, reduction="batchmean")),
    "kl_div_log": ([real(3, 4), real(3, 4)], lambda x, t: F.kl_div(x, t, log_target=True)),
    "poisson": ([real(3, 4), lambda dtype: torch.rand(3, 4, dtype=dtype) * 4], lambda x, t: F.poisson_nll_loss(x, t, full=True)),
    "poisson_plain": ([unit(3, 4), unit(3, 4)], lambda x, t: F.poisson_nll_loss(x, t, log_input=False, reduction="sum")),
    "gaussian": ([real(3, 4), real(3, 4), unit(3)], lambda x, t, v: F.gaussian_nll_loss(x, t, v, full=True)),
    "mse_none": ([real(3, 4), real(3, 4)], lambda x, y: F.mse_loss(x, y, reduction="none")),
    "l1": ([real(3, 4), real(3, 4)], F.l1_loss),
    "smooth_l1": ([real(3, 4), real(3, 4)], lambda x, y: F.smooth_l1_loss(x, y, reduction="sum", beta=0.5)),
    "huber": ([real(3, 4), real(3, 4)], lambda x, y: F.huber_loss(x, y, delta=0.7)),
    "cosine_similarity": ([real(3, 4), real(3, 4)], lambda x, y: F.cosine_similarity(x, y, -1)),
    "pairwise": ([real(3, 4), real(3, 4)], lambda x, y: F.pairwise_distance(x, y, 3)),
    "cosine_embedding": ([real(5, 4), real(5, 4), signs(5)], lambda x, y, t: F.cosine_embedding_loss(x, y, t.detach(), 0.1)),
    "hinge": ([real(5, 4), signs(5, 4)], lambda x, t: F.hinge_embedding_loss(x, t.detach())),
    "ranking": ([real(5), real(5), signs(5)], lambda x, y, t: F.margin_ranking_loss(x, y, t, 0.3)),
    "soft_margin": ([real(5, 4), signs(5, 4)], lambda x, t: F.soft_margin_loss(x, t.detach(), reduction="none")),
    "triplet": ([real(5, 4), real(5, 4), real(5, 4)], lambda a, p, n: F.triplet_margin_loss(a, p, n, p=1.5, swap=True)),
    "selu": ([X], None, lambda: nn.SELU()),
    "mish": ([X], None, lambda: nn.Mish()),
    "logsigmoid": ([X], None, lambda: nn.LogSigmoid()),
    "softsign": ([X], None, lambda: nn.Softsign()),
    "tanhshrink": ([X], None, lambda: nn.Tanhshrink()),
    "leaky_relu": ([X], None, lambda: nn.LeakyReLU(0.2)),
    "elu": ([X], None, lambda: nn.ELU(0.7)),
    "celu": ([X], None, lambda: nn.CELU(0.5)),
    "hardshrink": ([X], None, lambda: nn.Hardshrink(0.4)),
    "softshrink": ([X], None, lambda: nn.Softshrink(0.4)),
    "group_norm": ([X], None, lambda: nn.GroupNorm(2, 4)),
    "instance_norm": ([X], None, lambda: nn.InstanceNorm2d(4, affine=True)),
    "rms_norm": ([real(3, 5)], None, lambda: nn.RMSNorm(5)),
    "conv2d": ([X], None, lambda: nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (1, 2), groups=2)),
    "conv2d_reflect": ([X], None, lambda: nn.Conv2d(4, 6, 3, padding=2, padding_mode="reflect")),
    "conv2d_circular_same": ([X], None, lambda: nn.Conv2d(4, 6, (4, 3), padding="same", padding_mode="circular")),
    "conv1d": ([real(2, 4, 9)], None, lambda: nn.Conv1d(4, 6, 3, 2, 1, bias=False)),
    "conv_transpose2d": ([real(2, 4, 3, 4)], None, lambda: nn.ConvTranspose2d(4, 6, (3, 4), (2, 3), 1, (1, 0), groups=2)),
    "conv_transpose2d_wide": ([real(2, 4, 3, 4)], None, lambda: nn.ConvTranspose2d(4, 6, 3, 1, 1, 1, dilation=2)),
    "conv_transpose1d": ([real(2, 4, 5)], None, lambda: nn.ConvTranspose1d(4, 6, 3, 2)),
    "embedding": ([below(6, 2, 5)], None, lambda: nn.Embedding(6, 3, padding_idx=2)),
    "attention": ([real(2, 3, 5, 4), real(2, 3, 6, 4), real(2, 3, 6, 4), seen(2, 1, 5, 6)], lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m)),
    "attention#added": ([real(2, 3, 5, 4), real(2, 3, 6, 4), real(2, 3, 6, 4), real(5, 6)], lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m)),
    "mha": ([real(2, 5, 8), real(2, 6, 8), real(2, 6, 8), mask(2, 6), mask(5, 6)],
            lambda m, q, k, v, p, a: m(q, k, v, key_padding_mask=p, attn_mask=a)[0], lambda: nn.MultiheadAttention(8, 2, batch_first=True)),
    "lstm": ([real(2, 5, 3)], lambda m, x: joined(m(x)), lambda: nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True)),
    "gru": ([real(5, 2, 3), real(2, 2, 4)], lambda m, x, h: joined(m(x, h)), lambda: nn.GRU(3, 4, 2)),
    "rnn": ([real(5, 3)], lambda m, x: joined(m(x)), lambda: nn.RNN(3, 4, bias=False, nonlinearity="relu")),
    "lstm_cell": ([real(2, 3), real(2, 4), real(2, 4)], lambda m, x, h, c: torch.cat(m(x, (h, c))), lambda: nn.LSTMCell(3, 4)),
    "gru_cell": ([real(2, 3), real(2, 4)], lambda m, x, h: m(x, h), lambda: nn.GRUCell(3, 4)),
}


def main():
    torch.manual_seed(3)
    given, want = {}, {}
    for name, (makers, function, *module) in CASES.items():
        for dtype in TOLERANCE:
            case = f"{name}{'' if '#' in name else '#'}{str(dtype)[6:]}"
            inputs = [make(dtype) for make in makers]
            for i, x in enumerate(inputs):
                given[f"{case}/x{i}"] = x.clone()
            floats = [(i, x.requires_grad_()) for i, x in enumerate(inputs) if x.is_floating_point()]
            if module:
                m = module[0]().to(dtype)
                for p in m.parameters():   # not the zeros and ones that biases and norms begin with
                    p.data += torch.rand_like(p) * 0.5
                given.update({f"{case}/state/{k}": v.detach().clone() for k, v in m.state_dict().items()})
                y = function(m, *inputs) if function else m(*inputs)
            else:
                y = function(*inputs)
            y.square().sum().backward()
            want[f"{case}/y"] = y.detach()
            for i, x in floats:
                want[f"{case}/g{i}"] = x.grad
            if module:
                want.update({f"{case}/state/{k}": p.grad for k, p in m.named_parameters()})
    save_file({k: v.contiguous() for k, v in given.items()}, "in.safetensors")
    subprocess.run([PROGRAM, "in.safetensors", "out.safetensors"], check=True)
    got, failures, compared = load_file("out.safetensors"), 0, 0
    for name, value in want.items():
        if value is None:   # PyTorch has no gradient for weights and targets of some losses
            continue
        compared += 1
        other = got[name]
        if other.shape != value.shape or other.dtype != value.dtype:
            print(f"{name}: {other.dtype} {list(other.shape)}, expected {value.dtype} {list(value.shape)}")
            failures += 1
            continue
        off = (other - value).abs().max().item() if value.numel() else 0
        if not off <= TOLERANCE[value.dtype] * (1 + value.abs().max().item()):
            print(f"{name}: off by {off:.3g}, largest {value.abs().max().item():.3g}")
            failures += 1
    print(f"{len(CASES)} calls in two dtypes, {compared} tensors compared: {failures} differ")
    sys.exit(1 if failures or compared < 4 * len(CASES) else 0)


main()
