# SPDX-License-Identifier: Apache-2.0
"""suanli ops: schemas, and calls on arrays of a file."""
import json
import pathlib
import struct
import zipfile

from _suanli import check, fails, main, ok, ok_json, run, same


def npy(descr, shape, content):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def written(cases, **arrays):
    text = json.dumps(cases).encode() if not isinstance(cases, bytes) else cases
    with zipfile.ZipFile("in.npz", "w") as archive:
        archive.writestr("cases.npy", npy("|u1", f"({len(text)},)", text))
        for name, content in arrays.items():
            archive.writestr(name.replace("__", "/") + ".npy", content)


def read(path):
    """{name: (descr, shape, bytes)} of an archive that suanli wrote."""
    out = {}
    with zipfile.ZipFile(path) as archive:
        same(archive.testzip(), None, "checksums")
        for name in archive.namelist():
            content = archive.read(name)
            same(content[:8], b"\x93NUMPY\x01\x00", name)
            length, = struct.unpack("<H", content[8:10])
            same((10 + length) % 64, 0, "data begin at a multiple of 64")
            header = eval(content[10:10 + length])   # a dictionary that NumPy reads in the same way
            same(header["fortran_order"], False, name)
            out[name[:-4]] = (header["descr"], header["shape"], content[10 + length:])
    return out


def test_schemas():
    ops = {op["name"]: op for op in ok_json("ops")["ops"]}
    check(len(ops) > 90, len(ops))
    same([a["name"] for a in ops["conv2d"]["attributes"]], ["stride", "padding", "dilation", "groups"], "conv2d")
    same([(i["name"], i["kind"]) for i in ops["conv2d"]["inputs"]], [("input", "required"), ("weight", "required"), ("bias", "optional")], "conv2d")
    same([i["kind"] for i in ops["cat"]["inputs"]], ["variadic"], "cat")
    same(ops["gather"]["inputs"][1]["dtypes"], ["i64"], "gather")
    check("i64" not in ops["matmul"]["inputs"][0]["dtypes"] and "f64" in ops["matmul"]["inputs"][0]["dtypes"], "matmul")
    same(ops["sum"]["attributes"], [{"name": "dim", "type": "list of int", "required": False, "default": None},
                                    {"name": "keepdim", "type": "bool", "required": False, "default": False}], "sum")
    same(ops["gather"]["attributes"], [{"name": "dim", "type": "int", "required": True}], "gather")
    same([(a["name"], a["required"], a.get("default")) for a in ops["full"]["attributes"]], [("shape", True, None), ("dtype", False, "f32")], "full")
    same({a["name"]: (a["type"], a["default"]) for a in ops["scaled_dot_product_attention"]["attributes"]},
         {"scale": ("float", None), "is_causal": ("bool", False)}, "attention")
    same([(r["name"], r["dtype"]["rule"]) for r in ops["max_pool2d"]["results"]], [("output", "input"), ("positions", "fixed")], "max_pool2d")
    same(ops["exp"]["results"][0]["dtype"]["then"], "f32", "exp of integers")
    same((ops["matmul"]["gradient"], ops["argmax"]["gradient"], ops["argmax"]["no_gradient"]), (True, False, "the result is i64"), "gradients")
    check(all(op["gradient"] or op["no_gradient"] for op in ops.values()), "a reason for every gradient that is not there")
    check(all(op["onnx"] or op["instead_of_onnx"] for op in ops.values()), "what stands for every operator that is not there")
    same([i["name"] for i in ops["add"]["inputs"]], ["x", "y"], "add")
    same([i["name"] for i in ops["leaky_relu"]["inputs"]], ["input"], "leaky_relu")
    same(ops["leaky_relu"]["attributes"], [{"name": "negative_slope", "type": "float", "required": False, "default": 0.01}], "leaky_relu")
    same([a["required"] for a in ops["threshold"]["attributes"]], [True, True], "threshold")
    check("pointwise" in ops["exp"]["traits"] and "contraction" in ops["matmul"]["traits"] and "view" in ops["reshape"]["traits"], "traits")
    same(ops["matmul"]["onnx"], "MatMul", "matmul")
    check("conv2d" in ok("ops"), "the list")


