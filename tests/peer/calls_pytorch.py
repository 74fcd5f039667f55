# SPDX-License-Identifier: Apache-2.0
"""Random calls of ops, and compositions of them, through `suanli ops run`, compared with PyTorch: values and gradients.

The seed is new in every run and printed; SUANLI_SEED repeats one. A composition is compared call by call, so that the first call that
differs is named with its inputs. Where a case of f32 differs by more than the tolerance, both are compared with the same case in f64: an
ill-conditioned value may be as far from that as a few times PyTorch's own value is. So it is with f16 and bf16. NumPy has no bf16: such an
array goes in as f32, and a call casts it.
"""
import functools
import json
import os
import random
import subprocess
import sys

import numpy as np
import torch
import torch.nn.functional as F

CALLS, COMPOSITIONS = 3000, 1000
FLOATS = ("f32", "f64", "f16", "bf16")
HALVES = ("f16", "bf16")
TORCH = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16, "i64": torch.int64, "bool": torch.bool}
NAMES = {dtype: name for name, dtype in TORCH.items()}
ERRORS_OF_PYTORCH = 4   # how many of PyTorch's largest errors an ill-conditioned value may be off
# Relative to the largest element, beside the same absolutely. Those of 16 bits: two units in the last place.
TOLERANCE = {"f32": 3e-5, "f64": 1e-11, "f16": 2**-9, "bf16": 2**-6}
F16_SAFE = 2.0**13  # an eighth of the largest number
# Steps and kinks: where a computed value of 16 bits is rounded otherwise, their results or gradients are others.
KINKED = {"floor", "sign", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_not", "maximum", "minimum", "abs", "relu", "relu6",
          "hardsigmoid", "hardswish", "multiply_no_nan", "ceil", "round", "trunc", "frac", "fmod", "remainder", "hardshrink", "softshrink", "hardtanh",
          "threshold", "leaky_relu", "clamp", "clamp_min", "clamp_max"}
# At a tie with a tensor as the bound, PyTorch gives half of the gradient to each; ours gives it to the input, as for numbers. 16 bits often tie.
TIED = {"clamp", "clamp_min", "clamp_max"}


def unary(function, domain="real", dtypes=FLOATS, gradient=True):
    return {"kind": "unary", "torch": function, "domain": domain, "dtypes": dtypes, "gradient": gradient}


def binary(function, domain="real", dtypes=FLOATS, gradient=True):
    return {"kind": "binary", "torch": function, "domain": domain, "dtypes": dtypes, "gradient": gradient}


