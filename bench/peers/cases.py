"""What is compared: one row per case, read by the driver and by every worker. No torch in here: the driver stays light.

A training case is a network, a batch size and an optimiser; an inference case a network and a batch size. Single products and
convolutions are not listed: they are taken from the networks (networks.py, products_of).
"""
import dataclasses

import numpy as np
from safetensors.numpy import save_file


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

    def as_dict(self):
        return dataclasses.asdict(self)


CASES = [
    Case("train.resnet18", "train", "resnet18", 128, {"kind": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4}),
    Case("train.gpt", "train", "gpt", 8, {"kind": "adamw", "lr": 1e-3, "weight_decay": 0.01}),
    Case("train.cnn_b", "train", "cnn_b", 64, {"kind": "adam", "lr": 1e-3}),
    Case("train.mlp1024", "train", "mlp1024", 128, {"kind": "sgd", "lr": 0.01, "momentum": 0.9}),
    *(Case(f"infer.{network}.b{batch}", "infer", network, batch, {}) for network in ("cnn_b", "resnet18", "gpt") for batch in (1, 32)),
]

# So many batches of inputs and, coprime to that, of labels: a third of the labels is random, and drawn anew in every round, so no
# network can learn them by heart, and neither loss nor gradients shrink towards denormal numbers while we measure.
INPUT_BATCHES, LABEL_BATCHES = 8, 56


def write_data(case, path):
    """Inputs x [INPUT_BATCHES, batch, ...] f32 (or i64 tokens) and labels y [LABEL_BATCHES, batch(, T)] i64; step i takes x[i % 8], y[i % 56]."""
    network = NETWORKS[case["network"]]
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
