# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures for tests on real guests and two real libvirt hosts.

One bed serves the whole session. A failing test's report gets the tails of the guests'
consoles and of libvirtd's and QEMU's logs.
"""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

pytest.register_assert_rewrite("support", "failures", "automatic")

from bed import Bed, GuestSpec, long_tests  # noqa: E402
from bed.daemon import Daemon, install_hook, remove_hook  # noqa: E402
from bed.host import wait_until  # noqa: E402
from bed.reports import add_logs  # noqa: E402
from failures import GUESTS, free_garbage  # noqa: E402
from support import Memory, agent_connected  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--bed-root", default="/",
                     help="folder of a Debian whose libvirt and QEMU the hosts run (default: this machine's)")
    parser.addoption("--modular", action="store_true", help="the hosts run virtqemud instead of libvirtd")
    parser.addoption("--soak-migrations", type=int, default=100, help="how many migrations soak.py makes (default 100)")
    parser.addoption("--soak-seed", type=int, default=None, help="the faults of an earlier run of soak.py once more")
    long_tests.add_option(parser)


def pytest_configure(config):
    long_tests.configure(config)


def pytest_collection_modifyitems(config, items):
    long_tests.deselect(config, items)


@pytest.fixture(scope="session")
def bed(request):
    """The two hosts."""
    with Bed(root=request.config.getoption("--bed-root"), modular=request.config.getoption("--modular")) as running:
        yield running


@pytest.fixture
def boot(bed):
    """boot(**fields of GuestSpec): a running guest on bed.src, destroyed after the test.

    With fresh=True it really boots, otherwise it may come from a saved image of one that
    did; see Bed.booted_guest() for what differs. Names default to g1, g2 and so on.
    """
    def start(fresh=False, **fields):
        fields.setdefault("name", f"g{len(bed.guests) + 1}")
        spec = GuestSpec(**fields)
        running = bed.guest(spec).start(bed.src) if fresh else bed.booted_guest(spec)
        if bed.agent and spec.agent and spec.channel:
            wait_until(lambda: agent_connected(running), 20, f"the agent of guest {spec.name} opens its channel")
        return running

    yield start
    # By now the report of a failed test is written.
    bed.reset()


@pytest.fixture
def guest(boot):
    """A running guest with 512 MiB and everything at its default."""
    return boot()


@pytest.fixture
def dirty(bed, boot):
    """dirty(mechanism, **fields): a guest for that mechanism that has freed memory, with a canary; what it has.

    From a saved image: what the guest wrote before is private memory of QEMU as ever.
    """
    def start(mechanism, **fields):
        spec = GuestSpec(**{"name": mechanism, **GUESTS[mechanism], **fields})
        running = bed.booted_guest(spec, free_garbage)
        wait_until(lambda: agent_connected(running), 20, f"the agent of guest {spec.name} opens its channel")
        return running, Memory.of(running)

    return start


@pytest.fixture(scope="module")
def hooks(bed):
    """The memory hook is installed on both hosts."""
    for host in bed.hosts:
        install_hook(host)
    yield
    for host in bed.hosts:
        remove_hook(host)


@pytest.fixture
def daemon(hooks):
    """daemon(host, ...): a ballastd, ended after the test."""
    running = []

    def start(host, **arguments):
        running.append(Daemon(host, **arguments))
        return running[-1]

    yield start
    for one in running:
        print(f"ballastd on {one.host.name}:\n{one.log()}")
        one.stop()


@pytest.fixture
def daemons(bed, daemon):
    """One on each host: (source's, destination's)."""
    return [daemon(host) for host in bed.hosts]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    bed = getattr(item, "funcargs", {}).get("bed")
    if bed:
        add_logs(outcome.get_result(), bed.hosts, bed.guests)