POINTWISE = {
    "exp": unary(torch.exp), "log": unary(torch.log, "positive"), "log1p": unary(torch.log1p, "positive"),
    "sqrt": unary(torch.sqrt, "positive"), "rsqrt": unary(torch.rsqrt, "positive"), "square": unary(torch.square, dtypes=(*FLOATS, "i64")),
    "sin": unary(torch.sin), "cos": unary(torch.cos), "tanh": unary(torch.tanh), "erf": unary(torch.erf), "sigmoid": unary(torch.sigmoid),
    "relu": unary(torch.relu), "gelu": unary(F.gelu), "silu": unary(F.silu), "softplus": unary(F.softplus), "abs": unary(torch.abs),
    "neg": unary(torch.neg, dtypes=(*FLOATS, "i64")), "floor": unary(torch.floor), "sign": unary(torch.sign),
    "reciprocal": unary(torch.reciprocal, "positive"), "hardswish": unary(F.hardswish),
    "add": binary(torch.add, dtypes=(*FLOATS, "i64")), "sub": binary(torch.sub, dtypes=(*FLOATS, "i64")),
    "mul": binary(torch.mul, dtypes=(*FLOATS, "i64")), "div": binary(torch.div, "positive"), "pow": binary(torch.pow, "positive"),
    "maximum": binary(torch.maximum, dtypes=(*FLOATS, "i64")), "minimum": binary(torch.minimum, dtypes=(*FLOATS, "i64")),
    "eq": binary(torch.eq, dtypes=("f32", *HALVES, "i64"), gradient=False), "lt": binary(torch.lt, dtypes=("f32", *HALVES, "i64"), gradient=False),
    "ge": binary(torch.ge, dtypes=("f32", *HALVES, "i64"), gradient=False), "gt": binary(torch.gt, dtypes=("f32", *HALVES, "i64"), gradient=False),
    "le": binary(torch.le, dtypes=("f32", *HALVES, "i64"), gradient=False), "ne": binary(torch.ne, dtypes=("f32", *HALVES, "i64"), gradient=False),
    "logical_and": binary(torch.logical_and, dtypes=("f32", *HALVES, "i64", "bool"), gradient=False),
    "logical_or": binary(torch.logical_or, dtypes=("f32", *HALVES, "i64", "bool"), gradient=False),
    "logical_not": unary(torch.logical_not, dtypes=("f32", *HALVES, "i64", "bool"), gradient=False),
    "isfinite": unary(torch.isfinite, gradient=False), "relu6": unary(F.relu6),
    "hardsigmoid": unary(lambda x: F.relu6(x + 3) / 6),   # the gradient of F.hardsigmoid has 1/6 in f32 for f64
    "multiply_no_nan": binary(lambda x, y: torch.where(y == 0, 0, x * y)),
    "div_trunc": binary(lambda x, y: torch.div(x, y, rounding_mode="trunc"), "positive", dtypes=("i64",), gradient=False),
    "div_floor": binary(lambda x, y: torch.div(x, y, rounding_mode="floor"), "positive", dtypes=("i64",), gradient=False),
    "exp2": unary(torch.exp2), "expm1": unary(torch.expm1), "log2": unary(torch.log2, "positive"), "log10": unary(torch.log10, "positive"),
    "tan": unary(torch.tan, "unit"), "asin": unary(torch.asin, "unit"), "acos": unary(torch.acos, "unit"), "atan": unary(torch.atan),
    "sinh": unary(torch.sinh), "cosh": unary(torch.cosh), "asinh": unary(torch.asinh), "acosh": unary(torch.acosh, "above_one"),
    "atanh": unary(torch.atanh, "unit"), "erfc": unary(torch.erfc), "frac": unary(torch.frac),
    "ceil": unary(torch.ceil, dtypes=("f32", "f64", "i64")), "round": unary(torch.round, dtypes=("f32", "f64", "i64")),
    "trunc": unary(torch.trunc, dtypes=("f32", "f64", "i64")),
    "isnan": unary(torch.isnan, dtypes=("f32", "i64"), gradient=False), "isinf": unary(torch.isinf, dtypes=("f32", "i64"), gradient=False),
    "gelu_tanh": unary(lambda x: F.gelu(x, approximate="tanh")),
    "selu": unary(F.selu), "mish": unary(F.mish), "logsigmoid": unary(F.logsigmoid), "softsign": unary(F.softsign),
    "tanhshrink": unary(F.tanhshrink), "leaky_relu": unary(F.leaky_relu), "elu": unary(F.elu), "celu": unary(F.celu, dtypes=("f32",)),   # its 1/alpha is f32 for f64
   
    "hardshrink": unary(F.hardshrink), "softshrink": unary(F.softshrink), "hardtanh": unary(F.hardtanh), "logit": unary(torch.logit, "share"),
    "bitwise_not": unary(torch.bitwise_not, dtypes=("i64", "bool"), gradient=False),
    "atan2": binary(torch.atan2, "positive"), "fmod": binary(torch.fmod, "positive"), "remainder": binary(torch.remainder, "positive"),
    "clamp_min": binary(torch.clamp_min), "clamp_max": binary(torch.clamp_max),
    "logical_xor": binary(torch.logical_xor, dtypes=("f32", "i64", "bool"), gradient=False),
    "bitwise_and": binary(torch.bitwise_and, dtypes=("i64", "bool"), gradient=False),
    "bitwise_or": binary(torch.bitwise_or, dtypes=("i64", "bool"), gradient=False),
    "bitwise_xor": binary(torch.bitwise_xor, dtypes=("i64", "bool"), gradient=False),
    "bitwise_left_shift": binary(torch.bitwise_left_shift, dtypes=("i64",), gradient=False),
    "bitwise_right_shift": binary(torch.bitwise_right_shift, dtypes=("i64",), gradient=False),
}
# Ops that no case calls.
EXEMPT = {
    "uniform": "another generator than PyTorch's", "normal": "another generator than PyTorch's", "randperm": "another generator than PyTorch's",
    "vector_norm": "f64 of f32, unlike PyTorch's; tests/ops compares it with long double",
    "scaled_dot_product_attention": "tests/peer/parts_pytorch.py compares it", "self_attention": "tests/peer/parts_pytorch.py compares it",
}
# Ops with attributes: the function, and the range of each attribute.
ATTRIBUTES = {
    "leaky_relu": (F.leaky_relu, {"negative_slope": (-0.5, 0.5)}), "elu": (F.elu, {"alpha": (0.2, 2)}), "celu": (F.celu, {"alpha": (0.2, 2)}),
    "hardshrink": (F.hardshrink, {"lambd": (0, 1)}), "softshrink": (F.softshrink, {"lambd": (0, 1)}),
    "hardtanh": (F.hardtanh, {"min_val": (-1.5, 0), "max_val": (0, 1.5)}), "threshold": (F.threshold, {"threshold": (-1, 1), "value": (-2, 2)}),
    "softplus": (F.softplus, {"beta": (0.3, 3), "threshold": (0.5, 20)}), "logit": (torch.logit, {"eps": (0, 0.3)}),
}
# Values at which functions are special; drawn in a share of the arrays. Where PyTorch has another value on purpose, the op is named.
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, float("inf"), float("-inf"), float("nan"), 1e30, -1e30, 1e-30, 88.0, -104.0)
NOT_SPECIAL = {"sign", "pow", "softplus", "gelu"}


