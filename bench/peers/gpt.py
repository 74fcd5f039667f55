"""The GPT of bench/gpt.cpp in PyTorch and ONNX Runtime: milliseconds per step on random tokens.

    $(scripts/peers --path) bench/peers/gpt.py train|infer|onnx [batch] [T] [layers] [width] [heads] [vocab] [steps] [--threads N] [--compile]
Prints the median and the least of `steps` steps after three that are not counted, and tokens per second.
"""
import argparse
import io
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (p.view(b, t, self.heads, c // self.heads).transpose(1, 2) for p in self.c_attn(self.ln_1(x)).split(c, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.proj(F.gelu(self.fc(self.ln_2(x))))


class Gpt(nn.Module):
    def __init__(self, vocab, context, layers, width, heads):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.h = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f, self.head = nn.LayerNorm(width), nn.Linear(width, vocab, bias=False)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.head(self.ln_f(x))


def onnx_runner(model, tokens, threads):
    import onnxruntime as ort
    file = io.BytesIO()
    torch.onnx.export(model, (tokens,), file, dynamo=False, opset_version=20, input_names=["tokens"])
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"tokens": x.numpy()})


def main():
    p = argparse.ArgumentParser()
    p.add_argument("mode", choices=["train", "infer", "onnx"])
    for name, value in (("batch", 8), ("t", 256), ("layers", 4), ("width", 256), ("heads", 8), ("vocab", 5000), ("steps", 20)):
        p.add_argument(name, type=int, nargs="?", default=value)
    p.add_argument("--threads", type=int, default=2), p.add_argument("--compile", action="store_true")
    a = p.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(a.threads)
    model = Gpt(a.vocab, a.t, a.layers, a.width, a.heads)
    opt = torch.optim.AdamW(model.parameters(), lr=3e-4)
    tokens = lambda *shape: torch.randint(0, a.vocab, shape)
    run = torch.compile(model) if a.compile else model
    if a.mode == "onnx":
        run = onnx_runner(model.eval(), tokens(a.batch, a.t), a.threads)
    seconds = []
    for i in range(-3, a.steps):
        x, y = tokens(a.batch, a.t), tokens(a.batch * a.t)
        begin = time.perf_counter()
        if a.mode == "train":
            opt.zero_grad()
            F.cross_entropy(run(x).flatten(0, 1), y).backward()
            opt.step()
        else:
            with torch.no_grad():
                run(x)
        if i >= 0:
            seconds.append(time.perf_counter() - begin)
    seconds.sort()
    median = seconds[len(seconds) // 2]
    print(f"{'onnxruntime' if a.mode == 'onnx' else 'pytorch'} {a.mode} batch {a.batch} T {a.t} layers {a.layers} width {a.width} heads {a.heads} vocab {a.vocab}: "
          f"median {median * 1e3:.2f} ms, min {seconds[0] * 1e3:.2f} ms, {a.batch * a.t / median:.0f} tokens/s", flush=True)


main()
