# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the packages' scripts do when they come and go, called as dpkg and rpm call them, and by dpkg itself."""

import os
import shutil

import pytest
from archives import Deb
from made_up import LINKS, Machine
from stubs import stub, with_fields

START = "systemctl restart ballastd.service"
STOP = "systemctl stop ballastd.service"
ENABLE = "systemctl enable ballastd.service"
LIBVIRT = "systemctl try-restart libvirtd.service"
RETIRE = "ballast -c qemu:///system retire"
AGENT = "ballast-agent.service"
PORT = "dev/virtio-ports/org.ballast.guest_agent.0"
LOOK = ["udevadm control --reload", "udevadm trigger --action=add --subsystem-match=virtio-ports"]

LEDGER = "vf/ledger"
HEAD = '{"version":1,"generation":40}\n'
ENTRY = '{"generation":41,"%s":{"request":{"domain":"U1","port":"net0","bandwidth":1},"state":"attached","why":"x"}}\n'
REMOVAL = '{"generation":42,"remove":{"domain":"U1","port":"net0"}}\n'


@pytest.fixture
def host(packages, tmp_path):
    return Machine(packages["ballast-host"], tmp_path)


@pytest.fixture
def guest(packages, tmp_path):
    return Machine(packages["ballast-guest-agent"], tmp_path)


def sentences(machine):
    return [line for line in machine.said.splitlines() if line.startswith("ballast-")]


def upgrade_call(machine):
    """dpkg's way starts what should run, rpm's leaves alone what was stopped."""
    return START if machine.is_deb else "systemctl try-restart ballastd.service"


# --- ballast-host comes ---

def test_installation_starts_ballastd_and_then_shows_libvirt_its_hooks(host):
    assert host.install() == [ENABLE, START, LIBVIRT]
    assert host.said == ""


def test_installation_after_a_removal_is_the_same(host):
    host.install()
    host.remove()
    assert host.install("0.0.9") == [ENABLE, START, LIBVIRT]


@pytest.mark.parametrize("active, restarted", [((), []), (("virtqemud",), ["systemctl try-restart virtqemud.service"]),
                                               (("libvirtd", "virtlogd"), [LIBVIRT])], ids=["none", "virtqemud", "libvirtd"])
def test_the_libvirt_that_runs_is_restarted(host, active, restarted):
    host.set_active(*active)
    assert host.install() == [ENABLE, START, *restarted]


def test_a_unit_that_is_disabled_is_not_started(host):
    (host.box / "enabled").write_text("")
    assert START not in host.install()


JOBS = [("none", "migration out", "migration out"), ("none", "migration in", "migration in"), ("none", "save", "save"),
        ("none", "backup", "backup"), ("none", "start", "start"), ("modify", "none", "modify"), ("async nested", "dump", "dump")]


@pytest.mark.parametrize("kind, phase, named", JOBS, ids=[named for _, _, named in JOBS])
def test_no_job_is_cut_off(host, kind, phase, named):
    host.set_job("none", "none", "db1")
    host.set_job(kind, phase)
    assert host.install() == [ENABLE, START]
    said, = sentences(host)
    assert f"a job is under way (web1: {named})" in said and "systemctl restart libvirtd" in said


def test_a_domain_without_a_job_is_in_nobodys_way(host):
    host.set_job("none", "none")
    assert LIBVIRT in host.install() and host.said == ""


def test_a_domains_name_does_not_reach_the_terminal_as_it_is(host):
    host.set_job("none", "save", "\x1b[2J\u009bx")
    host.install()
    assert all(character.isprintable() and character.isascii() for line in sentences(host) for character in line)


def test_what_was_put_off_is_offered_again(host):
    host.set_job("none", "migration out")
    host.install()
    host.upgrade()
    assert "under way" in host.said
    host.set_job("none", "none")
    assert LIBVIRT in host.upgrade()
    # Then it is done with.
    assert LIBVIRT not in host.upgrade() and host.said == ""


def test_what_was_put_off_is_done_by_a_boot(host):
    host.set_job("none", "migration out")
    host.install()
    host.boot()
    assert host.upgrade() == [*([ENABLE] if host.is_deb else []), upgrade_call(host)] and host.said == ""


def test_an_installation_that_was_cut_off_is_made_whole(host):
    """After ballastd's start, before libvirt's; rpm has no second try, but the next upgrade."""
    host.set_failing("systemctl try-restart")
    host.install()
    host.set_failing()
    assert LIBVIRT in host.do([("postinst", "configure", "")], [("POSTTRANS", "1")])


def test_a_boot_between_unpacking_and_configuring(host):
    host.unpack("install")
    host.boot()
    assert START in host.do([("postinst", "configure", "")], [("POSTIN", "1"), ("POSTTRANS", "1")])


