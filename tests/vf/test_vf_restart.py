# SPDX-License-Identifier: LGPL-2.1-or-later
"""Restarts of ballastd, of libvirtd and of the host while VFs are handed out."""

from bed.host import wait_until
from domains import domain_uuid, metadata_xml

PORT = {"id": "net0", "bandwidth": "300Mbit", "vlan": "7"}


def test_restarts_change_nothing(host):
    host.start("d1", metadata=metadata_xml(PORT))
    host.wait_state("attached", "d1")
    host.allocate("d1", "200Mbit", port="net1")
    before = host.snapshot()
    for restart in (host.daemon.restart, host.daemon.sigkill, lambda: host.vm.run(["systemctl", "restart", "libvirtd"])):
        restart()
        host.vf("reconcile")
        assert host.snapshot() == before
        host.check()
    # And all goes on as ever.
    host.allocate("d1", "100Mbit", port="net2")
    host.check()
    host.vm.virsh("destroy", "d1")
    host.wait_clean()


def test_what_ended_while_ballastd_was_away_is_freed(host):
    """Although its reservation lasts for minutes."""
    host.start("d1")
    host.allocate("d1", "300Mbit", "--vlan", "7")
    host.daemon.stop()
    host.vm.virsh("destroy", "d1")
    host.daemon.start()
    host.wait_clean()


def test_what_ended_while_libvirtd_was_away_is_freed(brief):
    host = brief
    host.start("d1")
    info = host.allocate("d1", "300Mbit", "--vlan", "7")
    pid = host.qemu_pid("d1")
    host.vm.run(["systemctl", "stop", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "libvirtd-tcp.socket",
                 "libvirtd"])
    host.vm.run(["kill", "-KILL", pid])
    # Nobody can tell whose it is now.
    assert host.state("d1") is not None
    said = host.vf("allocate", "--domain", info["domain"], "--port", "net1", "--bandwidth", "10Mbit", check=False)
    assert said.returncode != 0
    host.vm.run(["systemctl", "start", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "libvirtd-tcp.socket"])
    host.vm.run(["systemctl", "start", "libvirtd"])
    host.wait_clean()


def test_two_domains_that_start_with_the_host_get_their_vfs(host):
    for name in ("d1", "d2"):
        host.define(name, metadata=metadata_xml({"id": "net0", "bandwidth": "600Mbit"}))
        host.vm.virsh("autostart", name)
    host.vm.run(["sync"])
    host.vm.reboot()
    for name in ("d1", "d2"):
        host.wait_state("attached", name, timeout=120)
    host.check()
    assert sorted(host.residual().values()) == [400, 400]
    assert "running" in host.vm.run(["systemctl", "is-system-running"], check=False).stdout

    # The power fails: what the ledger says is of an earlier boot then, and no domain of that runs any more.
    host.vm.virsh("autostart", "--disable", "d1")
    host.vm.run(["sync"])
    host.vm.reset()
    # The ledger says "attached" of before, until the domain is started.
    wait_until(lambda: host.look().domains.get(domain_uuid("d2")), 120, "d2 has a VF")
    host.wait_state("attached", "d2")
    wait_until(lambda: host.state("d1") is None, 60, "d1's VF is free")
    host.check()