class Case:
    """A case under construction: its calls, its arrays, and PyTorch's value of every result.

    like: a case that was built from the same seed; its calls are repeated with its f32 arrays as f64.
    """

    def __init__(self, seed, name, like=None):
        self.rng, self.name, self.like = np.random.default_rng(seed), name, like
        self.calls, self.values, self.arrays, self.leaves = [], [], {}, []
        self.dtypes = {}   # of every array and result, as Suanli has them

    def array(self, shape, dtype, domain="real", below=None):
        if below is not None:
            a = self.rng.integers(0, below, shape)
        elif dtype == "bool":
            a = self.rng.random(shape) < 0.5
        elif dtype == "i64":
            a = self.rng.integers(1 if domain == "positive" else -9, 10, shape)
        else:
            low, high = {"positive": (0.3, 2.0), "unit": (-0.9, 0.9), "share": (0.05, 0.95), "above_one": (1.1, 4.0)}.get(domain, (0, 0))
            a = self.rng.uniform(low, high, shape) if high else self.rng.normal(size=shape)
            if domain == "special":
                a = self.rng.choice(SPECIAL, shape)
        name = f"x{len(self.arrays)}"
        a = np.array(a, {"f32": np.float32, "f64": np.float64, "f16": np.float16, "bf16": np.float32, "i64": np.int64, "bool": np.bool_}[dtype])
        if dtype == "bf16":
            a = torch.from_numpy(a).to(torch.bfloat16).float().numpy()
        self.arrays[f"{self.name}/{name}"] = a
        self.dtypes[name] = NAMES[torch.from_numpy(a).dtype]
        t = torch.from_numpy(a.astype(np.float64) if self.like and dtype in FLOATS and below is None else a.copy())
        if dtype in FLOATS and below is None and domain != "special":
            t.requires_grad_()
            self.leaves.append((name, t))
        if dtype == "bf16" and below is None:
            return self.call("cast", [(name, t)], {"dtype": "bf16"}, t if self.like else t.to(torch.bfloat16))
        return name, t

    def call(self, op, inputs, attributes, value):
        """inputs: (name, tensor) pairs. Returns the pair of the result."""
        result = f"%{len(self.calls)}"
        self.calls.append({"op": op, "inputs": [name for name, _ in inputs], "attributes": attributes})
        self.values.append(value)
        self.dtypes[result] = self.like.dtypes[result] if self.like else NAMES[value.dtype]
        return result, value

    def gradients(self):
        """Of the sum of all float outputs for every leaf; None where there is none or it is not finite."""
        floats = [v.sum().double() for v in self.values if v.is_floating_point() and v.requires_grad]
        if not floats or not all(torch.isfinite(v) for v in floats):
            return None
        leaves = [t for _, t in self.leaves]
        found = torch.autograd.grad(sum(floats), leaves, allow_unused=True, retain_graph=True)
        return [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found)]

    def json(self):
        return {"id": self.name, "calls": self.calls, "outputs": [f"%{i}" for i in range(len(self.calls))], "grad": [n for n, _ in self.leaves]
                if any(v.is_floating_point() and v.requires_grad for v in self.values) else []}


def shape_of(rng, least=0, most=4):
    return tuple(int(n) for n in rng.integers(1, 6, int(rng.integers(least, most + 1))))


def axes_of(rng, rank, least=0):
    count = int(rng.integers(least, rank + 1)) if rank else 0
    return sorted(int(a) for a in rng.choice(rank, count, replace=False)) if count else []


def random_call(case, x=None):
    """Adds one random call. x: the (name, tensor) that it takes first, where its shape and dtype allow."""
    rng = case.rng
    kinds = ["pointwise"] * 16 + ["attributes"] * 3 + ["reduce"] * 3 + ["special"] * 2 + \
            ["clamp", "lerp", "addcmul", "nan_to_num", "logsumexp", "argmin", "narrow", "slice_update", "scatter_add", "full", "arange",
             "avg_pool2d", "adaptive_avg_pool2d", "batch_norm", "batch_norm_inference", "nll_loss", "cross_entropy", "conv1d", "conv_transpose1d",
             "conv_transpose2d", "adaptive_max_pool2d", "where", "sum", "amax", "mean", "argmax", "softmax", "log_softmax", "permute", "reshape", "expand", "cat",
             "matmul", "gather", "embedding", "cast", "layer_norm", "mse_loss", "one_hot", "conv2d", "max_pool2d", "flip",
             "cumsum", "cumprod", "index_copy", "sort"]
    while True:
        kind = str(rng.choice(kinds))
        arrays, leaves, calls = len(case.arrays), len(case.leaves), len(case.calls)
        done = build(case, kind, x)
        if done is not None:
            return done
        for name in list(case.arrays)[arrays:]:   # those of a call that was not made
            del case.arrays[name]
        del case.leaves[leaves:], case.calls[calls:], case.values[calls:]


