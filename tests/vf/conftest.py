# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures for tests of virtual functions: one host VM (bed/hostvm.py) serves the whole session.

The tests run out here and tell it what to do. A failing test's report gets the tails of its
console and of the logs in it.
"""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bed.hostvm import HostVm  # noqa: E402

LOG_TAIL = 4000


@pytest.fixture(scope="session")
def host_vm():
    with HostVm() as running:
        yield running


@pytest.fixture
def vm(host_vm):
    """The host VM; after the test it has no domains and no VFs any more."""
    yield host_vm
    # By now the report of a failed test is written.
    for name in host_vm.virsh("list", "--all", "--name").stdout.split():
        host_vm.virsh("destroy", name, check=False)
        host_vm.virsh("undefine", name, check=False)
    for pf in host_vm.pfs():
        host_vm.set_link(pf, True)
        host_vm.set_vfs(pf, 0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    vm = getattr(item, "funcargs", {}).get("host_vm")
    if not report.failed or vm is None:
        return
    for name, text in vm.logs().items():
        report.sections.append((name, text[-LOG_TAIL:]))
