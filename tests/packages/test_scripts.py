# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the packages' scripts do when they come and go, called as dpkg and rpm call them. systemctl, udevadm and ballast are
programs that write down how they were called; /run and /var/lib are a folder of the test's."""

import os
import socket
import subprocess

import pytest
from archives import Deb

# deb-systemd-invoke and systemctl write the same; what is asked, not done, is answered: is-active by the file `active`.
_FAKE = """\
#!/bin/sh
name=$(basename "$0")
[ "$name" != deb-systemd-invoke ] || name=systemctl
[ "$1" != --system ] && [ "$1" != --no-reload ] || shift
case "$name $1" in
"systemctl is-active") grep -qx "$2" "$BOX/active" && exit 0; exit 3 ;;
"deb-systemd-helper was-enabled" | "deb-systemd-helper --quiet") exit 0 ;;
"deb-systemd-helper "*) [ "$1" = enable ] || exit 0; name=systemctl ;;
esac
[ "$1" = daemon-reload ] || echo "$name $*" >>"$BOX/calls"
! grep -qsx "$name $1" "$BOX/failing"
"""
_FAKES = ("systemctl", "deb-systemd-invoke", "deb-systemd-helper", "udevadm", "ballast")
_SANDBOX = ('mount --bind "$BOX/run" /run && mount --bind "$BOX/var-lib" /var/lib && exec sh "$@"')

START = "systemctl restart ballastd.service"
UPGRADE = "systemctl try-restart ballastd.service"
STOP = "systemctl stop ballastd.service"
ENABLE = "systemctl enable ballastd.service"
LIBVIRT = "systemctl try-restart libvirtd.service"
RETIRE = "ballast -c qemu:///system retire"


