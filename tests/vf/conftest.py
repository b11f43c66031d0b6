# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures for tests of virtual functions: one host VM (bed/hostvm.py) serves the whole session, a second one the migrations.

The tests run out here and tell it what to do. A failing test's report gets the tails of its
console and of the logs in it.
"""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bed import long_tests  # noqa: E402
from bed.hostvm import HostVm  # noqa: E402
from bed.reports import add_logs  # noqa: E402
from vfhost import EXPIRY_S, VfHost  # noqa: E402


def pytest_addoption(parser):
    long_tests.add_option(parser)


def pytest_configure(config):
    long_tests.configure(config)


def pytest_collection_modifyitems(config, items):
    long_tests.deselect(config, items)


@pytest.fixture(scope="session")
def host_vm():
    with HostVm() as running:
        yield running


@pytest.fixture
def vm(host_vm):
    """The host VM without ballastd; after the test it has no domains and no VFs any more."""
    host_vm.run(["systemctl", "stop", "ballastd"], check=False)
    yield host_vm
    # By now the report of a failed test is written.
    for name in host_vm.virsh("list", "--all", "--name").stdout.split():
        host_vm.virsh("destroy", name, check=False)
        host_vm.virsh("undefine", name, check=False)
    for pf in host_vm.pfs():
        host_vm.set_link(pf, True)
        host_vm.set_vfs(pf, 0)


@pytest.fixture(scope="session")
def vf_host(host_vm):
    return VfHost(host_vm)


@pytest.fixture
def host(vf_host):
    """The host VM with Ballast; after the test all VFs are idle again, or the test fails."""
    vf_host.daemon.start()
    yield vf_host
    vf_host.cleanup()


@pytest.fixture
def brief(host):
    """The host, with reservations that end soon: what nobody has any more is free again then, whoever missed its end."""
    host.daemon.configure(host.config(f"reservation-expiry-s={EXPIRY_S}"))
    yield host
    host.daemon.configure(host.config())


@pytest.fixture(scope="session")
def vf_peer(vf_host):
    with HostVm("dst", beside=vf_host.vm) as running:
        yield VfHost(running)


@pytest.fixture
def peer(host, vf_peer):
    """As `host`, in the VM beside it."""
    vf_peer.daemon.start()
    yield vf_peer
    vf_peer.cleanup()


@pytest.fixture
def linux(host):
    """A running inner Linux, the same one for all tests that do not end it."""
    name = "linux"
    host.kept.add(name)
    if host.vm.virsh("domstate", name, check=False).stdout.strip() != "running":
        host.boot(name)
    return name


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    arguments = getattr(item, "funcargs", {})
    vms = [arguments.get("host_vm"), getattr(arguments.get("peer"), "vm", None)]
    add_logs(outcome.get_result(), [vm for vm in vms if vm and vm.dir])