def test_calls():
    written([{"id": "a", "calls": [{"op": "mul", "inputs": ["x", "x"], "attributes": {}},
                                   {"op": "sum", "inputs": ["%0"], "attributes": {"dim": -1, "keepdim": True}}],
              "outputs": ["%1", "%0"], "grad": ["x"]},
             {"id": "b", "calls": [{"op": "mul", "inputs": ["x", 3.0]}], "outputs": ["%0"]},
             {"id": "pool", "calls": [{"op": "max_pool2d", "inputs": ["p"], "attributes": {"kernel_size": 2, "stride": 2}}], "outputs": ["%0.1", "%0"]},
             {"id": "narrow", "calls": [{"op": "cast", "inputs": ["x"], "attributes": {"dtype": "bf16"}}], "outputs": ["%0"]},
             {"id": "slope", "calls": [{"op": "leaky_relu", "inputs": ["b/x"], "attributes": {"negative_slope": 2}},
                                       {"op": "softplus", "inputs": ["x"], "attributes": {"threshold": 0}}], "outputs": ["%0", "%1"]},
             {"id": "shape", "calls": [{"op": "reshape", "inputs": ["x"], "attributes": {"shape": [4, -1]}}], "outputs": ["%0"]},
             {"id": "defaults", "calls": [{"op": "sum", "inputs": ["x"]}, {"op": "max_pool2d", "inputs": ["p"], "attributes": {"kernel_size": 2}},
                                          {"op": "full", "inputs": [7], "attributes": {"shape": [2]}}], "outputs": ["%0", "%1", "%2"]}],
            x=npy("<f4", "(2, 2)", floats(1, 2, 3, 4)), b__x=npy("<f4", "(1,)", floats(5)), p=npy("<f4", "(1, 1, 2, 2)", floats(1, 4, 2, 3)))
    done = run("ops", "run", "in.npz", "out.npz")
    same(done.returncode, 0, done.stderr)
    out = read("out.npz")
    same(out["errors"][2], b"{}", "errors")
    same(out["a/out/0"], ("<f4", (2, 1), floats(5, 25)), "row sums of squares")
    same(out["a/out/1"], ("<f4", (2, 2), floats(1, 4, 9, 16)), "squares")
    same(out["a/grad/0"], ("<f4", (2, 2), floats(4, 8, 12, 16)), "4x, of both outputs")
    same(out["b/out/0"], ("<f4", (1,), floats(15)), "the case's own array")
    same(out["pool/out/0"], ("<i4", (1, 1, 1, 1), struct.pack("<i", 1)), "the position")
    same(out["narrow/out/0"], ("<f4", (2, 2), floats(1, 2, 3, 4)), "bf16 as f32")
    same(out["slope/out/0"], ("<f4", (1,), floats(5)), "leaky_relu")
    same(out["slope/out/1"], ("<f4", (2, 2), floats(1, 2, 3, 4)), "softplus above its threshold")
    same(out["shape/out/0"][1], (4, 1), "reshape")
    same(out["defaults/out/0"], ("<f4", (), floats(10)), "over all axes")
    same(out["defaults/out/1"], ("<f4", (1, 1, 1, 1), floats(4)), "windows side by side")
    same(out["defaults/out/2"], ("<f4", (2,), floats(7, 7)), "f32")


