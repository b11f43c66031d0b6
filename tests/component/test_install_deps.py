# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests/install-deps would install on a Debian that has nothing: who builds a package gets what it is built with, and
no test laboratory."""

import os
import re
import subprocess

import pytest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LABORATORY = {"lintian", "rpmlint", "mmdebstrap", "qemu-system-x86", "libvirt-daemon", "python3-pytest", "mandoc", "shellcheck",
              "selinux-policy-default", "bash-completion"}


def read(path):
    with open(os.path.join(TREE, path), encoding="utf-8") as stream:
        return stream.read()


@pytest.fixture
def wanted(tmp_path):
    """wanted(*groups): the packages."""
    for name, script in ("dpkg-query", "exit 1"), ("id", "echo 1000"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)

    def ask(*groups):
        done = subprocess.run([os.path.join(TREE, "tests/install-deps"), *groups], capture_output=True, text=True, timeout=60,
                              check=False, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        prefix = "install-deps: run as root to install: "
        assert done.returncode == 1 and done.stderr.startswith(prefix), done
        return set(done.stderr.removeprefix(prefix).split())

    return ask


def test_deb_wants_what_the_control_file_does(wanted):
    control = read("packaging/deb/control")
    needed = {re.sub("^debhelper-compat$", "debhelper", name)
              for name in re.findall(r"^ ([a-z0-9.+-]+)", control[:control.index("Standards-Version")], re.M)}
    assert len(needed) > 8 and needed | {"build-essential", "git"} <= wanted("deb")


def test_who_builds_gets_no_laboratory(wanted):
    for kind in "deb", "rpm":
        group, = re.findall(r'install-deps" (.*) >&2', read(f"packaging/build-{kind}"))
        assert group == kind
        assert not wanted(kind) & LABORATORY
    assert wanted("packages") >= wanted("deb") | wanted("rpm") | LABORATORY
