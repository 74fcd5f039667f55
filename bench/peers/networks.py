# SPDX-License-Identifier: Apache-2.0
"""The networks of the comparison in PyTorch, as its own users would write them."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from cases import ZOO_CLASSES


class Cnn(nn.Module):
    def __init__(self, kernel, c1, c2, hidden, channels=1, side=28):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, c1, kernel), nn.Conv2d(c1, c2, kernel)
        side = ((side - kernel + 1) // 2 - kernel + 1) // 2
        self.fc1, self.fc2 = nn.Linear(c2 * side * side, hidden), nn.Linear(hidden, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x.flatten(1)))), 1)


class CnnBn(nn.Module):
    def __init__(self, size, classes):
        super().__init__()
        stages, width = [], 3
        for out in (32, 64, 128):
            stages += [nn.Conv2d(width, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
            width = out
        self.stages, self.drop, self.fc = nn.Sequential(*stages), nn.Dropout(0.2), nn.Linear(128 * (size // 8) ** 2, classes)

    def forward(self, x):
        return self.fc(self.drop(self.stages(x).flatten(1)))


class Group(nn.Module):
    def __init__(self, c, out):
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(i, out, 3, padding=1, bias=False) for i in (c, out))
        self.norm1, self.norm2 = (nn.BatchNorm2d(out, eps=1e-12, momentum=0.4) for _ in range(2))
        for conv in (self.conv1, self.conv2):
            nn.init.dirac_(conv.weight[:conv.in_channels])
        for norm in (self.norm1, self.norm2):
            norm.weight.requires_grad_(False)

    def forward(self, x):
        return F.gelu(self.norm2(self.conv2(F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2))))))


class AirBench(nn.Module):
    def __init__(self, size, classes):
        super().__init__()
        self.whitening = nn.Conv2d(3, 24, 2)
        self.whitening.weight.requires_grad_(False)
        self.groups = nn.Sequential(Group(24, 64), Group(64, 256), Group(256, 256))
        self.linear = nn.Linear(256, classes, bias=False)

    def whiten(self, pictures):
        patches = F.unfold(pictures, 2).permute(0, 2, 1).reshape(-1, 12).double()
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / (values + 5e-4).sqrt()).T.flip(0).float().reshape(12, 3, 2, 2)
        self.whitening.weight.copy_(torch.cat([filters, -filters]))

    def forward(self, x):
        return self.linear(self.groups(F.gelu(self.whitening(x))).amax((2, 3))) / 9


def resnet18():
    """torchvision's, with the stem for 32x32 pictures: a 3x3 convolution of stride 1, no max-pooling."""
    import torchvision   # here: cnn_b's epoch (mnist.py) should not pay for its import
    model = torchvision.models.resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def mlp1024():
    return nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(self.ln_1(x)).view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(n, t, c))
        return x + self.out(F.gelu(self.fc(self.ln_2(x))))


class Gpt(nn.Module):
    """GPT-2's form (Radford et al. 2019): pre-norm blocks, learned positions; an output head of its own without bias, no dropout."""

    def __init__(self, layers=4, width=256, heads=8, vocabulary=5000, context=256):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        for layer in self.modules():
            if isinstance(layer, (nn.Linear, nn.Embedding)):
                nn.init.normal_(layer.weight, std=0.02)

    def forward(self, x):
        y = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
        return self.head(self.ln_f(self.blocks(y)))


BUILDERS = {"cnn_b": lambda: Cnn(3, 32, 64, 128), "resnet18": resnet18, "mlp1024": mlp1024, "gpt": Gpt}
LOSSES = {"cnn_b": F.nll_loss}   # it returns log-probabilities; the others logits


def zoo(name, side, classes):
    """A network of docs/zoo.md for pictures of side x side: torchvision's where it has it, as `suanli` builds it for more than 64 pixels."""
    import torchvision
    one, two = (side - 2) // 2, ((side - 4) // 2 - 4) // 2   # what cnn_a's and cnn_c's poolings leave of a side
    own = {
        "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, classes)),
        "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(),
                                     nn.Linear(128, classes)),
        "cnn_a": lambda: nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                                       nn.Linear(32 * one * one, 128), nn.ReLU(), nn.Linear(128, classes)),
        "cnn_b": lambda: Cnn(3, 32, 64, 128, 3, side),
        "cnn_c": lambda: nn.Sequential(nn.Conv2d(3, 10, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(10, 20, 5), nn.ReLU(), nn.MaxPool2d(2),
                                       nn.Flatten(), nn.Linear(20 * two * two, 50), nn.ReLU(), nn.Linear(50, classes)),
        "cnn_bn": lambda: CnnBn(side, classes),
        "vit_tiny": lambda: torchvision.models.VisionTransformer(image_size=side, patch_size=16, num_layers=12, num_heads=3, hidden_dim=192,
                                                                 mlp_dim=768, num_classes=classes),
        "airbench": lambda: AirBench(side, classes),
    }
    return own[name]() if name in own else getattr(torchvision.models, name)(num_classes=classes)


def build(case):
    return zoo(case["network"], case["side"], ZOO_CLASSES) if case["side"] else BUILDERS[case["network"]]()


def loss_of(network, model, x, y):
    return LOSSES.get(network, F.cross_entropy)(model(x).flatten(0, -2), y.flatten())


def optimizer_of(model, options):
    """fused=True: one kernel for all parameters; measured to be no slower than the default, and less memory traffic."""
    options = dict(options)
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[options.pop("kind")]
    return make(model.parameters(), fused=True, **options)


def products_of(network, x, inference):
    """Every distinct product and convolution of a training step on inputs x, in each direction that the step takes, or of inference: cases
    of kind "product". The first layer's input needs no gradient."""
    model, cases, directions = BUILDERS[network](), {}, ("forward",) if inference else ("forward", "grad_weight")

    def note(layer, inputs, _):
        nonlocal directions
        x, w = inputs[0], layer.weight
        if isinstance(layer, nn.Linear):
            x = x.flatten(0, -2)
            case = {"op": "linear", "x": list(x.shape), "w": list(w.shape)}
            shape = f"{x.shape[0]}x{x.shape[1]}x{w.shape[0]}"
        else:
            (stride, _), (padding, _) = layer.stride, layer.padding
            case = {"op": "conv2d", "x": list(x.shape), "w": list(w.shape), "stride": stride, "padding": padding}
            shape = f"{'x'.join(map(str, x.shape))}-{w.shape[0]}k{w.shape[2]}s{stride}"
        for direction in directions:
            name = f"{case['op']}.{shape}.{direction}"
            cases[name] = {"name": name, "kind": "product", "network": network, "direction": direction, "inference": inference, **case}
        directions = ("forward",) if inference else ("forward", "grad_input", "grad_weight")

    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            layer.register_forward_hook(note)
    with torch.no_grad():
        model(x)
    return list(cases.values())
