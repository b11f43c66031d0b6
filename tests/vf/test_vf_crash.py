# SPDX-License-Identifier: LGPL-2.1-or-later
"""ballastd is killed between any two steps of allocate and release; `ballast vf reconcile` makes things consistent."""

import pytest

from bed.host import wait_until
from vfhost import EXPIRY_S


def long(name):
    return pytest.param(name, marks=pytest.mark.long)


ALLOCATE = ("vf-reserved", long("vf-set-up"), "vf-was-set-up", long("vf-attach"), "vf-attached", long("vf-verified"))
RELEASE = ("vf-detach", "vf-detached", "vf-tear-down", "vf-was-torn-down")
END = (long("vf-tear-down"), "vf-was-torn-down")


def kill_at(host, name, *command):
    """Runs `ballast vf` until ballastd stands at a breakpoint, and kills that there; it runs again then."""
    host.daemon.stop_at(name)
    caller = host.vf_popen(*command)
    host.daemon.wait_at(name)
    host.daemon.sigkill()
    ended = caller.wait(30)
    assert ended.returncode != 0
    assert len(ended.stderr.splitlines()) == 1, ended.stderr


def reconcile(host):
    host.vf("reconcile")
    host.check()


@pytest.mark.parametrize("name", ALLOCATE)
def test_killed_in_allocate(brief, name):
    host = brief
    host.start("d1")
    command = ("allocate", "--domain", "d1", "--port", "net0", "--bandwidth", "300Mbit", "--vlan", "7")
    kill_at(host, name, *command)
    reconcile(host)

    # Whatever became of it, it can be asked for again, and is then whole.
    host.vf(*command)
    assert host.state("d1") == "attached"
    host.check()
    assert sum(host.residual().values()) == 1700


@pytest.mark.long
@pytest.mark.parametrize("name", ("vf-reserved", "vf-was-set-up", "vf-attach"))
def test_killed_in_allocate_and_never_asked_again(brief, name):
    host = brief
    host.start("d1")
    kill_at(host, name, "allocate", "--domain", "d1", "--port", "net0", "--bandwidth", "300Mbit", "--vlan", "7")

    def is_over():
        reconcile(host)
        return host.state("d1") is None
    wait_until(is_over, EXPIRY_S + 20, "the reservation ends", interval=1)
    host.wait_clean()


@pytest.mark.parametrize("name", RELEASE)
def test_killed_in_release(host, linux, name):
    host.allocate(linux, "300Mbit", "--vlan", "7")
    kill_at(host, name, "release", "--domain", linux, "--port", "net0")
    reconcile(host)
    host.wait_clean()


@pytest.mark.parametrize("name", END)
def test_killed_after_the_domain_ended(host, name):
    host.start("d1")
    host.allocate("d1", "300Mbit", "--vlan", "7")
    host.daemon.stop_at(name)
    host.vm.virsh("destroy", "d1")
    host.daemon.wait_at(name)
    host.daemon.sigkill()
    reconcile(host)
    host.wait_clean()
