"""The networks of the comparison in PyTorch, as its own users would write them."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Cnn(nn.Module):
    def __init__(self, kernel, c1, c2, hidden):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, c1, kernel), nn.Conv2d(c1, c2, kernel)
        side = ((28 - kernel + 1) // 2 - kernel + 1) // 2
        self.fc1, self.fc2 = nn.Linear(c2 * side * side, hidden), nn.Linear(hidden, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x.flatten(1)))), 1)


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
    """GPT-2's form (Radford et al. 2019): pre-norm blocks, learnt positions; an output head of its own without bias, no dropout."""

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
