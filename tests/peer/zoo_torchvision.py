# SPDX-License-Identifier: Apache-2.0
"""The zoo's networks answer as torchvision's do with the same weights, have as many parameters, and count the same operations."""
import os
import subprocess
import sys

import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.vision_transformer import interpolate_embeddings

PROGRAM = os.path.join(os.environ["SUANLI_PEER_PROGRAMS"], "peer_logits")
CLASSES = 10


def small_resnet(make):
    """Section 4.2 of the paper: one 3×3 convolution at full resolution."""
    network = make(num_classes=CLASSES)
    network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    network.maxpool = nn.Identity()
    return network


def small_mobilenet():
    network = torchvision.models.mobilenet_v2(num_classes=CLASSES)
    network.features[0][0].stride = (1, 1)
    network.features[2].conv[1][0].stride = (1, 1)
    return network


def small_mobilenet_v3():
    network = torchvision.models.mobilenet_v3_small(num_classes=CLASSES)
    network.features[0][0].stride = (1, 1)
    network.features[1].block[0][0].stride = (1, 1)
    return network


def vit(side, patch):
    return torchvision.models.VisionTransformer(image_size=side, patch_size=patch, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768,
                                                num_classes=CLASSES)


def resized_vit(trained, side, patch):
    """For pictures of another size than its weights were trained on, and these weights as they are."""
    before, after = vit(trained, patch).eval(), vit(side, patch).eval()
    perturb(before)
    state = before.state_dict()
    after.load_state_dict(interpolate_embeddings(side, patch, state.copy()))
    return after, state


# name, stem, side of the pictures, torchvision's network; perhaps with the weights for ours
CASES = [
    ("vgg11", "large", 96, lambda: torchvision.models.vgg11(num_classes=CLASSES)),
    ("vgg11_bn", "large", 96, lambda: torchvision.models.vgg11_bn(num_classes=CLASSES)),
    ("resnet18", "large", 96, lambda: torchvision.models.resnet18(num_classes=CLASSES)),
    ("resnet18", "small", 32, lambda: small_resnet(torchvision.models.resnet18)),
    ("resnet34", "large", 96, lambda: torchvision.models.resnet34(num_classes=CLASSES)),
    ("resnet50", "large", 96, lambda: torchvision.models.resnet50(num_classes=CLASSES)),
    ("mobilenet_v2", "large", 96, lambda: torchvision.models.mobilenet_v2(num_classes=CLASSES)),
    ("mobilenet_v2", "small", 32, small_mobilenet),
    ("mobilenet_v3_small", "large", 96, lambda: torchvision.models.mobilenet_v3_small(num_classes=CLASSES)),
    ("mobilenet_v3_small", "small", 32, small_mobilenet_v3),
    ("convnext_tiny", "large", 96, lambda: torchvision.models.convnext_tiny(num_classes=CLASSES)),
    ("vit_tiny", "large", 96, lambda: vit(96, 16)),
    ("vit_tiny", "small", 32, lambda: vit(32, 4)),
    ("vit_tiny", "large", 144, lambda: resized_vit(80, 144, 16)),
    ("vit_tiny", "small", 20, lambda: resized_vit(32, 20, 4)),
    ("vit_tiny", "small", 32, lambda: resized_vit(4, 32, 4)),
]


def perturb(network):
    """Statistics and scales as after some training, so that nothing hides behind zeros and ones."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif name.endswith("layer_scale"):
                value.uniform_(0.1, 0.5)
            elif name.endswith(("heads.head.weight", "class_token")):
                value.normal_(0, 0.1)
            elif name.endswith("bias"):
                value.add_(torch.randn_like(value) * 0.05)


def main():
    torch.set_num_threads(2)
    good = True
    for name, stem, side, make in CASES:
        torch.manual_seed(1)
        network = make()
        network, state = network if isinstance(network, tuple) else (network.eval(), None)
        if state is None:
            perturb(network)
        x = torch.randn(3, 3, side, side)
        torch.save(state or network.state_dict(), "weights.pt")
        save_file({"x": x}, "x.safetensors")
        subprocess.run([PROGRAM, name, str(CLASSES), stem, "weights.pt", "x.safetensors", "out.safetensors"], check=True)
        ours = load_file("out.safetensors")
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(x[:1])
        with torch.no_grad():
            logits = network.double()(x.double())
        error = ((ours["logits"] - logits).abs().max() / logits.abs().max()).item()
        parameters = sum(p.numel() for p in network.parameters())
        # PyTorch counts the multiply-adds of products and convolutions only; everything else is at most a tenth of them.
        flops = ours["flops"].item() / counter.get_total_flops()
        right = error < 1e-4 and ours["parameters"].item() == parameters and 1 <= flops < 1.1
        print(f"{name:18} {stem:5} {side:3}  error {error:.1e}  parameters {parameters:,}  GFLOP {ours['flops'].item() / 1e9:.3f} "
              f"(PyTorch counts {counter.get_total_flops() / 1e9:.3f})  {'ok' if right else 'WRONG'}", flush=True)
        good &= right
    sys.exit(0 if good else 1)


main()