class Machine:
    """A made-up machine on which one package comes and goes."""

    def __init__(self, package, box):
        self._package = package
        self.is_deb = isinstance(package, Deb)
        self.box = box
        self.said = ""
        for folder in ("bin", "run/systemd/system", "run/libvirt/qemu", "var-lib"):
            (box / folder).mkdir(parents=True)
        for name in _FAKES:
            (box / "bin" / name).write_text(_FAKE)
            (box / "bin" / name).chmod(0o755)
        self.set_active("libvirtd")
        self.set_failing()

    def set_active(self, *units):
        (self.box / "active").write_text("".join(f"{unit}.service\n" for unit in units))

    def set_failing(self, *commands):
        (self.box / "failing").write_text("".join(f"{command}\n" for command in commands))

    def migrate(self, job):
        (self.box / "run/libvirt/qemu/web1.xml").write_text(f"<domstatus>\n  <job type='none' async='{job}'/>\n</domstatus>\n")

    def listen(self):
        """libvirt's socket is there."""
        with socket.socket(socket.AF_UNIX) as sock:
            os.chdir(self.box / "run/libvirt")
            sock.bind("libvirt-sock")
            os.chdir("/")

    def _run(self, name, *words):
        path = self.box / "script"
        path.write_text(self._package.script(name))
        done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", _SANDBOX, "-", str(path), *words],
                              env={"BOX": str(self.box), "PATH": f"{self.box}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        self.said += done.stdout
        assert done.returncode == 0, done.stdout

    def _do(self, deb_steps, rpm_steps):
        """The calls that it made."""
        calls = self.box / "calls"
        calls.write_text("")
        self.said = ""
        for name, *words in deb_steps if self.is_deb else rpm_steps:
            self._run(name, *words)
        return calls.read_text().splitlines()

    def install(self):
        return self._do([("preinst", "install"), ("postinst", "configure", "")], [("POSTIN", "1")])

    def install_after_removal(self):
        return self._do([("preinst", "install", "0.0.9"), ("postinst", "configure", "0.0.9")], [("POSTIN", "1")])

    def upgrade(self):
        """Scripts of the new version and the old one in the order of dpkg and of rpm."""
        return self._do([("prerm", "upgrade", "9"), ("preinst", "upgrade", "0.0.9"), ("postrm", "upgrade", "9"),
                         ("postinst", "configure", "0.0.9")],
                        [("POSTIN", "2"), ("PREUN", "1"), ("POSTUN", "1")])

    def remove(self):
        return self._do([("prerm", "remove"), ("postrm", "remove")], [("PREUN", "0"), ("POSTUN", "0")])

    def purge(self):
        return self._do([("postrm", "purge")], ())


@pytest.fixture
def host(packages, tmp_path):
    return Machine(packages["ballast-host"], tmp_path)


@pytest.fixture
def guest(packages, tmp_path):
    return Machine(packages["ballast-guest-agent"], tmp_path)


def sentences(machine):
    return [line for line in machine.said.splitlines() if line.startswith("ballast-")]


def test_installation_starts_ballastd_and_then_shows_libvirt_its_hooks(host):
    assert host.install() == [ENABLE, START, LIBVIRT]
    assert host.said == ""


def test_installation_after_a_removal_is_the_same(host):
    assert host.install_after_removal() == [ENABLE, START, LIBVIRT]


@pytest.mark.parametrize("active, restarted", [((), []), (("virtqemud",), ["systemctl try-restart virtqemud.service"]),
                                               (("libvirtd", "virtlogd"), [LIBVIRT])], ids=["none", "virtqemud", "libvirtd"])
def test_the_libvirt_that_runs_is_restarted(host, active, restarted):
    host.set_active(*active)
    assert host.install() == [ENABLE, START, *restarted]


@pytest.mark.parametrize("job", ["migration out", "migration in"])
def test_a_migration_under_way_is_not_cut_off(host, job):
    host.migrate(job)
    assert host.install() == [ENABLE, START]
    said, = sentences(host)
    assert "migration is under way" in said and "systemctl restart libvirtd" in said


@pytest.mark.parametrize("job", ["none", "save", "backup"])
def test_another_job_does_not_count(host, job):
    host.migrate(job)
    assert host.install() == [ENABLE, START, LIBVIRT]


def test_an_upgrade_never_touches_libvirt(host):
    host.install()
    assert [call for call in host.upgrade() if call != ENABLE] == [UPGRADE]
    # Nor when it is made during a migration, or is done twice.
    host.migrate("migration out")
    assert [call for call in host.upgrade() if call != ENABLE] == [UPGRADE]


def test_removal_stops_ballastd_and_retires(host):
    host.listen()
    calls = [call for call in host.remove() if "disable" not in call]
    assert calls == [STOP, RETIRE] and host.said == ""


def test_removal_where_no_libvirt_is_asks_nobody(host):
    assert RETIRE not in host.remove() and host.said == ""


def test_removal_retires_what_is_remembered_without_libvirt(host):
    (host.box / "var-lib/ballast/journal").mkdir(parents=True)
    (host.box / "var-lib/ballast/journal/one").write_text("released")
    assert RETIRE in host.remove()


def test_nothing_stops_a_removal(host):
    host.listen()
    host.set_failing("ballast -c", "systemctl stop")
    host.remove()
    said, = sentences(host)
    assert "ballast retire" in said


def test_nothing_stops_an_installation(host):
    host.set_failing("systemctl restart", "systemctl try-restart")
    host.install()
    assert len(sentences(host)) == 2
    host.upgrade()
    assert len(sentences(host)) == 1


def test_a_removal_keeps_what_is_remembered_and_a_purge_nothing(host):
    """rpm has no purge."""
    folders = [host.box / "var-lib/ballast", host.box / "run/ballast"]
    for folder in folders:
        folder.mkdir()
        (folder / "left").write_text("x")
    host.remove()
    assert all((folder / "left").exists() for folder in folders)
    if host.is_deb:
        host.purge()
        assert not any(folder.exists() for folder in folders)


def test_nothing_is_started_without_systemd(host):
    (host.box / "run/systemd/system").rmdir()
    assert [call for call in host.install() if call != ENABLE] == []
    assert [call for call in host.upgrade() if call != ENABLE] == []
    assert STOP not in host.remove()


def test_agent_is_found_by_udev(guest):
    assert [call for call in guest.install() if "try-restart" not in call] == [
        "udevadm control --reload", "udevadm trigger --action=add --subsystem-match=virtio-ports"]


def test_agent_restarts_with_an_upgrade(guest):
    assert "systemctl try-restart ballast-agent.service" in guest.upgrade()


def test_agent_stops_with_its_package(guest):
    assert guest.remove()[0] == "systemctl stop ballast-agent.service"


def test_nothing_stops_an_agents_coming_and_going(guest):
    guest.set_failing("udevadm control", "systemctl stop", "systemctl try-restart")
    guest.install()
    assert "udev did not answer" in guest.said
    guest.upgrade()
    guest.remove()
