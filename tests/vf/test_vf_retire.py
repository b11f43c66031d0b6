# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ballast retire` while VFs are handed out."""

from domains import domain_uuid

URI = "urn:x-ballast:vf:1"


def metadata(host, where):
    return host.vm.virsh("metadata", "d1", URI, where, check=False).stdout


def test_running_domains_keep_theirs_and_the_rest_is_free(host):
    for name, mbps in ("d1", 300), ("d2", 200):
        host.start(name)
        host.allocate(name, f"{mbps}Mbit", "--vlan", "7", "--config")
    info = host.port("d1")
    host.daemon.stop()
    # Nobody is there to be told.
    host.vm.virsh("destroy", "d2")
    done = host.vm.ballast("retire")
    (kept,) = [line for line in done.stdout.splitlines() if "port net0" in line]
    assert '"d1"' in kept and info["vf-pci"] in kept and "max-rate" in kept and "vlan" in kept
    assert "Nothing of Ballast is left" in done.stdout.splitlines()[-1]
    assert URI not in metadata(host, "--live") and "net0" in metadata(host, "--config")

    host.daemon.start()
    seen = host.look()
    assert seen.ports == {}
    assert list(seen.domains[domain_uuid("d1")].values()) == [info["vf-pci"]]
    assert seen.vfs[info["pf"], info["vf"]]["rate"]["max_tx"] == 300
    host.vf("reconcile")
    host.vm.virsh("destroy", "d1")
    host.vm.run(["ip", "link", "set", info["pf"], "vf", str(info["vf"]), "vlan", "0", "max_tx_rate", "0",
                 "mac", "00:00:00:00:00:00"])
    # As if nothing had ever been.
    host.wait_clean()
