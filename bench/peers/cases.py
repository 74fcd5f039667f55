# SPDX-License-Identifier: Apache-2.0
"""The cases of the comparison: one row each, read by the driver and by every worker. No torch in here: the driver stays light; NumPy only where it
is used, since scripts/speed_guard reads the table without the peers' environment.

A training case is a network, a batch size and an optimizer; an inference case a network and a batch size. Single products and
convolutions are not listed: they are taken from the networks (networks.py, products_of).
"""
import array
import dataclasses
import itertools
import json
import math
import random


@dataclasses.dataclass(frozen=True)
class Network:
    name: str
    sample: tuple      # shape of one input; of token ids where vocabulary is not 0
    classes: int       # 10, or the size of the vocabulary
    images: bool       # layouts are worth a try
    tokens: bool = False


NETWORKS = {n.name: n for n in (
    Network("cnn_b", (1, 28, 28), 10, images=True),
    Network("resnet18", (3, 32, 32), 10, images=True),
    Network("mlp1024", (784,), 10, images=False),
    Network("gpt", (256,), 5000, images=False, tokens=True),
)}


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    kind: str          # "train" or "infer"
    network: str
    batch: int
    optimizer: dict    # kind and PyTorch's names of its options; empty for inference
    side: int = 0      # 0: a network of NETWORKS; else one of the zoo, for pictures of so many pixels
    telling_steps: int = 12   # a measurement of fewer training steps does not tell that the loss falls

    def as_dict(self):
        return dataclasses.asdict(self)


CASES = [
    Case("train.resnet18", "train", "resnet18", 128, {"kind": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4}),
    Case("train.gpt", "train", "gpt", 8, {"kind": "adamw", "lr": 1e-3, "weight_decay": 0.01}),
    Case("train.cnn_b", "train", "cnn_b", 64, {"kind": "adam", "lr": 1e-3}),
    Case("train.mlp1024", "train", "mlp1024", 128, {"kind": "sgd", "lr": 0.01, "momentum": 0.9}),
    *(Case(f"infer.{network}.b{batch}", "infer", network, batch, {}) for network in ("cnn_b", "resnet18", "gpt") for batch in (1, 32)),
]

# The zoo's networks for pictures, in the order of docs/zoo.md, each with a learning rate at which its loss falls on the data below.
SGD = {"kind": "sgd", "lr": 1e-3, "momentum": 0.9}
ADAMW = {"kind": "adamw", "lr": 5e-4, "weight_decay": 0.05}
ZOO = {"linear": {**SGD, "lr": 1e-6}, "mlp": {**SGD, "lr": 1e-5}, "cnn_a": {**SGD, "lr": 1e-4}, "cnn_b": {**SGD, "lr": 1e-2},
       "cnn_c": {**SGD, "lr": 1e-4}, "vgg11": SGD, "vgg11_bn": SGD, "cnn_bn": {**SGD, "lr": 1e-4}, "resnet18": SGD, "resnet34": SGD,
       "resnet50": {**SGD, "lr": 1e-2}, "mobilenet_v2": SGD, "mobilenet_v3_small": SGD, "convnext_tiny": ADAMW, "vit_tiny": ADAMW, "airbench": SGD}
TELLING_STEPS = {"vit_tiny": 100}   # starts with a head of zeros and learns late; PyTorch's loss does not fall within 30 steps either
ZOO_SIDES = (96, 224)
ZOO_CLASSES = 10
ZOO_KINDS = (("infer.b1", "infer", 1), ("infer.b16", "infer", 16), ("train.b16", "train", 16))
ZOO_CASES = [Case(f"{network}.{side}.{name}", kind, network, batch, optimizer if kind == "train" else {}, side, TELLING_STEPS.get(network, 12))
             for (network, optimizer), side, (name, kind, batch) in itertools.product(ZOO.items(), ZOO_SIDES, ZOO_KINDS)]


def network_of(case):
    if case["side"]:
        return Network(case["network"], (3, case["side"], case["side"]), ZOO_CLASSES, images=True)
    return NETWORKS[case["network"]]


# So many batches of inputs and, coprime to that, of labels: a third of the labels is random, and drawn anew in every round, so no
# network can learn them by heart, and neither loss nor gradients shrink toward denormal numbers while we measure.
INPUT_BATCHES, LABEL_BATCHES = 8, 56


def write_data(case, path):
    """Inputs x [INPUT_BATCHES, batch, ...] f32 (or i64 tokens) and labels y [LABEL_BATCHES, batch(, T)] i64; step i takes x[i % 8], y[i % 56]."""
    import numpy as np
    from safetensors.numpy import save_file
    network = network_of(case)
    rng = np.random.default_rng(1)
    shape = (INPUT_BATCHES, case["batch"], *network.sample)
    if network.tokens:   # a chain: the next token follows from this one two times out of three
        follows = rng.permutation(network.classes)
        text = rng.integers(0, network.classes, (*shape[:-1], shape[-1] + 1))
        for t in range(shape[-1]):
            certain = rng.random(shape[:-1]) < 2 / 3
            text[..., t + 1] = np.where(certain, follows[text[..., t]], text[..., t + 1])
        x, y = text[..., :-1], text[..., 1:]
        x, y = np.ascontiguousarray(x), np.tile(y, (LABEL_BATCHES // INPUT_BATCHES, 1, 1))
    else:
        templates = rng.random((network.classes, *network.sample), np.float32)
        truth = rng.integers(0, network.classes, shape[:2])
        x = (templates[truth] + rng.standard_normal(shape, np.float32) * 0.5).astype(np.float32)
        y = np.tile(truth, (LABEL_BATCHES // INPUT_BATCHES, 1))
        y = np.where(rng.random(y.shape) < 1 / 3, rng.integers(0, network.classes, y.shape), y)
    save_file({"x": x, "y": np.ascontiguousarray(y)}, path)


def write_noise(case, path):
    """Data of the same form without NumPy, for scripts/speed_guard: random inputs and labels, so that the loss stays and nothing is learned."""
    network, generator = network_of(case), random.Random(1)
    x_shape = (2, case["batch"], *network.sample)   # 2 and, coprime to that, 3: each pair of batches returns after six steps
    y_shape = (3, case["batch"], *(network.sample if network.tokens else ()))
    numbers = lambda shape: [generator.randrange(network.classes) for _ in range(math.prod(shape))]
    x = array.array("q", numbers(x_shape)) if network.tokens else array.array("f", [generator.random() for _ in range(math.prod(x_shape))])
    tensors = {"x": ("I64" if network.tokens else "F32", x_shape, x.tobytes()),
               "y": ("I64", y_shape, array.array("q", numbers(y_shape)).tobytes())}
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + b"".join(data for _, _, data in tensors.values()))
