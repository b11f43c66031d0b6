# SPDX-License-Identifier: LGPL-2.1-or-later
"""ballast-host comes, works, is upgraded while it works, goes, and comes again, on a host with systemd and running guests.

One machine goes through all of it, in this order: each stage is a fixture that has the one before it behind it.
"""

import json
import os
import re
import time

import pytest

from bed.host import wait_until
from debs import with_higher_version
from domains import domain_uuid, metadata_xml
from machine import SERVICE, VF_CONFIG, Machine, SlowMigration
from sandbox import Process, capabilities, check_exposure
from support import MIB

HOOKS = "/etc/libvirt/hooks/qemu.d"

# What ballastd(8) says that it has.
CAPABILITIES = {"CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_NET_ADMIN"}

FREED_MIB = 250
RATE_MBPS = 300


@pytest.fixture(scope="module")
def vm(debs, tmp_path_factory):
    with Machine(agent=debs.unpack_guest(str(tmp_path_factory.mktemp("agent")))) as running:
        running.run_qemu_as_debian_does()
        yield running


@pytest.fixture(scope="module")
def web(vm):
    """A guest that runs before Ballast is there, and goes on through all of it: its QEMU's pid."""
    vm.boot("web")
    return vm.domain_pid("web")


@pytest.fixture(scope="module")
def installed(vm, web, debs):
    """libvirtd's pid before."""
    before = vm.main_pid("libvirtd")
    vm.install_package(debs.host)
    return before


@pytest.fixture(scope="module")
def working(vm, installed):
    """There are VFs, and the domain vf1 has one: its port info."""
    (pf,) = vm.pfs()
    vm.bring_up(pf)
    vm.write(VF_CONFIG, vf_config(pf))
    # VFs are made when it starts.
    vm.run(["systemctl", "restart", SERVICE])
    vm.bring_up(pf)
    vm.define("vf1", metadata=metadata_xml({"id": "net0", "bandwidth": f"{RATE_MBPS}Mbit", "required": "yes"}))
    vm.virsh("start", "vf1")
    return vm.wait_attached("vf1")


@pytest.fixture(scope="module")
def released(vm, working):
    """Memory of web is released; KiB that it has left."""
    return release(vm)


@pytest.fixture(scope="module")
def upgraded(vm, released, debs, tmp_path_factory):
    """Pids of (libvirtd, ballastd) before."""
    before = vm.main_pid("libvirtd"), vm.main_pid(SERVICE)
    vm.install_package(with_higher_version(debs.host, str(tmp_path_factory.mktemp("later"))))
    return before


@pytest.fixture(scope="module")
def removed(vm, upgraded):
    """What dpkg said; memory of web was released and vf1 had a VF."""
    if len(set(vm.balloon_kib("web"))) == 1:
        release(vm)
    return vm.run(["dpkg", "--remove", "ballast-host"], timeout=180)


@pytest.fixture(scope="module")
def purged(vm, removed):
    """What dpkg said."""
    return vm.run(["dpkg", "--purge", "ballast-host"], timeout=180)


@pytest.fixture(scope="module")
def installed_again(vm, purged, debs):
    """While a migration is under way. (What dpkg said, libvirtd's pid before)."""
    before = vm.main_pid("libvirtd")
    with SlowMigration(vm, "web") as migration:
        done = vm.install_package(debs.host)
        assert migration.runs()
    return done, before


def vf_config(pf):
    return f"[pf {pf.name}]\nnumvfs=3\n"


def free_garbage(vm):
    vm.shell("web", f"guest-tool fill {FREED_MIB} 7", timeout=240)


def release(vm):
    """`ballast release`, for a migration that somebody else is to make, by what ends with no lease."""
    free_garbage(vm)
    vm.ballast("--mechanisms", "balloon", "release", "web")
    (path,) = vm.journal_files()
    left = json.loads(vm.read(path))["balloon"]["set-kib"]
    assert left < vm.balloon_kib("web")[1] - 100 * 1024
    # A slow guest went on for a moment where Ballast no longer waited, and is called back.
    wait_until(lambda: vm.balloon_kib("web")[0] == left, 60, "the balloon is as large as the journal says")
    return left


