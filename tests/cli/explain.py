"""explain: the same numbers in words, JSON and on the page; SUANLI_EXPLAIN for any program."""
import html.parser
import json
import os
import pathlib
import re

from _suanli import FAST, TINY, check, fails, main, ok, ok_json, run, same


def test_json():
    e = ok_json("explain", TINY, "--model", "cnn_b", "--batch", 32)
    same((e["model"], e["batch_size"], e["what"], len(e["programs"])), ("cnn_b", 32, "training step of cnn_b, batch 32", 1), "what")
    p = e["programs"][0]
    same(p["flops"], sum(k["flops"] for k in p["kernels"]), "FLOPs")
    same(p["bytes"], sum(k["bytes"] for k in p["kernels"]), "bytes")
    same(p["reorders"], sum(k["name"] == "reorder" for k in p["kernels"]), "reorders")
    same(p["passes"][0]["pass"], "recorded", "first listing")
    # What is behind a name's first bracket is fused: an operation for each of its elements.
    convolutions = {k["name"].split("(")[0]: k for k in p["kernels"] if k["module"] == "conv2" and k["name"].startswith("conv2d")}
    for name in ("conv2d", "conv2d_grad_input", "conv2d_grad_weight"):   # 2 · N · O · P · Q · C · R · S
        fused = (convolutions[name]["ops"] - 1) * 32 * 64 * 11 * 11
        same(convolutions[name]["flops"], 2 * 32 * 64 * 11 * 11 * 32 * 3 * 3 + fused, name)
    same({k["phase"] for k in p["kernels"]}, {"forward", "backward", "update"}, "phases")
    check(all(r < i for i, k in enumerate(p["kernels"]) for r in k["reads"]), "kernels run after what they read")
    weights = 4 * (32 * 9 + 32 + 64 * 32 * 9 + 64 + 128 * 1600 + 128 + 10 * 128 + 10)
    same(p["memory"]["overwritten_bytes"], 3 * weights, "weights and Adam's moments are written in place")
    held = sum(h["bytes"] for h in p["memory"]["holders"])
    check(0 < held <= p["memory"]["working_bytes"], f"held {held} of {p['memory']['working_bytes']}")
    same(max(k["alive_bytes"] for k in p["kernels"]), held, "most that is alive")
    evaluation = ok_json("explain", TINY, "--model", "cnn_b", "--batch", 32, "--evaluation")["programs"][0]
    same({k["phase"] for k in evaluation["kernels"]}, {"forward"}, "an evaluation")
    check(evaluation["memory"]["working_bytes"] < p["memory"]["working_bytes"], "an evaluation keeps nothing for a backward")


def test_words_and_tape():
    words = ok("explain", TINY, *FAST)
    tape = ok("explain", TINY, *FAST, "--tape")
    for part in ("passes", "kernels in the order in which they run", "fusable neighbours in different kernels", "memory: working memory", "fc1"):
        check(part in words, f"{part!r} is not in {words}")
    check("= matmul(" in tape and "= matmul(" not in words, "records are listed where they are asked for")


def test_updates_of_one_kind_are_counted():
    subject = ("explain", TINY, "--model", "cnn_bn", "--batch", 8)   # running statistics are read after they are brought up to date
    kept = ok_json(*subject)["programs"][0]["memory"]["not_overwritten"]
    words = ok(*subject)
    lines = words[words.index("\nresults: "):].strip().splitlines()[1:]
    counts = [int(re.match(r" +[\d.]+ \w+ +(\d+) × ", line).group(1)) for line in lines]
    check(len(kept) > len(lines) > 0, f"{len(kept)} updates in {lines}")
    same(sum(counts), len(kept), "updates that are not written in place")


def test_page():
    ok("explain", TINY, "--model", "cnn_b", "--html", "page.html")
    page = pathlib.Path("page.html").read_text()
    urls = set(re.findall(r"(?:src|href)\s*=|https?://[^\s\"'<]+", page))
    same(urls, set(), "nothing is loaded from elsewhere")
    data = page[page.index('type="application/json">') + len('type="application/json">'):]
    shown = json.loads(data[:data.index("</script>")])
    same(shown, {**ok_json("explain", TINY, "--model", "cnn_b")}, "the page shows what --json prints")
    parser = html.parser.HTMLParser()
    parser.feed(page)
    parser.close()


def test_environment():
    done = run("train", TINY, *FAST, "--max-steps", 1, "--out", "a", "--quiet", env={**os.environ, "SUANLI_EXPLAIN": "1"})
    same(done.returncode, 0, done.stderr)
    check("kernels by kind" in done.stderr and "= matmul(" not in done.stderr, done.stderr[:2000])
    done = run("train", TINY, *FAST, "--max-steps", 1, "--out", "b", "--quiet", env={**os.environ, "SUANLI_EXPLAIN": "tape"})
    check("= matmul(" in done.stderr, done.stderr[:2000])
    done = run("train", TINY, *FAST, "--max-steps", 1, "--out", "c", "--quiet", env={**os.environ, "SUANLI_EXPLAIN": "0"})
    same(done.stderr, "", "off")


def test_gpt():
    b, t, v, c = 2, 64, 300, 256
    e = ok_json("explain", f"random:tokens={t}?vocab={v}", "--model", "gpt", "--batch", b)
    same((e["model"], e["batch_size"], len(e["programs"])), ("gpt", b, 1), "what")
    p = e["programs"][0]
    same({k["phase"] for k in p["kernels"]}, {"forward", "backward", "update"}, "phases")
    product = 2 * b * t * c * v  # what is fused behind one adds an operation or some tens for each of its elements
    head = [k["flops"] for k in p["kernels"] if k["module"] == "lm_head" and k["name"].startswith("matmul")]
    check(len(head) == 3 and all(product <= f <= 1.2 * product for f in head), f"the head's product and its two gradients: {head}, {product}")
    weights = 4 * (v * c + t * c + 4 * (12 * c * c + 13 * c) + 2 * c + c * v)
    same(p["memory"]["overwritten_bytes"], 3 * weights, "weights and AdamW's moments are written in place")
    evaluation = ok_json("explain", f"random:tokens={t}?vocab={v}", "--model", "gpt", "--batch", b, "--evaluation")["programs"][0]
    same({k["phase"] for k in evaluation["kernels"]}, {"forward"}, "an evaluation")


def test_every_model_of_the_zoo():
    known = run("explain", "--model", "nothing").stderr
    models = re.search(r"There are ([^.]*)\.", known).group(1).split(", ")
    check(len(models) >= 5, known)
    for model in models:
        data = "random:9?classes=5&samples=32" if model == "tabular" else "random:3x64x64?classes=5&samples=32"
        e = ok_json("explain", data, "--model", model, "--batch", 2)
        programs = 2 if model == "airbench" else 1   # its recipe has an average of the weights, which is brought up to date by itself
        same((e["model"], e["batch_size"], len(e["programs"])), (model, 2, programs), model)


def test_errors():
    fails(2, "a gpt reads tokens", args=["explain", "glyphs", "--model", "gpt"])
    fails(2, "--lr is not for --model gpt", args=["explain", "--model", "gpt", "--lr", "1"])
    fails(3, "is no option of explain", args=["explain", "--modle", "mlp"])
    fails(3, "model 'nothing'", args=["explain", "--model", "nothing"])
    fails(3, "nowhere", args=["explain", TINY, *FAST, "--html", "nowhere/p.html"])


main(globals())
