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


insert("src/ops/schema/pointwise.def", blocks["pointwise"] + "\n", "TERNARY(where")
insert("src/ops/schema/reductions.def", blocks["reduction"], "\n#undef REDUCTION")
insert("tests/ops/samples/reduce_samples.cpp", blocks["definition"], "};\n\nstd::vector<Array> reduce(")


def run(*command, **options):
    print("+", " ".join(command), flush=True)
    done = subprocess.run(command, **options)
    if done.returncode:
        sys.exit(done.returncode)


# Preset and layout are those of scripts/test, so that ccache has what does not see the new ops.
dependencies = os.path.join(source, ".deps")
if os.path.exists(dependencies) and not os.path.lexists(os.path.join(copy, ".deps")):
    os.symlink(dependencies, os.path.join(copy, ".deps"))
run("cmake", "--preset", "test", "-Wno-dev", "-DSUANLI_BUILD_CLI=OFF", "-DSUANLI_BUILD_EXAMPLES=OFF", "-DSUANLI_BUILD_BENCHMARKS=OFF",
    f"-DSUANLI_DNNL_ROOT={os.environ.get('SUANLI_DNNL_ROOT', '')}", cwd=copy, stdout=subprocess.DEVNULL)
run("cmake", "--build", "--preset", "test", "--target", "test_ops", cwd=copy, stdout=subprocess.DEVNULL)
program = os.path.join(copy, "build/test/tests/test_ops")
tests = "*exp10*:*norm1*"
listed = subprocess.run([program, "--gtest_list_tests", f"--gtest_filter={tests}"], capture_output=True, text=True, check=True).stdout
if "exp10" not in listed or "norm1" not in listed:
    sys.exit("the generic tests did not pick up the new ops:\n" + listed)
run(program, f"--gtest_filter={tests}")
