# SPDX-License-Identifier: Apache-2.0
"""explain: the same numbers in words, JSON and on the page; SUANLI_EXPLAIN for any program."""
import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess

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
    for part in ("passes", "kernels in the order in which they run", "fusable neighbors in different kernels", "memory: working memory", "fc1"):
        check(part in words, f"{part!r} is not in {words}")
    check("= matmul(" in tape and "= matmul(" not in words, "records are listed where they are asked for")


def test_composites_are_named():
    subject = ("explain", TINY, "--model", "cnn_bn", "--batch", 8)
    step = ok_json(*subject)["programs"][0]
    norms = [call for call in step["calls"] if call["op"] == "batch_norm"]
    check(len(norms) > 1, "every layer")
    for call in norms:
        same((call["attributes"], call["depth"], len(call["inputs"])), ("eps=1e-05", 0, 3), call)
        check(call["module"].endswith(".bn"), call["module"])
        last = f"%{call['first'] + call['records'] - 1}"
        same(call["results"], [last], "the last part is the result")
        check(any(record.startswith(last + " = ") for record in step["passes"][0]["records"]), last)
    line = f"  batch_norm({', '.join(norms[0]['inputs'])}; eps=1e-05) → {norms[0]['results'][0]}, "
    check(line in ok(*subject), line)


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
    check('name="viewport"' in page and "prefers-color-scheme: dark" in page, "it fits a phone, and a dark screen")


PAGE_JS = r"""
const fs = require("fs"), [,, file, width] = process.argv, html = fs.readFileSync(file, "utf8");
const data = html.match(/type="application\/json">([\s\S]*?)<\/script>/)[1], script = html.match(/<script>\n([\s\S]*?)<\/script>/)[1];
let out = "";
const element = {style: {}, clientWidth: +width, set innerHTML(t) { out = t; }};
global.document = {getElementById: id => id === "data" ? {textContent: data} : element, querySelectorAll: () => []};
global.addEventListener = () => {};
new Function(script)();
const numbers = pattern => [...out.matchAll(pattern)].map(m => m.slice(1).map(Number));
console.log(JSON.stringify({
  svg: numbers(/<svg width="(\d+)" height="(\d+)"/g),
  boxes: numbers(/data-i="(\d+)" transform="translate\(([\d.]+),([\d.]+)\)"><rect class="k\d" width="(\d+)" height="(\d+)"/g),
  columns: numbers(/<text x="(\d+)" y="18" font-weight="600">(?:forward|backward|update)</g).map(c => c[0]),
  broken: /undefined|NaN/.test(out)}));
"""


def test_boxes_stand_below_their_headings():
    """The page's script, run on a stub of a document: columns within the window, each box in the column of its phase, none over another."""
    if not shutil.which("node"):
        return print("        node is not installed: the page was not drawn")
    pathlib.Path("page.js").write_text(PAGE_JS)
    for name, options in (("adam", ["--model", "cnn_b"]), ("ema", ["--model", "cnn_bn", "--ema", "0.9"]), ("clip", ["--model", "cnn_b", "--clip-norm", 1])):
        programs = ok_json("explain", TINY, *options, "--html", f"{name}.html")["programs"]
        for width in (1217, 369):   # windows of 1280 and of 400 pixels, without margins and scroll bar
            done = subprocess.run(["node", "page.js", f"{name}.html", str(width)], capture_output=True, text=True)
            same((done.returncode, done.stderr), (0, ""), "node")
            drawn = json.loads(done.stdout)
            check(not drawn["broken"] and len(drawn["svg"]) == len(programs), f"{name}: {drawn}")
            check(all(w <= width for w, _ in drawn["svg"]), f"{name}: {drawn['svg']} in {width}")
            boxes, columns = iter(drawn["boxes"]), iter(drawn["columns"])
            for p in programs:
                heads, taken = [next(columns) for _ in range(3)], []
                for k in p["kernels"]:
                    _, x, y, w, h = next(boxes)
                    same(x, heads[["forward", "backward", "update"].index(k["phase"])], f"{name}: column of {k['name']}")
                    both = k["phase"] == "backward" and k["updates"]
                    same(x + w > heads[2], both or k["phase"] == "update", f"{name}: {k['name']} reaches the updates")
                    for ox, oy, ow, oh in taken:
                        check(x >= ox + ow or ox >= x + w or y >= oy + oh or oy >= y + h, f"{name}: {k['name']} lies over another box")
                    taken.append((x, y, w, h))