def test_an_upgrade_never_touches_libvirt(host):
    host.install()
    assert [call for call in host.upgrade() if call != ENABLE] == [upgrade_call(host)]
    # Nor when it is made during a migration, or is done twice.
    host.set_job("none", "migration out")
    assert [call for call in host.upgrade() if call != ENABLE] == [upgrade_call(host)] and host.said == ""


def test_nothing_stops_an_installation(host):
    host.set_failing("systemctl restart", "systemctl try-restart")
    host.install()
    assert len(sentences(host)) == 2
    host.upgrade()
    assert "ballastd did not start" in host.said


def test_nothing_is_started_without_systemd(host):
    (host.box / "run/systemd/system").rmdir()
    assert [call for call in host.install() if call != ENABLE] == []
    assert [call for call in host.upgrade() if call != ENABLE] == []
    assert STOP not in host.remove()


def test_to_deconfigure_is_not_to_remove(host):
    """dpkg's alone: a distribution's upgrade does so, and configures the new version later."""
    host.install()
    host.listen()
    calls = host.do([("prerm", "deconfigure", "in-favour", "libt", "2", "removing", "liba", "1"), ("preinst", "upgrade", "0.0.9"),
                     ("postinst", "configure", "0.0.9")], [])
    assert calls == ([ENABLE, START] if host.is_deb else []) and host.links() == LINKS
    assert host.do([("prerm", "deconfigure", "in-favour", "libt", "2"), ("postinst", "abort-deconfigure", "in-favour", "libt", "2")],
                   []) == []


# --- and goes ---

def test_removal_stops_ballastd_and_retires(host):
    host.install()
    host.listen()
    assert host.remove() == [STOP, RETIRE] and host.said == ""


def test_hooks_go_first(host):
    """One that finds no ballastd refuses starts."""
    host.install()
    host.listen()
    host.remove()
    assert (host.box / "links-at-stop").read_text() == "" and host.links() == {}


def test_a_removal_that_is_undone_puts_them_back(host):
    host.install()
    calls = host.do([("prerm", "remove"), ("postinst", "abort-remove")], [])
    if host.is_deb:
        assert calls == [STOP, START] and host.links() == LINKS and host.said == ""
    # Nor is libvirt restarted by the upgrade after it.
    assert LIBVIRT not in host.upgrade()


def test_retire_has_no_terminal_and_an_end(host):
    host.fake("timeout", '#!/bin/sh\necho "$1 $2 $3" >"$BOX/limit"\nshift 3\nexec "$@"\n')
    host.install()
    host.listen()
    host.remove()
    stdin, session = (host.box / "retire-has").read_text().split()
    assert stdin == "/dev/null" and int(session) != os.getsid(0)
    assert (host.box / "limit").read_text() == "-k 10 600\n"


def test_removal_where_no_libvirt_is_asks_nobody(host):
    host.remember(LEDGER, HEAD + ENTRY % "put" + REMOVAL)
    assert RETIRE not in host.remove() and host.said == ""


REMEMBERED = {
    "journal": ("journal/one.json", "{}"),
    "put": (LEDGER, HEAD + ENTRY % "put"),
    "keep": (LEDGER, HEAD + ENTRY % "keep"),
    "put again": (LEDGER, HEAD + ENTRY % "put" + REMOVAL + ENTRY % "put"),
    "another": (LEDGER, HEAD + ENTRY % "keep" + REMOVAL.replace("net0", "net1")),
    "a later version's": (LEDGER, HEAD.replace("1", "2", 1)),
    "unreadable": (LEDGER, HEAD + "{}\n"),
}


@pytest.mark.parametrize("case", REMEMBERED)
def test_what_was_not_given_back_is_remembered(host, case):
    """Also without libvirt, and beyond a purge, which says so; rpm has none."""
    host.remember(*REMEMBERED[case])
    host.set_failing("ballast -c")
    assert RETIRE in host.remove()
    # What it is, nobody has said: perhaps libvirt could not be asked.
    assert host.said.startswith('ballast-host: what is still released is left as it is: ') and "puts it back" in host.said
    host.purge()
    assert (host.box / "var-lib/ballast" / REMEMBERED[case][0]).exists()
    if host.is_deb:
        said, = sentences(host)
        assert "/var/lib/ballast is kept" in said


FORGOTTEN = {"nothing": "", "head": HEAD, "removed": HEAD + ENTRY % "put" + ENTRY % "put" + REMOVAL}