def check_unharmed(vm, web):
    """web has all its memory, nobody remembers that it was released, and it is the same QEMU."""
    wait_until(lambda: len(set(vm.balloon_kib("web"))) == 1, 60, "web has its memory back")
    wait_until(lambda: vm.held_bytes("web") < MIB, 60, "the agent of web holds nothing")
    assert vm.journal_files() == []
    assert vm.domain_pid("web") == web


def links(vm):
    return vm.run(["sh", "-c", f"readlink {HOOKS}/*"], check=False).stdout.split()


def test_install(vm, web, installed):
    assert vm.is_active(SERVICE)
    assert vm.run(["systemctl", "is-enabled", SERVICE]).stdout == "enabled\n"
    assert links(vm) == ["/usr/sbin/ballast-hook-memory", "/usr/sbin/ballast-hook-vf"]
    # For its hooks; no guest was touched.
    assert vm.main_pid("libvirtd") not in ("0", installed)
    assert vm.virsh("domstate", "web").stdout.strip() == "running"
    assert vm.domain_pid("web") == web
    assert vm.run(["systemctl", "is-system-running"], check=False).stdout == "running\n"
    wait_until(lambda: "urn:x-ballast:window:1" in vm.tags("web"), 30, "ballastd marks the domain")
    assert vm.warnings() == []


def test_exposure(vm, installed):
    check_exposure(vm.run(["systemd-analyze", "security", "--no-pager", SERVICE], check=False).stdout, SERVICE)


def test_each_directive_is_in_force(vm, installed):
    process = Process(lambda command: vm.run(["sh", "-c", command]).stdout, vm.main_pid(SERVICE))
    assert process.violations(vm.read(f"/usr/lib/systemd/system/{SERVICE}")) == []
    assert capabilities(process.status["CapEff"]) == capabilities(process.status["CapPrm"]) == CAPABILITIES


def test_a_vf_by_the_hook_and_netlink(vm, working):
    assert vm.vf_of("vf1")
    shown = vm.run(["ip", "link", "show", "dev", working["pf"]]).stdout
    (vf,) = re.findall(rf"vf {working['vf']} .*", shown)
    assert working["mac"] in vf and f"max_tx_rate {RATE_MBPS}Mbps" in vf
    assert vm.warnings() == []


def test_ballastd_releases_within_its_unit(vm, web, working):
    """By QEMU's pagemap it finds what a migration would send for nothing, and the agent holds that meanwhile."""
    free_garbage(vm)
    free = vm.meminfo("web", "MemFree")
    with SlowMigration(vm, "web"):
        wait_until(lambda: vm.state("web") == "released", 60, "ballastd has released memory of web")
        seen = vm.status()["migrations"][-1]
        print({name: seen[name] >> 20 for name in ("gain-bytes", "released-bytes")}, "MiB of", free >> 20)
        assert (seen["released-by"], seen["why-nothing"]) == ("ballastd", None)
        # More is free, of which not all was ever written.
        assert FREED_MIB * MIB * 3 // 4 < seen["gain-bytes"] < free - 32 * MIB
        assert vm.held_bytes("web") >= seen["released-bytes"] > 100 * MIB
    wait_until(lambda: vm.state("web") == "idle", 30, "ballastd has given it back")
    check_unharmed(vm, web)
    assert vm.warnings() == []


def test_upgrade(vm, web, working, released, upgraded):
    libvirtd, ballastd = upgraded
    assert vm.is_active(SERVICE) and vm.main_pid(SERVICE) not in ("0", ballastd)
    vm.run(["sh", "-c", "test /proc/$0/exe -ef /usr/sbin/ballastd", vm.main_pid(SERVICE)])
    # Neither libvirt nor a guest took part.
    assert vm.main_pid("libvirtd") == libvirtd
    assert vm.domain_pid("web") == web
    # It goes on with what there was.
    assert vm.balloon_kib("web")[0] == released
    assert vm.journal_files() != []
    assert vm.ports()[domain_uuid("vf1"), "net0"] == working
    assert "numvfs=3" in vm.read(VF_CONFIG)
    assert vm.warnings() == []

    vm.ballast("restore", "web")
    check_unharmed(vm, web)