def test_phases():
    """Kernels that update: exactly the kernels whose results replace parameters or state, whatever was fused in front of them."""
    weights = 8   # of cnn_b: tensors
    for options, per_weight in (([], 3), (["--clip-norm", 1], 3), (["--clip-value", 1], 3), (["--optimizer", "sgd", "--momentum", 0], 1)):
        kernels = ok_json("explain", TINY, "--model", "cnn_b", *options)["programs"][0]["kernels"]
        loss = [k for k in kernels if k["leaves"] and not k["updates"]]
        same(len(loss), 1, f"{options}: besides the updates the loss leaves")
        check(sum(len(k["results"]) for k in kernels if k["updates"]) >= weights * per_weight, f"{options}: {kernels}")
        check(all(k["updates"] for k in kernels if k["phase"] == "update"), f"{options}: an update updates")
        for k in kernels:
            if k["name"].startswith("fused(") and k["updates"] and len(k["results"]) == per_weight:
                same(k["phase"], "update", f"{options}: {k['name']}")
            if k["name"].split("(")[0] in ("matmul", "conv2d", "conv2d_grad_weight", "conv2d_grad_input"):
                check(k["phase"] != "update", f"{options}: {k['name']} computes a gradient")
    step, average = ok_json("explain", TINY, "--model", "cnn_b", "--ema", "0.9")["programs"]
    same({k["phase"] for k in average["kernels"]}, {"update"}, "an average of the weights")
    second = ok_json("explain", TINY, "--model", "cnn_b", "--accumulate", 2)["programs"]
    same([any(k["updates"] for k in p["kernels"]) for p in second], [False, True], "two batches, then one update")


def test_what_goes_in():
    words = ok("explain", TINY, *FAST).splitlines()[0]
    check("[1, 28, 28]" in words and "glyphs" in words, words)
    same(ok_json("explain", "random:3x64x64?classes=5&samples=32", *FAST)["input_shape"], [3, 64, 64], "a sample's shape")
    drawn = ok("explain", TINY, *FAST, "--html", "said.html")
    check("said.html" in drawn and drawn.count("\n") == 1, f"it says what it wrote, and that alone: {drawn}")


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
    models = re.search(r"one of (.*)", known).group(1).split(", ")
    check(len(models) >= 5, known)
    for model in models:
        data = "random:9?classes=5&samples=32" if model == "tabular" else "random:3x64x64?classes=5&samples=32"
        e = ok_json("explain", data, "--model", model, "--batch", 2)
        programs = 2 if model == "airbench" else 1   # its recipe has an average of the weights, which is brought up to date by itself
        same((e["model"], e["batch_size"], len(e["programs"])), (model, 2, programs), model)


def test_errors():
    fails(2, "expected tokens for a gpt", args=["explain", "glyphs", "--model", "gpt"])
    fails(2, "--lr: beside --model gpt", args=["explain", "--model", "gpt", "--lr", "1"])
    fails(2, "option: --modle, expected an option of suanli explain", args=["explain", "--modle", "mlp"])
    fails(2, "'nothing'", args=["explain", "--model", "nothing"])
    fails(3, "DATA: missing", "suanli explain table.csv --target y --model tabular", args=["explain", "--model", "tabular"])
    fails(3, "[1, 28, 28]", args=["explain", TINY, "--model", "tabular"])
    fails(3, "nowhere", args=["explain", TINY, *FAST, "--html", "nowhere/p.html"])


main(globals())