# Not of computed values: remainders of large ones are noise, and PyTorch divides by an element for the gradient of a product.
ENDS = {"frac", "fmod", "remainder", "cumprod", "prod"}


def build(case, kind, x):
    rng = case.rng
    given = x is not None and case.dtypes[x[0]] in FLOATS
    if given and kind in ENDS:
        return None
    dtype = case.dtypes[x[0]] if given else str(rng.choice(FLOATS))

    def operand(least=0, most=4):
        return x if given else case.array(shape_of(rng, least, most), dtype)

    if kind == "pointwise":
        op = str(rng.choice(list(POINTWISE)))
        row = POINTWISE[op]
        if given and (op in ENDS or row["domain"] != "real" or dtype not in row["dtypes"] or (dtype in HALVES and op in KINKED)):
            return None
        d = dtype if given else str(rng.choice([t for t in row["dtypes"] if not (t in HALVES and op in TIED)]))
        a = x if given else case.array(shape_of(rng), d, row["domain"])
        if row["kind"] == "unary":
            return case.call(op, [a], {}, row["torch"](a[1]))
        other = list(a[1].shape)
        for i in range(len(other)):
            if rng.random() < 0.3:
                other[i] = 1
        b = case.array(tuple(other[int(rng.integers(0, len(other) + 1)):]), d, row["domain"])
        pair = [a, b] if rng.random() < 0.5 else [b, a]
        return case.call(op, pair, {}, row["torch"](pair[0][1], pair[1][1]))
    if kind == "special":   # values alone: what follows from NaN says nothing of the other ops
        if case.composition:
            return None
        op = str(rng.choice([name for name in POINTWISE if name not in NOT_SPECIAL and "f32" in POINTWISE[name]["dtypes"]]))
        row = POINTWISE[op]
        pair = [case.array((17,), dtype, "special") for _ in range(1 + (row["kind"] == "binary"))]
        if op in ("fmod", "remainder"):   # PyTorch's vectorized form gives NaN where the quotient overflows, C's fmod the remainder
            with np.errstate(all="ignore"):
                x, y = (t.double().numpy() for _, t in pair)
                if np.any(np.isfinite(x) & (np.abs(x / y) > 1e38) & (y != 0)):
                    return None
        return case.call(op, pair, {}, row["torch"](*(t for _, t in pair)))
    if kind == "attributes":
        op = str(rng.choice(list(ATTRIBUTES)))
        function, ranges = ATTRIBUTES[op]
        if (given and op == "logit") or (dtype == "f64" and op == "celu") or (given and dtype in HALVES and op in KINKED):
            return None
        a = x if given else case.array(shape_of(rng), dtype, "share" if op == "logit" else "real")
        values = {name: float(rng.uniform(*ends)) for name, ends in ranges.items()}
        return case.call(op, [a], values, function(a[1], *values.values()))
    if kind in ("argmax", "argmin") and given:   # computed values may be equal but for rounding
        return None
    a = operand(1 if kind in ("amax", "argmax", "argmin", "softmax", "log_softmax", "cat", "gather", "layer_norm", "flip",
                              "cumsum", "cumprod", "sort") else 0)
    t, rank = a[1], a[1].dim()
    if kind == "where":
        c = case.array(tuple(t.shape), "bool")
        b = case.array(tuple(t.shape), dtype)
        return case.call("where", [c, a, b], {}, torch.where(c[1], t, b[1]))
    if kind in ("sum", "mean"):
        axes, keep = axes_of(rng, rank, 1), bool(rng.random() < 0.5)
        if not axes:
            return None
        return case.call(kind, [a], {"dim": axes, "keepdim": keep}, getattr(torch, kind)(t, axes, keep))
    if kind == "reduce":
        op = str(rng.choice(["prod", "amin", "any", "all", "norm"]))
        if given and op in ENDS:
            return None
        if given and dtype in HALVES and op in ("any", "all"):   # rounding decides what is 0
            return None
        axes, keep = axes_of(rng, rank, 1), bool(rng.random() < 0.5)
        if not axes:
            return None
        if op in ("any", "all", "amin", "prod") and not given and rng.random() < 0.3:
            a = case.array(tuple(t.shape), "bool" if op in ("any", "all") else "i64")
            t = a[1]
        if op == "prod":   # zeros among them
            chosen = case.array(tuple(t.shape), "bool")
            if rng.random() < 0.5 and t.is_floating_point():
                a = case.call("where", [chosen, a, (0.0, None)], {}, torch.where(chosen[1], t, torch.zeros((), dtype=t.dtype)))
                t = a[1]
            value = t
            for axis in sorted(axes, reverse=True):
                value = value.prod(axis, keepdim=True)
            value = value if keep else value.squeeze(axes)
        elif op == "norm":
            value = torch.linalg.vector_norm(t, dim=axes, keepdim=keep)
        else:
            value = getattr(torch, op)(t, axes, keep)
        return case.call(op, [a], {"dim": axes, "keepdim": keep}, value)
    if kind == "logsumexp":
        axes, keep = axes_of(rng, rank, 1), bool(rng.random() < 0.5)
        return case.call(kind, [a], {"dim": axes, "keepdim": keep}, torch.logsumexp(t, axes, keep)) if axes else None
    if kind in ("clamp", "lerp", "addcmul"):
        if kind in TIED and dtype in HALVES:
            return None
        b, c = (case.array(tuple(t.shape)[int(rng.integers(0, rank + 1)):], dtype) for _ in range(2))
        if kind == "addcmul":
            op = str(rng.choice(["addcmul", "addcdiv"]))
            c = case.array(tuple(t.shape), dtype, "positive")
            value = float(rng.uniform(-2, 2))
            return case.call(op, [a, b, c], {"value": value}, getattr(torch, op)(t, b[1], c[1], value=value))
        return case.call(kind, [a, b, c], {}, getattr(torch, kind)(t, b[1], c[1]))
    if kind == "nan_to_num":
        values = {"nan": float(rng.normal()), "posinf": float(rng.normal()), "neginf": float(rng.normal())}
        return case.call(kind, [a], values, torch.nan_to_num(t, **values))
    if kind == "amax" and not (given and dtype in HALVES):
        axes = axes_of(rng, rank, 1)
        return case.call("amax", [a], {"dim": axes, "keepdim": True}, torch.amax(t, axes, True)) if axes else None
    if kind in ("argmax", "argmin", "softmax", "log_softmax") and rank:
        axis = int(rng.integers(-rank, rank))
        return case.call(kind, [a], {"dim": axis}, getattr(torch, kind)(t, axis))
    if kind == "permute":
        order = [int(i) for i in rng.permutation(rank)]
        return case.call("permute", [a], {"dims": order}, t.permute(order))
    if kind == "reshape":
        shape = [int(t.numel())] if rng.random() < 0.5 else [1, *t.shape]
        return case.call("reshape", [a], {"shape": list(map(int, shape))}, t.reshape(shape)) if len(shape) <= 8 else None
    if kind == "expand":
        shape = [int(rng.integers(1, 4)), *map(int, t.shape)]
        return case.call("expand", [a], {"shape": shape}, t.expand(shape)) if len(shape) <= 6 else None
    if kind == "cat" and rank:
        axis = int(rng.integers(-rank, rank))
        shape = list(t.shape)
        shape[axis] = int(rng.integers(1, 5))
        b = case.array(tuple(shape), dtype)
        return case.call("cat", [a, b], {"dim": axis}, torch.cat([t, b[1]], axis))
    if kind == "flip" and rank:
        axis = int(rng.integers(-rank, rank))
        return case.call("flip", [a], {"dim": axis}, t.flip(axis))
    if kind in ("cumsum", "cumprod") and rank:
        axis = int(rng.integers(-rank, rank))
        return case.call(kind, [a], {"dim": axis}, getattr(torch, kind)(t, axis))
    if kind == "sort" and rank and not given:   # computed values may be equal
        axis, descending = int(rng.integers(-rank, rank)), bool(rng.random() < 0.5)
        return case.call(kind, [a], {"dim": axis, "descending": descending}, torch.sort(t, axis, descending).values)
    if kind == "index_copy" and rank == 2:
        count = int(rng.integers(0, t.shape[0] + 1))
        at = case.array((count,), "i64", below=max(1, int(t.shape[0])))
        if len(set(at[1].tolist())) != count:   # PyTorch leaves open which of two rows remains
            return None
        b = case.array((count, int(t.shape[1])), dtype)
        return case.call("index_copy", [a, at, b], {}, t.index_copy(0, at[1], b[1]))
    if kind == "matmul" and rank >= 2:
        left, right = bool(rng.random() < 0.3), bool(rng.random() < 0.5)
        k, n = int(t.shape[-2 if left else -1]), int(rng.integers(1, 7))
        b = case.array((*t.shape[:-2], n, k) if right else (*t.shape[:-2], k, n), dtype)
        value = (t.transpose(-1, -2) if left else t) @ (b[1].transpose(-1, -2) if right else b[1])
        return case.call("matmul", [a, b], {"transpose_a": left, "transpose_b": right}, value)
    if kind == "gather" and rank:
        axis = int(rng.integers(-rank, rank))
        shape = list(t.shape)
        shape[axis] = int(rng.integers(1, 5))
        i = case.array(tuple(shape), "i64", below=int(t.shape[axis]))
        return case.call("gather", [a, i], {"dim": axis}, torch.gather(t, axis, i[1]))
    if kind == "narrow" and rank:
        dim = int(rng.integers(-rank, rank))
        step = int(rng.integers(1, 3))
        length = int(rng.integers(1, (t.shape[dim] - 1) // step + 2))
        start = int(rng.integers(0, t.shape[dim] - (length - 1) * step))
        index = torch.arange(start, start + (length - 1) * step + 1, step)
        return case.call("narrow", [a, (start, None)], {"dim": dim, "length": length, "step": step}, t.index_select(dim, index))
    if kind == "slice_update" and rank:
        dim = int(rng.integers(-rank, rank))
        length = int(rng.integers(1, t.shape[dim] + 1))
        start = int(rng.integers(0, t.shape[dim] - length + 1))
        shape = list(t.shape)
        shape[dim] = length
        b = case.array(tuple(shape), dtype)
        index = torch.arange(start, start + length)
        return case.call("slice_update", [a, b, (start, None)], {"dim": dim, "length": length}, t.index_copy(dim, index, b[1]))
    if kind == "scatter_add" and rank:
        dim = int(rng.integers(-rank, rank))
        shape = list(t.shape)
        shape[dim] = int(rng.integers(1, 5))
        i = case.array(tuple(shape), "i64", below=int(t.shape[dim]))
        b = case.array(tuple(shape), dtype)
        return case.call("scatter_add", [a, i, b], {"dim": dim}, torch.scatter_add(t, dim, i[1], b[1]))
    if kind == "full" and not given:
        shape, number = [int(n) for n in t.shape], float(rng.integers(-3, 4))
        return case.call("full", [(number, None)], {"shape": shape}, torch.full(shape, number, dtype=torch.float64 if case.like else torch.float32))
    if kind == "arange" and not given:
        n, start = int(rng.integers(0, 7)), int(rng.integers(-3, 4))
        return case.call("arange", [(start, None)], {"shape": [n]}, torch.arange(start, start + n))
    if kind in ("batch_norm", "batch_norm_inference") and rank >= 2 and t.numel() > 3 * t.shape[1]:
        w, b = case.array((int(t.shape[1]),), dtype), case.array((int(t.shape[1]),), dtype)
        if kind == "batch_norm":
            return case.call(kind, [a, w, b], {"eps": 1e-2}, F.batch_norm(t, None, None, w[1], b[1], True, 0.1, 1e-2))
        m, v = case.array((int(t.shape[1]),), dtype), case.array((int(t.shape[1]),), dtype, "positive")
        shape = [1, -1] + [1] * (rank - 2)   # F.batch_norm has no gradient for given statistics
        value = (t - m[1].view(shape)) * ((v[1] + 1e-5).rsqrt() * w[1]).view(shape) + b[1].view(shape)
        return case.call(kind, [a, w, b, m, v], {}, value)
    if kind == "embedding":
        table = case.array((int(rng.integers(2, 7)), int(rng.integers(1, 6))), dtype)
        i = case.array(shape_of(rng, 1, 2), "i64", below=int(table[1].shape[0]))
        return case.call("embedding", [table, i], {}, F.embedding(i[1], table[1]))
    if kind == "one_hot":
        classes = int(rng.integers(2, 6))
        i = case.array(shape_of(rng, 1, 2), "i64", below=classes)
        return case.call("one_hot", [i], {"num_classes": classes, "dtype": "f32"}, F.one_hot(i[1], classes).to(torch.float64 if case.like else torch.float32))
    if kind == "cast":
        to = str(rng.choice(FLOATS))
        return case.call("cast", [a], {"dtype": to}, t.to(torch.float64 if case.like else TORCH[to]))
    if kind == "layer_norm" and rank and t.shape[-1] > 1:   # of one element it divides rounding by √eps
        w, b = case.array((int(t.shape[-1]),), dtype), case.array((int(t.shape[-1]),), dtype)
        return case.call("layer_norm", [a, w, b], {"eps": 1e-3}, F.layer_norm(t, (t.shape[-1],), w[1], b[1], 1e-3))
    if kind == "mse_loss" and given:
        b = case.array(tuple(t.shape), dtype)
        return case.call("mse_loss", [a, b], {}, F.mse_loss(t, b[1]))
    if kind in ("mse_loss", "nll_loss", "cross_entropy") and not given:
        return build_loss(case, kind, dtype)
    if "conv" in kind and not given:
        return build_convolution(case, kind, dtype)
    if "pool" in kind and not given:
        return build_pool(case, kind, dtype)
    return None


def build_loss(case, kind, dtype):
    """Losses over classes of [C], [N, C] or [N, C, d…], with every option."""
    rng = case.rng
    reduction = int(rng.integers(0, 3))
    options = {"reduction": ("none", "mean", "sum")[reduction]}
    if kind == "mse_loss":
        shape = shape_of(rng)
        a, b = case.array(shape, dtype), case.array(shape, dtype)
        return case.call(kind, [a, b], {"reduction": reduction}, F.mse_loss(a[1], b[1], **options))
    classes, rows = int(rng.integers(1, 5)), shape_of(rng, 0, 3)
    x = case.array((*rows[:1], classes, *rows[1:]), dtype)
    soft = kind == "cross_entropy" and rng.random() < 0.3
    t = case.array(tuple(x[1].shape), dtype) if soft else case.array(rows, "i64", below=classes)
    inputs, attributes = [x, t], {"reduction": reduction}
    if rng.random() < 0.5:
        inputs.append(case.array((classes,), dtype, "positive"))
        case.leaves.pop()   # PyTorch has no gradient for weights
    if not soft and rng.random() < 0.5:
        attributes["ignore_index"] = options["ignore_index"] = int(rng.integers(0, classes))
    if kind == "cross_entropy" and rng.random() < 0.5:
        attributes["label_smoothing"] = options["label_smoothing"] = 0.25
    weight = inputs[2][1].detach() if len(inputs) == 3 else None
    return case.call(kind, inputs, attributes, getattr(F, kind)(x[1], t[1], weight, **options))


def build_convolution(case, kind, dtype):
    rng = case.rng
    axes = 1 if kind.endswith("1d") else 2

    def several(low, high):
        numbers = [int(v) for v in rng.integers(low, high, axes)]
        return numbers if axes == 2 and rng.random() < 0.5 else [numbers[0]] * axes

    groups = int(rng.choice([1, 1, 2]))
    c, o = (groups * int(rng.integers(1, 4)) for _ in range(2))
    x = case.array((int(rng.integers(1, 4)), c, *(int(v) for v in rng.integers(5, 12, axes))), dtype)
    kernel = [int(v) for v in rng.integers(1, 4, axes)]
    stride, padding, dilation = several(1, 3), several(0, 3), several(1, 3)
    attributes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    options = [stride, padding]
    if "transpose" in kind:
        attributes["output_padding"] = [int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation)]
        options += [attributes["output_padding"], groups, dilation]
        w = case.array((c, o // groups, *kernel), dtype)
    else:
        options += [dilation, groups]
        w = case.array((o, c // groups, *kernel), dtype)
    if axes == 1:
        attributes = {k: v[0] if isinstance(v, list) else v for k, v in attributes.items()}
    b = [case.array((o,), dtype)] if rng.random() < 0.5 else []
    return case.call(kind, [x, w, *b], attributes, getattr(F, kind)(x[1], w[1], b[0][1] if b else None, *options))


def build_pool(case, kind, dtype):
    rng = case.rng
    x = case.array((int(rng.integers(1, 4)), int(rng.integers(1, 4)), *(int(v) for v in rng.integers(5, 12, 2))), dtype)
    if kind.startswith("adaptive"):
        size = [int(v) for v in rng.integers(1, 9, 2)]
        return case.call(kind, [x], {"output_size": size}, getattr(F, kind)(x[1], size))
    kernel, stride = [int(v) for v in rng.integers(1, 4, 2)], [int(v) for v in rng.integers(1, 4, 2)]
    padding, ceil = [int(rng.integers(0, k // 2 + 1)) for k in kernel], bool(rng.random() < 0.5)
    attributes = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil}
    if kind == "max_pool2d":
        attributes["dilation"] = [int(v) for v in rng.integers(1, 3, 2)]
        return case.call(kind, [x], attributes, F.max_pool2d(x[1], kernel, stride, padding, attributes["dilation"], ceil))
    attributes["count_include_pad"] = bool(rng.random() < 0.5)
    divisor = int(rng.integers(1, 5)) if rng.random() < 0.3 else None
    if divisor:
        attributes["divisor_override"] = divisor
    return case.call(kind, [x], attributes, F.avg_pool2d(x[1], kernel, stride, padding, ceil, attributes["count_include_pad"], divisor))


def distance(got, want, precision, exact=None, before=0, terms=1):
    """How two values differ, in words; None if they do not. exact: gives the same value, computed in f64. before: the number of calls
    that rounded to 16 bits on the way; each may double what one rounding did. terms: an f64 may be a sum of so many rounded terms that cancel, as a batch
    normalization's gradient of its weight; f32 is judged by `exact` there."""
    want = (want.float() if want.dtype == torch.bfloat16 else want).detach().numpy()
    if got.dtype != want.dtype:
        return f"dtype {got.dtype}, expected {want.dtype}"
    if tuple(got.shape) != want.shape:
        return f"shape {got.shape}, expected {want.shape}"
    if want.dtype.kind != "f":
        return None if np.array_equal(got, want) else "other values"
    got, want = got.astype(np.float64), want.astype(np.float64)
    tolerance = TOLERANCE[precision] * (2**before if precision in HALVES else 1) * (terms**0.5 if precision == "f64" else 1)
    same = np.isnan(got) == np.isnan(want)
    with np.errstate(invalid="ignore"):
        near = np.abs(got - want) <= tolerance * (1 + np.max(np.abs(want[np.isfinite(want)]), initial=0))
    right = same & (near | np.isnan(want) | (got == want))
    if not right.all() and exact is not None and same.all():
        true = exact().detach().numpy()
        with np.errstate(invalid="ignore"):
            if np.nanmax(np.abs(got - true)) <= ERRORS_OF_PYTORCH * np.nanmax(np.abs(want - true)):
                return None
    return None if right.all() else f"off by {np.nanmax(np.abs(got - want)):.3g}, largest {np.nanmax(np.abs(want)):.3g}"


def make_case(seed, composition, like=None):
    case = Case(seed, f"c{seed[1]}", like)
    case.composition = composition
    x = None
    for _ in range(int(case.rng.integers(2, 6)) if composition else 1):
        x = random_call(case, x)
    return case


def uncovered(called):
    """What is wrong with the choice of ops: each public one is called by a case, or exempt with a reason."""
    listed = json.loads(subprocess.run([os.environ["SUANLI_BIN"], "ops", "--json"], check=True, capture_output=True, text=True).stdout)["ops"]
    public = {op["name"] for op in listed if "internal" not in op["traits"]}
    return ([f"{op} is in no case, and not exempt" for op in sorted(public - called - EXEMPT.keys())]
            + [f"{op} is exempt, but called" for op in sorted(called & EXEMPT.keys())]
            + [f"{op} is exempt, but no public op" for op in sorted(EXEMPT.keys() - public)])


def main():
    seed = int(os.environ.get("SUANLI_SEED", random.SystemRandom().randrange(2**32)))
    print("seed", seed)
    cases = [make_case([seed, i], i >= CALLS) for i in range(CALLS + COMPOSITIONS)]
    arrays = {name: a for case in cases for name, a in case.arrays.items()}
    arrays["cases"] = np.frombuffer(json.dumps([case.json() for case in cases]).encode(), np.uint8)
    np.savez("in.npz", **arrays)
    subprocess.run([os.environ["SUANLI_BIN"], "ops", "run", "in.npz", "out.npz"], check=True)
    if bad := uncovered({call["op"] for case in cases for call in case.calls}):
        sys.exit("\n".join(bad))
    failures = compared = 0

    def fail(case, what):
        nonlocal failures
        failures += 1
        if failures <= 20:
            print(f"{case.name}: {what}\n  {json.dumps(case.json())}\n  shapes "
                  f"{({k.split('/')[1]: [str(a.dtype), *a.shape] for k, a in case.arrays.items()})}")

    with np.load("out.npz") as out:
        errors = json.loads(bytes(out["errors"]).decode())
        for i, case in enumerate(cases):
            if case.name in errors:
                fail(case, errors[case.name]["error"])
                continue
            exact = functools.cache(lambda i=i, case=case: make_case([seed, i], i >= CALLS, case))
            # An f64 that follows from an f32 is as precise as that.
            dtypes = {NAMES[v.dtype] for v in [*case.values, *(leaf for _, leaf in case.leaves)]}
            precision = next((d for d in ("bf16", "f16", "f32") if d in dtypes), "f64")
            if precision in HALVES and not all(torch.isfinite(v).all() for v in case.values if v.is_floating_point()):
                continue   # a value that f16 does not hold, which a fused kernel does
            bad = next(((k, d) for k, v in enumerate(case.values)
                        if (d := distance(out[f"{case.name}/out/{k}"], v, precision, lambda: exact().values[k], k if case.composition else 0))), None)
            if bad:
                fail(case, f"call {bad[0]}, {case.calls[bad[0]]['op']}: {bad[1]}")
                continue
            gradients = case.gradients()
            if gradients is None:
                continue
            if case.composition and not all(torch.isfinite(g).all() for g in gradients):
                continue   # where rounding decides between a large number and infinity
            if precision == "f16" and any(t.double().abs().max() > F16_SAFE for t in [*gradients, *case.values] if t.numel()):
                continue   # a gradient on the way may not be held by f16, in either library
            for k, ((name, _), g) in enumerate(zip(case.leaves, gradients)):
                compared += 1
                if d := distance(out[f"{case.name}/grad/{k}"], g, precision, lambda: exact().gradients()[k], len(case.calls) if case.composition else 0,
                                max(v.numel() for v in case.values)):
                    fail(case, f"gradient of {name}: {d}")
                    break
    print(f"{CALLS} calls and {COMPOSITIONS} compositions, {compared} gradients: {failures} differ")
    sys.exit(1 if failures or compared < CALLS else 0)


main()
