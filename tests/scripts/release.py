# SPDX-License-Identifier: Apache-2.0
"""scripts/release in a repository of this test's own, with stand-ins for what builds and tests: what it refuses, packs and tags."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile

from _suanli import check, main, same

SOURCE = pathlib.Path(os.environ["SUANLI_SOURCE"])
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-31\n\n### Added\n- Everything.\n\n## [1.2.2] - 2025-12-01\n\n- Less.\n"
GIT = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
ENV = {**GIT, "PATH": f"{os.getcwd()}/tools:{os.environ['PATH']}", "CALLS": f"{os.getcwd()}/calls"}


def version_header(version, patch=None):
    major, minor, last = version.split(".")
    return (f"#pragma once\n#define SUANLI_VERSION_MAJOR {major}\n#define SUANLI_VERSION_MINOR {minor}\n"
            f"#define SUANLI_VERSION_PATCH {patch or last}\n#define SUANLI_VERSION \"{version}\"\n")


def write(path, text, mode=0o644):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def git(*words):
    return subprocess.run(["git", "-C", "repo", *words], env=GIT, capture_output=True, text=True, check=True).stdout


def repository(header=None, changelog=CHANGELOG, test="exit 0"):
    shutil.rmtree("repo", ignore_errors=True)
    pathlib.Path("calls").unlink(missing_ok=True)
    write("repo/include/suanli/version.h", header or version_header("1.2.3"))
    write("repo/CHANGELOG.md", changelog)
    write("repo/.gitignore", (SOURCE / ".gitignore").read_text())
    write("repo/scripts/test", f"#!/bin/sh\necho test >> \"$CALLS\"\n{test}\n", 0o755)
    write("repo/scripts/release", (SOURCE / "scripts/release").read_text(), 0o755)
    git("init", "-q", ".")
    git("add", "-A")
    git("commit", "-qm", "One")


# cmake makes the folder of the preset; cpack leaves a package and the folder that it worked in, as the real one does.
write("tools/cmake", "#!/bin/sh\necho \"cmake $*\" >> \"$CALLS\"\nmkdir -p build/release\n", 0o755)
write("tools/cpack", "#!/bin/sh\necho \"cpack $1\" >> \"$CALLS\"\necho packed > \"$2/suanli-1.2.3-linux-x86_64.tar.gz\"\n"
      "mkdir \"$2/_CPack_Packages\"\n", 0o755)


def release(*words):
    return subprocess.run(["repo/scripts/release", *words], env=ENV, capture_output=True, text=True)


def refused(*parts):
    done = release("--dry-run")
    same(done.returncode, 1, done.stdout + done.stderr)
    for part in parts:
        check(part in done.stderr, f"{part!r} is not in {done.stderr!r}")
    check(not pathlib.Path("calls").exists(), "nothing was built")


def test_what_is_refused():
    repository()
    write("repo/more.txt", "x")
    refused("not committed")
    repository(version_header("1.2.4"))
    refused("no heading '## [1.2.4] - YYYY-MM-DD'", "says nothing of 1.2.4")
    repository(changelog=CHANGELOG.replace("### Added\n- Everything.\n", ""))
    refused("says nothing of 1.2.3")
    repository(version_header("1.2.3", patch="4"))
    refused("SUANLI_VERSION is 1.2.3, its parts say 1.2.4")
    repository(changelog=CHANGELOG.replace("[1.2.3]", "[1x2x3]"))
    refused("no heading")
    repository()
    git("tag", "v1.2.3")
    refused("the tag v1.2.3 exists")
    same(release("--dryrun").returncode, 2, "an unknown option")


def test_failing_tests_end_it():
    repository(test="exit 8")
    done = release()
    check(done.returncode != 0, done.stdout)
    same(pathlib.Path("calls").read_text(), "test\n", "nothing was built")
    same(git("tag"), "", "no tag")


def test_dry_run():
    repository()
    done = release("--dry-run")
    same(done.returncode, 0, done.stdout + done.stderr)
    calls = pathlib.Path("calls").read_text().splitlines()
    same([calls[0], calls[1].split()[:3], calls[2], calls[3:]],
         ["test", ["cmake", "--preset", "release"], "cmake --build --preset release", ["cpack -B"]], "calls")
    same(git("tag"), "", "no tag")
    same(git("status", "--porcelain"), "", "nothing that git sees")
    dist = pathlib.Path("repo/dist/1.2.3")
    packages = ["suanli-1.2.3-linux-x86_64.tar.gz", "suanli-1.2.3.tar.gz"]
    same(sorted(p.name for p in dist.iterdir()), ["SHA256SUMS", *packages], "files")
    sums = dict(reversed(line.split()) for line in (dist / "SHA256SUMS").read_text().splitlines())
    same(sums, {name: hashlib.sha256((dist / name).read_bytes()).hexdigest() for name in packages}, "sums")
    with tarfile.open(dist / "suanli-1.2.3.tar.gz") as source:
        files = sorted(m.name for m in source if m.isfile())
    same(files, [f"suanli-1.2.3/{name}" for name in (".gitignore", "CHANGELOG.md", "include/suanli/version.h", "scripts/release", "scripts/test")],
         "what git has")
    same(release("--dry-run").returncode, 0, "again")
    check(sums["suanli-1.2.3.tar.gz"] in (dist / "SHA256SUMS").read_text(), "the same commit, the same bytes")


def test_tag():
    repository()
    same(release().returncode, 0, "released")
    same(git("rev-parse", "v1.2.3^{commit}"), git("rev-parse", "HEAD"), "the tag's commit")
    same(git("cat-file", "-t", "v1.2.3").strip(), "tag", "an annotated one")


main(globals())