@pytest.mark.parametrize("case", FORGOTTEN)
def test_a_purge_leaves_nothing_else(host, case):
    """rpm has no purge."""
    host.install()
    host.remember(LEDGER, FORGOTTEN[case])
    (host.box / "run/ballast").mkdir()
    host.remove()
    assert (host.box / "var-lib/ballast").exists()
    host.purge()
    if host.is_deb:
        assert not (host.box / "var-lib/ballast").exists() and not (host.box / "run/ballast").exists() and host.said == ""


def test_nothing_stops_a_removal(host):
    host.listen()
    host.set_failing("ballast -c", "systemctl stop")
    host.remove()
    said, = sentences(host)
    # Nothing was released, so that nothing is promised.
    assert "ballast retire" in said and "puts it back" not in said


# --- ballast-guest-agent ---

def plug(machine):
    (machine.box / PORT).parent.mkdir()
    (machine.box / PORT).touch()


def test_agent_is_found_by_udev(guest):
    assert [call for call in guest.install() if "try-restart" not in call] == LOOK


def test_agent_is_started_where_its_port_is(guest):
    """systemd heeds what udev wants once; so also when it was here before."""
    plug(guest)
    assert guest.install()[-3:] == [*LOOK, f"systemctl start {AGENT}"]
    assert guest.remove() == [f"systemctl stop {AGENT}", *LOOK]
    assert guest.install("0.0.9")[-1] == f"systemctl start {AGENT}"


@pytest.mark.parametrize("status, started", [(0, True), (104, True), (101, False)])
def test_agent_is_not_started_against_a_policy(guest, status, started):
    plug(guest)
    (guest.box / "policy-rc.d").write_text(f"#!/bin/sh\nexit {status}\n")
    (guest.box / "policy-rc.d").chmod(0o755)
    assert (f"systemctl start {AGENT}" in guest.install()) == started


def test_agent_restarts_with_an_upgrade(guest):
    assert f"systemctl try-restart {AGENT}" in guest.upgrade()


def test_agent_runs_on_while_it_is_deconfigured(guest):
    plug(guest)
    calls = guest.do([("prerm", "deconfigure", "in-favour", "libt", "2"), ("preinst", "upgrade", "0.0.9"),
                      ("postinst", "configure", "0.0.9")], [])
    assert f"systemctl stop {AGENT}" not in calls
    assert calls[-1:] == ([f"systemctl start {AGENT}"] if guest.is_deb else [])


def test_nothing_stops_an_agents_coming_and_going(guest):
    plug(guest)
    guest.set_failing("udevadm control", "systemctl stop", "systemctl start", "systemctl try-restart")
    guest.install()
    assert "udev did not answer" in guest.said
    guest.upgrade()
    guest.remove()


# --- by dpkg itself, in that machine ---

@pytest.fixture
def debian(debs, tmp_path):
    machine = Machine(Deb(debs.folder, "ballast-host", _folder(tmp_path, "unpacked")), _folder(tmp_path, "box"))
    (machine.box / "calls").write_text("")
    (machine.box / "bin/dpkg-trigger").unlink()
    return machine


def _folder(parent, name):
    (parent / name).mkdir()
    return parent / name


def dpkg(machine, *commands):
    return machine.inside("sh", "-ec", "\n".join(f"dpkg --force-unsafe-io {command}" for command in commands), var_lib="own")


def test_libvirt_comes_when_dpkg_is_done_with_all(debian, debs, tmp_path):
    shutil.copy(stub(tmp_path, "ballast-test-libvirt", postinst="echo configured >>/box/calls"), debian.box / "later.deb")
    shutil.copy(debs.host, debian.box / "host.deb")
    dpkg(debian, "-i /box/host.deb /box/later.deb")
    assert [call for call in debian.calls() if call in (START, "configured", LIBVIRT)] == [START, "configured", LIBVIRT]


def test_a_dependencys_successor(debian, debs, tmp_path):
    """liba's place is taken by libt, as in an upgrade of the distribution: dpkg deconfigures who depends on liba."""
    liba = stub(tmp_path, "ballast-test-liba")
    libt = stub(tmp_path, "ballast-test-libt", Conflicts="ballast-test-liba", Replaces="ballast-test-liba")
    old = with_fields(debs.host, tmp_path, "old.deb", Depends="ballast-test-liba")
    new = with_fields(debs.host, tmp_path, "new.deb", Depends="ballast-test-libt", Version="9")
    for path in (liba, libt, old, new):
        shutil.copy(path, debian.box)
    said = dpkg(debian, "-i /box/ballast-test-liba.deb /box/old.deb", "--auto-deconfigure -i /box/ballast-test-libt.deb /box/new.deb")
    assert "De-configuring ballast-host" in said
    calls = debian.calls()
    assert STOP not in calls and RETIRE not in calls and calls.count(START) == 2 and calls.count(LIBVIRT) == 1
