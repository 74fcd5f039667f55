# SPDX-License-Identifier: Apache-2.0
"""suanli data get from a server of this test's own, suanli data pack, and what a packed file and a .npz file are good for."""
import http.server
import io
import json
import os
import pathlib
import struct
import subprocess
import tarfile
import threading
import zipfile

from _suanli import BIN, check, fails, main, ok, ok_json, read_png, run, same, write_png

FILES = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]


class Server:
    """Serves `files`, {path: bytes}; keeps the ranges asked for; with `cut` every answer breaks off after so many bytes."""

    def __init__(self, files, ranges=True, cut=None):
        self.asked = asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                content = files.get(self.path)
                asked.append((self.path, self.headers.get("Range")))
                if content is None:
                    return self.send_error(404)
                begin = 0
                if ranges and self.headers.get("Range"):
                    begin = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
                    if begin >= len(content):
                        return self.send_error(416)
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(len(content) - begin))
                self.end_headers()
                self.wfile.write(content[begin:][:cut])

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.env = {**os.environ, "SUANLI_MIRROR": f"http://127.0.0.1:{self.server.server_port}/base", "no_proxy": "*"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()


def mnist():
    """{name: bytes} of the real files, or None."""
    folder = pathlib.Path(os.environ.get("SUANLI_DATA") or "/nonexistent", "mnist")
    return {name: (folder / name).read_bytes() for name in FILES} if folder.exists() else None


def served(files):
    return {f"/base/mnist/{name}": content for name, content in files.items()}


def test_get():
    files = mnist()
    if not files:
        return print("SUANLI_DATA holds no mnist: downloads of the real files are not tested")
    with Server(served(files)) as server:
        text = ok("data", "get", "mnist", "m", env=server.env)
        check("suanli train mnist:m" in text, text)
        for name, content in files.items():
            check(pathlib.Path("m", name).read_bytes() == content, name)
        same(sorted(os.listdir("m")), sorted(FILES), "nothing else is left")
        before = len(server.asked)
        check("there already" in ok("data", "get", "mnist", "m", env=server.env), "a second time")
        same(len(server.asked), before, "what is there is not asked for")
        # Damage on the disk is noticed, and only that file is fetched.
        damaged = pathlib.Path("m", FILES[3])
        damaged.write_bytes(b"x" * damaged.stat().st_size)
        ok("data", "get", "mnist", "m", env=server.env)
        check(damaged.read_bytes() == files[FILES[3]], "repaired")
        same(len(server.asked), before + 1, "one file")


def test_what_was_begun_is_gone_on_with():
    files = mnist()
    if not files:
        return
    for left, ranges, what in ((files[FILES[0]][:5_000_000], True, "the beginning is there"), (files[FILES[0]][:1000], False, "no ranges"),
                               (b"y" * 1000, True, "another file's beginning"), (b"y" * 20_000_000, True, "too much")):
        pathlib.Path("begun").mkdir(exist_ok=True)
        for f in pathlib.Path("begun").iterdir():
            f.unlink()
        pathlib.Path("begun", FILES[0] + ".part").write_bytes(left)
        with Server(served(files), ranges) as server:
            ok("data", "get", "mnist", "begun", env=server.env)
            check(pathlib.Path("begun", FILES[0]).read_bytes() == files[FILES[0]], what)
            if len(left) < 10_000_000:
                same(server.asked[0], (f"/base/mnist/{FILES[0]}", f"bytes={len(left)}-"), what)
        same(sorted(os.listdir("begun")), sorted(FILES), what)


def test_get_fails_plainly():
    sizes = {FILES[0]: 9912422, FILES[1]: 28881, FILES[2]: 1648877, FILES[3]: 4542}
    wrong = {name: b"z" * size for name, size in sizes.items()}
    with Server(served(wrong)) as server:
        fails(3, FILES[0], "it is another file than expected", "put it into w", args=["data", "get", "mnist", "w", "--quiet"], env=server.env)
        same(os.listdir("w"), [], "nothing is left of it")
    with Server(served({name: b"z" * (size + 5) for name, size in sizes.items()})) as server:
        fails(3, "more than the 9912422 bytes expected", args=["data", "get", "mnist", "w", "--quiet"], env=server.env)
    with Server({}) as server:
        fails(3, "the server answers 404", args=["data", "get", "mnist", "w", "--quiet"], env=server.env)
    with Server(served(wrong), cut=1000) as server:
        fails(3, "Run this again to go on", args=["data", "get", "mnist", "w", "--quiet"], env=server.env)
        same(pathlib.Path("w", FILES[0] + ".part").stat().st_size, 1000, "what came is kept")
    nobody = {**os.environ, "SUANLI_MIRROR": "http://127.0.0.1:1", "no_proxy": "*"}
    fails(3, FILES[0], "127.0.0.1:1", "another machine", args=["data", "get", "mnist", "w"], env=nobody)
    fails(2, "Did you mean mnist?", args=["data", "get", "mnits"])
    fails(2, "DATA: missing, expected mnist", args=["data", "get"])
    fails(2, "expected show, get or pack", args=["data", "shw"])


def test_pack():
    out = ok("data", "pack", "glyphs?train=300&test=40", "g.packed")
    for part in ("340 samples [1, 28, 28] in g.packed", "suanli train g.packed"):
        check(part in out, out)
    before, after = ok_json("data", "show", "glyphs?train=300&test=40"), ok_json("data", "show", "g.packed")
    for split in ("train", "test"):
        same(after[split], before[split], split)
    same(after["kind"], "packed", "found out")
    r = ok_json("train", "g.packed", "--model", "mlp", "--epochs", 1, "--out", "packed_run", "--quiet")
    check(r["test_accuracy"] > 0.1, r)
    same(ok_json("eval", "packed_run")["samples"], 40, "the test split")
    fails(2, "data pack: 1 word, expected two", args=["data", "pack", "glyphs"])
    pathlib.Path("t.csv").write_text("a,b\n1,x\n2,y\n")
    fails(3, "expected pictures with classes", args=["data", "pack", "csv:t.csv?target=b", "t.packed"])
    check(not pathlib.Path("t.packed").exists(), "nothing half-written")


def npy(descr, shape, content):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def test_npz():
    with zipfile.ZipFile("a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        classes = [i % 2 for i in range(200)]
        archive.writestr("x.npy", npy("<f4", (200, 3), b"".join(struct.pack("<3f", 1000 * c, i % 7, -5) for i, c in enumerate(classes))))
        archive.writestr("y.npy", npy("<i8", (200,), struct.pack("<200q", *classes)))
    r = ok_json("train", "a.npz", "--model", "mlp", "--epochs", 3, "--out", "npz_run", "--quiet")
    check(r["val_accuracy"] == 1, r)
    config = pathlib.Path("npz_run/config.toml").read_text()
    check("mean = [500.0, " in config, config)
    same(ok_json("eval", "npz_run", "npz:a.npz")["samples"], 200, "other data of the same kind")
    answers = ok_json("predict", "npz_run", "a.npz", "--top", 2)["predictions"]
    same([(a["row"], a["class"]) for a in answers], [(i + 1, str(i % 2)) for i in range(200)], "one answer per sample")
    same(ok_json("predict", "npz_run", "npz:a.npz?x=x", "--top", 2)["predictions"][0]["probability"], answers[0]["probability"], "by name")
    ok("predict", "npz_run", "a.npz", "--csv", "a.csv")
    same(len(open("a.csv").readlines()), 201, "and as a table")
    for piped in ("-", "/dev/stdin", "npz:-", "npz:-?x=x"):
        with open("a.npz", "rb") as archive:
            done = run("predict", "npz_run", piped, "--top", 2, "--json", stdin=archive)
        same(done.returncode, 0, done.stderr)
        same([p["class"] for p in json.loads(done.stdout)["predictions"]], [p["class"] for p in answers], piped)
    with zipfile.ZipFile("empty.npz", "w") as archive:
        archive.writestr("x.npy", npy("<f4", (0, 3), b""))
    fails(3, "empty.npz: x: [0, 3], expected at least one sample", args=["predict", "npz_run", "empty.npz"])
    fails(3, "a.npz: arrays x, y, expected images", "npz:a.npz?x=NAME", args=["predict", "npz_run", "npz:a.npz?x=images"])
    fails(2, "the inputs alone", args=["predict", "npz_run", "npz:a.npz?y=y"])
    fails(2, "Call twice", args=["predict", "npz_run", "a.npz", "a.csv"])
    fails(3, "samples of shape [3], expected arrays", "neither pictures nor rows", "data.npz", args=["predict", "npz_run", "a.csv"])
    with zipfile.ZipFile("wide.npz", "w") as archive:
        archive.writestr("only.npy", npy("<f4", (2, 4), struct.pack("<8f", *range(8))))
    fails(3, "wide.npz: only: [2, 4], samples [4], expected samples [3], which the model takes", args=["predict", "npz_run", "wide.npz"])
    fails(3, "a.npz: arrays x, y, expected images and y", args=["train", "npz:a.npz?x=images", "--quiet"])


def cifar_archive(folder, change=lambda name, data: (name, data, tarfile.REGTYPE, "")):
    """CIFAR-10's published archive, small; `change` gives each member's name, content, kind and the target of a link."""
    pathlib.Path(folder).mkdir()
    records = b"".join(bytes([i % 10]) + bytes((i * 7 + k) % 251 for k in range(3072)) for i in range(20))
    with tarfile.open(f"{folder}/cifar-10-binary.tar.gz", "w:gz") as archive:
        for name in [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]:
            member, content, kind, target = change(f"cifar-10-batches-bin/{name}", records)
            info = tarfile.TarInfo(member)
            info.size, info.type, info.linkname = len(content), kind, target
            archive.addfile(info, io.BytesIO(content))


def test_archives_write_nothing_and_follow_no_links():
    here = pathlib.Path.cwd()
    inside = here / "outside" / "inside"   # so that two folders up are still this test's own
    inside.mkdir(parents=True)
    os.chdir(inside)
    try:
        archives_that_point_elsewhere()
    finally:
        os.chdir(here)


def archives_that_point_elsewhere():
    around = pathlib.Path("../..")
    files = lambda: sorted(str(p.relative_to(around)) for p in around.rglob("*"))
    cifar_archive("plain")
    cifar_archive("slip", lambda name, data: ("../../" + name, data, tarfile.REGTYPE, ""))
    cifar_archive("absolute", lambda name, data: (os.getcwd() + "/" + name, data, tarfile.REGTYPE, ""))
    secret = pathlib.Path("secret.bin")
    secret.write_bytes(bytes(20 * 3073))
    for kind, word in ((tarfile.SYMTYPE, "symbolic"), (tarfile.LNKTYPE, "hard")):
        cifar_archive(word, lambda name, data: (name, b"", kind, os.path.abspath(secret)) if "batch_3" in name else (name, data, tarfile.REGTYPE, ""))
    with zipfile.ZipFile("slip.npz", "w") as archive:
        archive.writestr("../x.npy", npy("<f4", (4, 1), bytes(16)))
        archive.writestr("/y.npy", npy("<i8", (4,), bytes(32)))
    with zipfile.ZipFile("link.npz", "w") as archive:
        link = zipfile.ZipInfo("x.npy")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, os.path.abspath(secret))
        archive.writestr("y.npy", npy("<i8", (4,), bytes(32)))
    before = files()
    expected = ok_json("data", "show", "cifar10:plain")["train"]
    for folder in ("slip", "absolute"):   # read in memory by their last names: nothing is unpacked anywhere
        same(ok_json("data", "show", f"cifar10:{folder}")["train"], expected, folder)
    for folder in ("symbolic", "hard"):
        fails(3, ": no data_batch_3.bin, expected the binary version", args=["data", "show", f"cifar10:{folder}"])
    fails(3, "slip.npz: arrays ../x, /y, expected inputs and targets", args=["data", "show", "slip.npz"])
    fails(3, "link.npz: member x.npy", "no NumPy array", args=["data", "show", "link.npz"])
    same(files(), before, "nothing was written")


def test_the_model_fits_the_data():
    cifar_archive("pictures")
    check("model airbench: made for these pictures" in run("train", "cifar10:pictures", "--dry-run").stderr, "CIFAR has a network of its own")


def test_an_npz_of_one_class():
    with zipfile.ZipFile("one.npz", "w") as archive:
        archive.writestr("x.npy", npy("<f4", (40, 1), bytes(160)))
        archive.writestr("y.npy", npy("<i8", (40,), bytes(320)))
    fails(3, "one.npz", "at least two to tell apart", args=["train", "one.npz", "--quiet"])


def test_sheet_of_views():
    ok("data", "show", "glyphs?train=60&test=10", "--sheet", "plain.png")
    for augment in ("rotation,blur=1,erasing=1", "mixup=5"):
        ok("data", "show", "glyphs?train=60&test=10", "--sheet", "views.png", "--augment", augment)
        check(pathlib.Path("plain.png").read_bytes() != pathlib.Path("views.png").read_bytes(), f"{augment}: the views differ")
    for name in ("left", "right"):   # the same pictures in both classes: each is turned in a way of its own all the same
        pathlib.Path("twins", name).mkdir(parents=True)
        for i in range(3):
            write_png(pathlib.Path("twins", name, f"{i}.png"), [[(7 * r + 11 * c + 40 * i) % 250 for c in range(12)] for r in range(12)])
    for augment, alike in (("none", True), ("rotation=90", False)):
        ok("data", "show", "twins?size=12", "--sheet", "twins.png", "--augment", augment)
        rows = [row[-10 * (12 + 2):] for row in read_png("twins.png")]   # without the names
        same((rows[2:14] == rows[16:28]), alike, augment)
    fails(2, "augment: 'rotate', expected none, or some of", args=["data", "show", "glyphs?train=60&test=10", "--sheet", "v.png", "--augment", "rotate"])


def test_show_gives_width_before_height():
    for name, shade in (("dark", 20), ("light", 200)):
        pathlib.Path("wide", name).mkdir(parents=True)
        for i in range(2):
            write_png(pathlib.Path("wide", name, f"{i}.png"), [[shade] * 24] * (12 + (name == "light")))
    text = ok("data", "show", "wide")
    check("pictures smallest 24×12, median 24×13, largest 24×13" in text, text)


def test_memory_does_not_grow_with_the_data():
    program = pathlib.Path(BIN).parent / "bench_loader"
    if not program.exists():
        return print("bench_loader is not built: the loader's memory is not measured")

    def peak_mb(pictures):
        for name in ("dark", "light"):
            folder = pathlib.Path(f"many{pictures}", name)
            folder.mkdir(parents=True)
            write_png(folder / "0.png", [[(r * c + 90 * (name == "light")) % 250 for c in range(80)] for r in range(80)])
            for i in range(1, pictures // 2):
                os.link(folder / "0.png", folder / f"{i}.png")
        words = [program, f"folder:many{pictures}?size=64", "resized_crop,flip,randaugment", "16", "2", "200"]
        return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)["peak_mb"]

    few, many = peak_mb(100), peak_mb(5000)
    print(f"most memory with 100 pictures {few} MB, with 5000 {many} MB")
    check(many < few + 12, "only the list of files may grow")


def test_balanced():
    for name, shade, count in (("dark", 20, 40), ("light", 200, 4)):
        pathlib.Path("uneven", name).mkdir(parents=True)
        for i in range(count):
            write_png(pathlib.Path("uneven", name, f"{i}.png"), [[shade + (r * c + i) % 40 for c in range(12)] for r in range(12)])
    words = ["train", "uneven", "--model", "linear", "--epochs", 1, "--val", 0, "--quiet"]
    random, balanced = ok_json(*words, "--out", "uneven_random"), ok_json(*words, "--out", "uneven_balanced", "--balanced")
    check(random["train_loss"] != balanced["train_loss"], "other samples were drawn")
    check('sampler = "balanced"' in pathlib.Path("uneven_balanced/config.toml").read_text(), "the run knows it")
    pathlib.Path("n.csv").write_text("a,b\n" + "".join(f"{i},{i * 1.5}\n" for i in range(100)))
    fails(2, "whose targets are numbers, expected targets that are classes", args=["train", "csv:n.csv?target=b", "--balanced", "--quiet"])


def test_several_views():
    data = "glyphs?train=640&test=160"
    ok("train", data, "--model", "mlp", "--epochs", 1, "--tta", "mirror", "--out", "views", "--quiet")
    run = ok_json("eval", "views")
    same(run["tta"], "mirror", "the run's")
    same(run["accuracy"], json.load(open("views/summary.json"))["test_accuracy"], "as in the test at the end")
    once = ok_json("eval", "views", "--tta", "none")
    check(once["loss"] != run["loss"], "a mirrored digit is another sign")
    check("tta translate" in ok("eval", "views", "--tta", "translate"), "said")
    write_png("seven.png", [[250 if r == 4 or r + c == 30 else 0 for c in range(28)] for r in range(28)])
    answers = [ok_json("predict", "views", "seven.png", *words)["predictions"][0]["probability"] for words in ([], ["--tta", "mirror"], ["--tta", "none"])]
    check(answers[0] == answers[1] != answers[2], f"{answers}")
    fails(2, "tta: 'mirorr', expected none, mirror or translate", args=["eval", "views", "--tta", "mirorr"])
    fails(2, "tta: 'mirorr'", args=["train", data, "--tta", "mirorr"])
    pathlib.Path("n2.csv").write_text("a,b\n" + "".join(f"{i},{i * 1.5}\n" for i in range(100)))
    fails(2, "tta: mirror, expected none", args=["train", "csv:n2.csv?target=b", "--tta", "mirror", "--quiet"])


def test_mixed_batches_train():
    r = ok_json("train", "glyphs?train=640&test=160", "--model", "cnn_b", "--epochs", 1, "--augment", "mixup,cutmix", "--out", "mixed",
                "--quiet")
    check(r["val_loss"] < 2.3, r)


main(globals())
