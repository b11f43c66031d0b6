# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures for tests on real guests and two real libvirt hosts.

One bed serves the whole session. A failing test's report gets the tails of the guests'
consoles and of libvirtd's and QEMU's logs.
"""

import os
import re
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bed import Bed, GuestSpec  # noqa: E402

LOG_TAIL = 4000


def pytest_addoption(parser):
    parser.addoption("--bed-root", default="/",
                     help="folder of a Debian whose libvirt and QEMU the hosts run (default: this machine's)")


@pytest.fixture(scope="session")
def bed(request):
    """The two hosts."""
    with Bed(root=request.config.getoption("--bed-root")) as running:
        yield running


@pytest.fixture
def boot(bed, request):
    """boot(**fields of GuestSpec): a booted guest on bed.src, destroyed after the test.

    `host` boots it elsewhere; the name defaults to one made of the test's.
    """
    def start(host=None, **fields):
        default = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:24].strip("-")
        if bed.guests:
            default += f"-{len(bed.guests)}"
        fields.setdefault("name", default)
        return bed.guest(GuestSpec(**fields)).start(host or bed.src)

    yield start
    # By now the report of a failed test is written.
    bed.reset()


@pytest.fixture
def guest(boot):
    """A booted guest with 512 MiB and everything at its default."""
    return boot()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    running = getattr(item, "funcargs", {}).get("bed")
    if not report.failed or running is None:
        return
    for guest in running.guests:
        report.sections.append((f"console of {guest.name}", guest.console()[-LOG_TAIL:]))
    for host in running.hosts:
        for path, text in host.logs().items():
            report.sections.append((path, text[-LOG_TAIL:]))
