# SPDX-License-Identifier: Apache-2.0
"""The worked examples of CONTRIBUTING.md work: applied to a copy of the checkout, the generic tests build, run them, and pass.

Reads every block after `<!-- example:NAME -->`, puts it where the text says, builds test_ops and runs the tests of the new ops.
"""
import os
import re
import shutil
import subprocess
import sys

source = os.environ["SUANLI_SOURCE"]
copy = os.path.abspath("checkout")

files = subprocess.run(["git", "-C", source, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout.split("\n")
for name in filter(None, files):
    if not os.path.exists(os.path.join(source, name)):
        continue
    os.makedirs(os.path.dirname(os.path.join(copy, name)), exist_ok=True)
    shutil.copy2(os.path.join(source, name), os.path.join(copy, name))

text = open(os.path.join(copy, "CONTRIBUTING.md"), encoding="utf-8").read()
blocks = dict(re.findall(r"<!-- example:(\w+) -->\n```cpp\n(.*?)```", text, re.S))


def insert(name, block, before):
    path = os.path.join(copy, name)
    content = open(path, encoding="utf-8").read()
    if content.count(before) < 1:
        sys.exit(f"{name}: no place found before {before!r}")
    at = content.rindex(before)
    open(path, "w", encoding="utf-8").write(content[:at] + block + content[at:])


insert("src/ops/pointwise/pointwise.def", blocks["pointwise"] + "\n", "TERNARY(where")
open(os.path.join(copy, "src/ops/reduce/logsumexp.cpp"), "w", encoding="utf-8").write(blocks["reduction"])
insert("include/suanli/ops.h", blocks["declaration"] + "\n", "}  // namespace suanli")
insert("tests/support/op_reference.cpp", blocks["reference"], "// What only moves elements")
insert("tests/support/op_reference.cpp", blocks["reference_row"], '    {"max", {max, 0, 0}},')


def run(*command, **options):
    print("+", " ".join(command), flush=True)
    done = subprocess.run(command, **options)
    if done.returncode:
        sys.exit(done.returncode)


# SUANLI_DNNL_ROOT: the copy has no .deps of its own.
run("cmake", "-S", copy, "-B", "build", "-G", "Ninja", "-Wno-dev", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1", "-DSUANLI_BUILD_CLI=OFF",
    f"-DSUANLI_DNNL_ROOT={os.environ.get('SUANLI_DNNL_ROOT') or os.path.join(source, '.deps/onednn')}", stdout=subprocess.DEVNULL)
run("cmake", "--build", "build", "--target", "test_ops", stdout=subprocess.DEVNULL)
tests = "*log2*:*logsumexp*"
listed = subprocess.run(["build/tests/test_ops", "--gtest_list_tests", f"--gtest_filter={tests}"], capture_output=True, text=True, check=True).stdout
if "log2" not in listed or "logsumexp" not in listed:
    sys.exit("the generic tests did not pick up the new ops:\n" + listed)
run("build/tests/test_ops", f"--gtest_filter={tests}")
