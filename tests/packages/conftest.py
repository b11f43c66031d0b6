# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures for tests of what packagers ship: the debs, built once, and machines that have them installed.

A failing test's report gets the tails of consoles and logs of the machines it ran on.
"""

import glob
import os
import subprocess
import sys

import pytest

_TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, _TESTS)
# What the tests of the build tree and these have in common.
sys.path += [os.path.join(_TESTS, layer) for layer in ("component", "integration", "vf")]

pytest.register_assert_rewrite("support", "failures", "automatic", "guests")

from archives import NAMES, Deb, Rpm  # noqa: E402
from bed import Bed  # noqa: E402
from bed.reports import add_logs  # noqa: E402
from debs import Debs  # noqa: E402


@pytest.fixture(scope="session")
def debs(tmp_path_factory):
    """The debs of this tree, or those in the folder $BALLAST_DEBS."""
    return Debs.of_tree(tmp_path_factory)


@pytest.fixture(scope="session")
def folder(debs):
    """Of the debs and the rpms of this tree. Unit tests were run when the debs were built."""
    if not glob.glob(os.path.join(debs.folder, "*.rpm")):
        subprocess.run([os.path.join(os.path.dirname(_TESTS), "packaging", "build-rpm"), debs.folder, "--without", "tests"],
                       check=True)
    return debs.folder


@pytest.fixture(scope="module", params=[Deb, Rpm], ids=["deb", "rpm"])
def packages(request, folder, tmp_path_factory):
    """{name: Package}"""
    return {name: request.param(folder, name, tmp_path_factory.mktemp(name)) for name in NAMES}


@pytest.fixture(scope="module")
def bed():
    """Two hosts of Debian 12's own libvirt and QEMU, without Ballast."""
    with Bed(root="bookworm") as running:
        yield running


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    arguments = getattr(item, "funcargs", {})
    bed, vm = arguments.get("bed"), arguments.get("vm")
    machines = [*(bed.hosts if bed else ()), *([vm] if vm and vm.dir else [])]
    add_logs(outcome.get_result(), machines, bed.guests if bed else ())