def test_errors_are_of_their_case():
    written([{"id": "shape", "calls": [{"op": "matmul", "inputs": ["x", "y"]}], "outputs": ["%0"]},
             {"id": "op", "calls": [{"op": "matmull", "inputs": ["x", "x"]}], "outputs": ["%0"]},
             {"id": "input", "calls": [{"op": "exp", "inputs": ["z"]}], "outputs": ["%0"]},
             {"id": "attribute", "calls": [{"op": "sum", "inputs": ["x"], "attributes": {"axis": 0}}], "outputs": ["%0"]},
             {"id": "range", "calls": [{"op": "argmax", "inputs": ["x"], "attributes": {"dim": 2}}], "outputs": ["%0"]},
             {"id": "missing", "calls": [{"op": "gather", "inputs": ["x", "i"]}], "outputs": ["%0"]},
             {"id": "shapeless", "calls": [{"op": "full", "inputs": [1]}], "outputs": ["%0"]},
             {"id": "shape of exp", "calls": [{"op": "exp", "inputs": ["x"], "attributes": {"shape": [4]}}], "outputs": ["%0"]},
             {"id": "type", "calls": [{"op": "sum", "inputs": ["x"], "attributes": {"keepdim": 1}}], "outputs": ["%0"]},
             {"id": "twice", "calls": [{"op": "sum", "inputs": ["x"], "attributes": {"dim": [0, -2]}}], "outputs": ["%0"]},
             {"id": "dtype", "calls": [{"op": "matmul", "inputs": ["i", "i"]}], "outputs": ["%0"]},
             {"id": "few", "calls": [{"op": "add", "inputs": ["x"]}], "outputs": ["%0"]},
             {"id": "number", "calls": [{"op": "threshold", "inputs": ["x"], "attributes": {"threshold": 1}}], "outputs": ["%0"]},
             {"id": "none", "calls": [{"op": "leaky_relu", "inputs": []}], "outputs": ["%0"]},
             {"id": "many", "calls": [{"op": "exp", "inputs": ["x", "x"]}], "outputs": ["%0"]},
             {"id": "index", "calls": [{"op": "embedding", "inputs": ["x", "i"]}], "outputs": ["%0"]},
             {"id": "good", "calls": [{"op": "neg", "inputs": ["x"]}], "outputs": ["%0"]}],
            x=npy("<f4", "(2, 2)", floats(1, 2, 3, 4)), y=npy("<f4", "(3, 2)", floats(*range(6))), i=npy("<i8", "(1,)", struct.pack("<q", 7)))
    same(run("ops", "run", "in.npz", "out.npz").returncode, 0, "the file is written")
    out = read("out.npz")
    errors = json.loads(out["errors"][2])
    same(sorted(errors), ["attribute", "dtype", "few", "index", "input", "many", "missing", "none", "number", "op", "range", "shape", "shape of exp", "shapeless",
                          "twice", "type"], "cases")
    parts = {case: (e["op"], e["argument"], e["given"], e["expected"]) for case, e in errors.items()}
    same(parts["missing"], ("gather", "attributes", "no 'dim'", "'dim' (int)"), "missing")
    same(parts["shapeless"], ("full", "attributes", "no 'shape'", "'shape' (list of int)"), "missing shape")
    same(parts["shape of exp"], ("exp", "attributes", "'shape'", "none"), "unknown")
    same(parts["type"][:3], ("sum", "keepdim", "1"), "a number is no bool")
    same(parts["twice"], ("sum", "dim", "[0,-2]", "each axis at most once"), "an axis twice")
    same(parts["range"], ("argmax", "dim", "2", "-2 to 1"), "an axis out of range")
    same(parts["dtype"], ("matmul", "a", "i64", "a float dtype"), "dtype")
    same(errors["shape"]["code"], "shape", errors["shape"])
    same(errors["shape"]["op"], "matmul", errors["shape"])
    check("Did you mean matmul?" in errors["op"]["error"], errors["op"])
    same((errors["attribute"]["given"], errors["attribute"]["expected"]), ("'axis'", "one of dim, keepdim"), "attribute")
    same(errors["few"]["code"], "argument", errors["few"])
    same(errors["number"]["given"], "no 'value'", "number")
    same(errors["none"]["code"], "argument", errors["none"])
    same(out["good/out/0"][2], floats(-1, -2, -3, -4), "others are unaffected")


def test_bad_files():
    written(b"[{]", x=npy("<f4", "(1,)", floats(1)))
    fails(3, "in.npz: cases", args=["ops", "run", "in.npz", "never.npz"])
    written([{"calls": []}])
    fails(3, "in.npz: cases: case 0: no id", args=["ops", "run", "in.npz", "never.npz"])
    written({"id": "a"})
    fails(3, "in.npz: cases", "expected an array", args=["ops", "run", "in.npz", "never.npz"])
    written([{"id": "a", "calls": 1, "outputs": []}, {"id": "b", "calls": []}])
    ok("ops", "run", "in.npz", "wrong.npz")
    wrong = json.loads(read("wrong.npz")["errors"][2])
    same({k: (v["argument"], v["given"]) for k, v in wrong.items()}, {"a": ("calls", "a number"), "b": ("outputs", "missing")}, "the keys are named")
    with zipfile.ZipFile("none.npz", "w") as archive:
        archive.writestr("x.npy", npy("<f4", "(1,)", floats(1)))
    fails(3, "none.npz: no array `cases`", args=["ops", "run", "none.npz", "never.npz"])
    fails(3, "nowhere.npz", args=["ops", "run", "nowhere.npz", "never.npz"])
    fails(2, "expected no word, or run IN.npz OUT.npz", args=["ops", "go"])
    check(not pathlib.Path("never.npz").exists(), "nothing is written")


main(globals())
