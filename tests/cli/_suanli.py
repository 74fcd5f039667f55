# SPDX-License-Identifier: Apache-2.0
"""Runs the program in $SUANLI_BIN and looks at what it leaves. Python's standard library only."""
import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys
import zlib

BIN = os.environ["SUANLI_BIN"]
TINY = "glyphs?train=640&test=160"   # 9 steps of 64 per epoch, with the default validation split
FAST = ["--model", "mlp"]


def start(*args, **kw):
    return subprocess.Popen([BIN, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)


def run(*args, timeout=120, **kw):
    return subprocess.run([BIN, *map(str, args)], capture_output=True, text=True, timeout=timeout, **kw)


def ok(*args, **kw):
    """Runs, expects success, returns stdout."""
    done = run(*args, **kw)
    check(done.returncode == 0, f"suanli {' '.join(map(str, args))} gave {done.returncode}: {done.stderr}")
    return done.stdout


def ok_json(*args, **kw):
    out = ok(*args, "--json", **kw)
    check(out.count("\n") == 1, f"--json printed more than one line: {out!r}")
    return json.loads(out)


def fails(code, *parts, args, **kw):
    """Expects exit `code`, nothing on stdout, and one line on stderr, `suanli: …`, that holds all `parts`."""
    done = run(*args, **kw)
    what = f"suanli {' '.join(map(str, args))}"
    check(done.returncode == code, f"{what}: exit {done.returncode}, expected {code}: {done.stderr}")
    check(done.stdout == "", f"{what}: stdout {done.stdout!r}")
    lines = [l for l in done.stderr.splitlines() if l.startswith("suanli: ")]
    check(len(lines) == 1 and done.stderr.endswith(lines[0] + "\n"), f"{what}: stderr {done.stderr!r}")
    for part in parts:
        check(part in lines[0], f"{what}: {part!r} is not in {lines[0]!r}")
    return done


def check(right, message):
    if not right:
        raise AssertionError(message)


def same(a, b, what):
    check(a == b, f"{what}: {a!r} != {b!r}")


def digest(path):
    return zlib.crc32(pathlib.Path(path).read_bytes())


def metrics(run_folder, without=("wall", "samples_per_s")):
    """Rows of metrics.jsonl without what depends on time."""
    rows = [json.loads(l) for l in open(f"{run_folder}/metrics.jsonl")]
    return [{k: v for k, v in r.items() if k not in without} for r in rows]


def summary(run_folder):
    """summary.json without what depends on time and place."""
    s = json.load(open(f"{run_folder}/summary.json"))
    return {k: v for k, v in s.items() if k not in ("run", "seconds", "samples_per_s", "data_wait", "flops_per_s", "executed_flops_per_s", "peak_bytes")}


def state(run_folder):
    return json.load(open(f"{run_folder}/checkpoints/state.json"))


def write_png(path, rows):
    """An 8-bit PNG of a list of rows of bytes, or of (red, green, blue)."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    color = isinstance(rows[0][0], tuple)
    raw = b"".join(b"\0" + (b"".join(map(bytes, r)) if color else bytes(r)) for r in rows)
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2 if color else 0, 0, 0, 0)
    pathlib.Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def read_png(path):
    """Rows of (red, green, blue) of an 8-bit RGB PNG that is not interlaced."""
    data, at, packed = pathlib.Path(path).read_bytes(), 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            same((depth, color, interlaced), (8, 2, 0), path)
        packed += body if kind == b"IDAT" else b""
        at += size + 12
    raw, rows, above = zlib.decompress(packed), [], bytes(3 * width)
    for r in range(height):
        kind, line = raw[r * (3 * width + 1)], bytearray(raw[r * (3 * width + 1) + 1:(r + 1) * (3 * width + 1)])
        for i in range(3 * width):
            a, b, c = line[i - 3] if i > 2 else 0, above[i], above[i - 3] if i > 2 else 0
            near = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]   # Paeth's
            line[i] = (line[i] + (0, a, b, (a + b) // 2, near)[kind]) % 256
        above = bytes(line)
        rows.append([tuple(line[i:i + 3]) for i in range(0, 3 * width, 3)])
    return rows


def idx_files(folder, truncate=None):
    """Four small IDX files in .gz, of them `truncate` cut in the middle."""
    pathlib.Path(folder).mkdir()
    for part, n in (("train", 60), ("t10k", 20)):
        for kind, data in (("images-idx3", struct.pack(">IIII", 0x803, n, 28, 28) + os.urandom(n * 784)),
                           ("labels-idx1", struct.pack(">II", 0x801, n) + bytes(i % 10 for i in range(n)))):
            packed = gzip.compress(data)
            name = f"{part}-{kind}-ubyte.gz"
            pathlib.Path(folder, name).write_bytes(packed[:len(packed) // 2] if name == truncate else packed)


def main(scope):
    """Runs every test_… of a module; exits with 1 if one failed."""
    failed = 0
    for name, test in list(scope.items()):
        if not name.startswith("test_") or (len(sys.argv) > 1 and name not in sys.argv[1:]):
            continue
        try:
            test()
            print(f"ok      {name}", flush=True)
        except AssertionError as e:
            failed += 1
            print(f"FAILED  {name}: {e}", flush=True)
    sys.exit(1 if failed else 0)