def test_upgrade_amid_a_migration(vm, web, upgraded, debs, tmp_path_factory):
    """What the old ballastd has the agent hold is held on, and given back by the new one."""
    latest = with_higher_version(debs.host, str(tmp_path_factory.mktemp("latest")), "+latest")
    vm.ballast("restore", "web")
    free_garbage(vm)
    with SlowMigration(vm, "web") as migration:
        wait_until(lambda: vm.state("web") == "released", 60, "ballastd has released memory of web")
        held = vm.held_bytes("web")
        vm.install_package(latest)
        # Longer than the agent waits for a host that is silent.
        until = time.monotonic() + 25
        while time.monotonic() < until:
            assert migration.runs()
            assert vm.held_bytes("web") > held - MIB > 100 * MIB
            time.sleep(1)
    check_unharmed(vm, web)


def test_remove(vm, web, working, removed):
    print(removed.stdout, removed.stderr)
    assert links(vm) == []
    assert not vm.is_active(SERVICE)
    assert vm.run(["pgrep", "-x", "ballastd"], check=False).returncode == 1
    check_unharmed(vm, web)
    assert vm.vf_of("vf1")
    assert vm.tags("web") == vm.tags("web", "--inactive") == vm.tags("vf1") == set()
    # Its definition asks for a VF as ever, for whom it may concern.
    assert vm.tags("vf1", "--inactive") == {"urn:x-ballast:vf:1"}
    # The operator is told what stays.
    assert '"vf1"' in removed.stdout and "max-rate" in removed.stdout
    assert vm.ledger() == set()


def test_domains_start_without_it(vm, removed):
    vm.define("vf2", metadata=metadata_xml({"id": "net0", "bandwidth": "100Mbit", "required": "yes"}))
    vm.virsh("start", "vf2")
    assert vm.vf_of("vf2") is None
    vm.virsh("destroy", "vf2")


def test_purge(vm, purged):
    assert "warning" not in purged.stderr
    found = vm.run(["find", "/", "/run", "-xdev", "-iname", "*ballast*"], timeout=120).stdout.split()
    # The bed's own, and sockets and ports of channels.
    others = ("/var/tmp/ballast-hostvm.", "/var/cache/ballast-tests", "/var/lib/libvirt/qemu/channel/", "/run/udev/")
    assert [path for path in found if not path.startswith(others)] == []
    assert vm.run(["dpkg-query", "-W", "ballast-host"], check=False).returncode != 0
    assert vm.virsh("domstate", "vf1").stdout.strip() == "running"


def test_install_again_amid_a_migration(vm, web, installed_again):
    """The migration goes on: libvirt is left alone, and the operator is told."""
    done, libvirtd = installed_again
    assert "systemctl restart libvirtd" in done.stdout + done.stderr
    assert vm.main_pid("libvirtd") == libvirtd
    assert vm.is_active(SERVICE)
    assert "run `systemctl restart libvirtd`" in vm.run(["ballast", "status"]).stderr
    vm.run(["systemctl", "restart", "libvirtd"])
    assert vm.run(["ballast", "status"]).stderr == ""
    assert vm.domain_pid("web") == web
    (pf,) = vm.pfs()
    vm.write(VF_CONFIG, vf_config(pf))
    vm.run(["systemctl", "reload", SERVICE])
    # vf1 still has the one that it was given, which is its own business by now.
    kept = vm.vf_of("vf1")
    vm.define("vf2", metadata=metadata_xml({"id": "net0", "bandwidth": "100Mbit", "required": "yes"}))
    vm.virsh("start", "vf2")
    vm.wait_attached("vf2")
    assert len(vm.ports()) == 1 and vm.vf_of("vf2") != kept == vm.vf_of("vf1")


@pytest.mark.parametrize("name", ["programs", "host"])
def test_what_autopkgtest_runs(vm, installed_again, debs, name):
    """Beside the agent, which one of them is about as well."""
    with open(os.path.join(os.path.dirname(__file__), "../../packaging/deb/tests", name), encoding="utf-8") as stream:
        vm.write(f"/root/{name}", stream.read())
    vm.install_package(debs.guest)
    vm.run(["env", "AUTOPKGTEST_TMP=/root", "sh", f"/root/{name}"], timeout=120)
    vm.run(["dpkg", "--purge", "ballast-guest-agent"])
