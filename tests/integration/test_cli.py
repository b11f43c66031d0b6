# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: bad input gets one clear line and its exit code, and nothing changes; what commands print."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from bed import GuestSpec
from bed.host import ballast_program

from failures import FREED_MIB, free_garbage
from support import MIB, Memory, check_whole, held_bytes, journal_files

COMMANDS = ("migrate", "ranges", "plan", "advise", "release", "restore", "status", "recover", "check-config", "vf",
            "retire")

USAGE, NOT_FOUND, BUSY = 2, 3, 4


@pytest.fixture(scope="module")
def target(bed):
    """A running guest "cli" that has freed memory, and a defined one "off"; all tests share them."""
    guest = bed.guest(GuestSpec(name="cli", memory_mib=512)).start(bed.src)
    free_garbage(guest)
    guest.memory_at_first = Memory.of(guest)
    guest.xml_at_first = definition(bed.src)
    off = re.sub(r"<uuid>.*</uuid>", "", bed.src.virsh("dumpxml", "--inactive", "cli").stdout)
    bed.src.write("/tmp/off.xml", off.replace("<name>cli</name>", "<name>off</name>"))
    bed.src.virsh("define", "/tmp/off.xml")
    yield guest
    bed.src.virsh("undefine", "off")
    bed.reset()


def definition(host):
    """The running domain's XML, but for currentMemory, which libvirt corrects by what QEMU says (bed/qemu-odd-size),
    and aliases, of which a restarted libvirtd forgets one of a controller that is not there (USB, model none)."""
    domain = ElementTree.fromstring(host.virsh("dumpxml", "cli").stdout)
    domain.remove(domain.find("currentMemory"))
    for element in domain.iter():
        for alias in element.findall("alias"):
            element.remove(alias)
    return ElementTree.canonicalize(ElementTree.tostring(domain, encoding="unicode"), strip_text=True)


def check_refused(result, status, *words):
    """One line on stderr with `words`, the exit status, nothing on stdout."""
    lines = result.stderr.splitlines()
    assert result.returncode == status, result.stderr
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("ballast: ")
    for word in words:
        assert word in lines[0]
    assert result.stdout == ""


def check_nothing_changed(bed, guest):
    assert guest.state() == "running"
    assert definition(bed.src) == guest.xml_at_first
    assert held_bytes(guest) < MIB
    assert journal_files(bed.src) == []
    assert bed.dst.virsh("list", "--all", "--name").stdout.split() == []


BAD_COMMAND_LINES = {
    "no command": ((), USAGE, "A command is missing"),
    "unknown command": (("emigrate",), USAGE, '"emigrate"'),
    "unknown option before the command": (("--nonsense", "status"), USAGE, "--nonsense"),
    "unknown option": (("migrate", "--nonsense", "cli", "qemu+tcp://dst/system"), USAGE, "--nonsense"),
    "no domain": (("migrate",), USAGE, "domain"),
    "no destination": (("migrate", "--live", "cli"), USAGE, "destination"),
    "too many arguments": (("migrate", "cli", "1", "2", "3", "4", "5", "6"), USAGE, "more arguments"),
    "option without value": (("migrate", "cli", "qemu+tcp://dst/system", "--timeout"), USAGE, "--timeout"),
    "bad number": (("migrate", "--live", "--timeout", "soon", "cli", "qemu+tcp://dst/system"), USAGE, "soon"),
    "negative number": (("migrate", "--bandwidth", "-1", "cli", "qemu+tcp://dst/system"), USAGE, "-1"),
    "time-out without live": (("migrate", "--timeout", "1", "cli", "qemu+tcp://dst/system"), USAGE, "--live"),
    "post-copy switch without post-copy": (("migrate", "--live", "--postcopy-after-precopy", "cli",
                                            "qemu+tcp://dst/system"), USAGE, "--postcopy"),
    "tunnelled without p2p": (("migrate", "--tunnelled", "cli", "qemu+tcp://dst/system"), USAGE, "--p2p"),
    "no file for xml": (("migrate", "--xml", "/nonexistent", "cli", "qemu+tcp://dst/system"), USAGE, "/nonexistent"),
    "bad mechanisms": (("plan", "--mechanisms", "hold,magic", "cli"), USAGE, "hold,magic"),
    "mechanism twice": (("plan", "--mechanisms", "hold,hold", "cli"), USAGE, "hold,hold"),
    "bad page cache": (("plan", "--page-cache", "burn", "cli"), USAGE, "burn"),
    "no such config": (("plan", "--config", "/nonexistent", "cli"), USAGE, "/nonexistent"),
    "plan of nothing": (("plan",), USAGE, "one domain"),
    "plan of two": (("plan", "cli", "off"), USAGE, "one domain"),
    "advice to nobody": (("advise",), USAGE, "one domain"),
    "advice to one that is not there": (("advise", "nobody"), NOT_FOUND, '"nobody"'),
    "status of two": (("status", "cli", "off"), USAGE, "at most one domain"),
    "retire of one": (("retire", "cli"), USAGE, "no domain"),
    "no such configuration": (("check-config", "/nonexistent"), USAGE, "/nonexistent"),
    "two configurations": (("check-config", "1", "2"), USAGE, "at most one file"),
    "no such libvirt": (("-c", "qemu+tcp://dst:1/system", "plan", "cli"), NOT_FOUND, "qemu+tcp://dst:1/system"),
    "nonsense for libvirt": (("-c", "nonsense://", "plan", "cli"), NOT_FOUND, "nonsense://"),
    "no such destination": (("migrate", "--live", "cli", "qemu+tcp://dst:1/system"), NOT_FOUND,
                            "qemu+tcp://dst:1/system"),
}


@pytest.mark.parametrize("case", BAD_COMMAND_LINES)
def test_bad_command_line(bed, target, case):
    arguments, status, *words = BAD_COMMAND_LINES[case]
    result = bed.src.ballast(*arguments, check=False)
    check_refused(result, status, *words)
    check_nothing_changed(bed, target)


@pytest.mark.parametrize("command", ["migrate", "ranges", "plan", "release", "restore"])
def test_domain_that_does_not_exist_or_is_off(bed, target, command):
    more = ("qemu+tcp://dst/system",) if command == "migrate" else ()
    check_refused(bed.src.ballast(command, "nobody", *more, check=False), NOT_FOUND, '"nobody"', "nothing was touched")
    check_refused(bed.src.ballast(command, "off", *more, check=False), NOT_FOUND, '"off"', "nothing was touched")
    check_nothing_changed(bed, target)


BAD_CONFIGS = {
    "key": ("[memory]\nmin-gain=64\n", "min-gain"),
    "group": ("[network]\nmin-gain-mib=64\n", "[network]"),
    "number": ("[memory]\nmin-gain-mib=lots\n", "lots"),
    "range": ("[memory]\nagent-timeout-ms=5\n", "from 100 to 60000"),
    "word": ("[memory]\nuse-qmp=perhaps\n", "perhaps"),
    "list": ("[memory]\nmechanisms=hold,balloon\n", "hold,balloon"),
    "syntax": ("memory\n", "/etc/ballast/ballast.conf"),
    "escapes": ("[memory]\n\x1b[31mred=1\n", "/etc/ballast/ballast.conf"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_bad_configuration(bed, target, case):
    text, word = BAD_CONFIGS[case]
    bed.src.write("/etc/ballast/ballast.conf", text)
    try:
        for command in ("plan", "cli"), ("migrate", "--live", "cli", "qemu+tcp://dst/system"), ("check-config",):
            result = bed.src.ballast(*command, check=False)
            check_refused(result, USAGE, "/etc/ballast/ballast.conf", word)
            assert "\x1b" not in result.stderr
    finally:
        os.unlink(bed.src.path("/etc/ballast/ballast.conf"))
    check_nothing_changed(bed, target)


def test_check_config(bed, target):
    assert bed.src.ballast("check-config").stdout == "".join(
        f"/etc/ballast/{name}.conf: not there, the defaults hold\n" for name in ("ballast", "vf"))
    bed.src.write("/tmp/good.conf", "[memory]\nmin-gain-mib=64\n")
    assert bed.src.ballast("check-config", "/tmp/good.conf").stdout == "/tmp/good.conf: OK\n"
    bed.src.write("/tmp/bad.conf", "[memory]\nmin-gain-mib=some\n")
    for arguments in ("check-config", "/tmp/bad.conf"), ("--config", "/tmp/bad.conf", "check-config"):
        check_refused(bed.src.ballast(*arguments, check=False), USAGE, "/tmp/bad.conf", "min-gain-mib", '"some"')

    bed.src.write("/tmp/vf.conf", "[pf eth0]\ncapacity=10Gbit\n")
    assert bed.src.ballast("check-config", "--vf-config", "/tmp/vf.conf").stdout == "/tmp/vf.conf: OK\n"
    bed.src.write("/tmp/vf.conf", "[pf eth0]\ncapacity=some\n")
    for path in "/tmp/vf.conf", "/nonexistent":
        check_refused(bed.src.ballast("check-config", "--vf-config", path, check=False), USAGE, path)


def test_libvirtd_down(bed, target):
    bed.src.stop_libvirtd()
    try:
        for command in ("plan", "cli"), ("migrate", "--live", "cli", "qemu+tcp://dst/system"):
            check_refused(bed.src.ballast("-c", "qemu:///system", *command, check=False), NOT_FOUND, "qemu:///system")
        # What it knows by itself it says.
        shown = bed.src.ballast("-c", "qemu:///system", "status", check=False)
        assert (shown.returncode, shown.stdout) == (NOT_FOUND, "Nothing is released.\n")
        assert "start libvirtd" in shown.stderr
    finally:
        bed.src.start_libvirtd()
    check_nothing_changed(bed, target)


def test_not_root(bed, target):
    # A copy, as not everybody may be able to enter the build folder; the bed lets everybody into libvirt.
    shutil.copy(ballast_program(), bed.src.path("/tmp/ballast"))
    bed.src.run(["chmod", "700", "/run/libvirt/libvirt-sock"])
    try:
        for command in ("plan", "cli"), ("migrate", "--live", "cli", "qemu+tcp://dst/system"):
            result = bed.src.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "/tmp/ballast",
                                  "-c", "qemu:///system", *command], check=False)
            check_refused(result, NOT_FOUND, "qemu:///system", "Permission denied")
    finally:
        bed.src.run(["chmod", "777", "/run/libvirt/libvirt-sock"])
    check_nothing_changed(bed, target)


def test_help_and_version(bed):
    text = bed.src.ballast("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", text, re.M)
        assert f"Usage:\n  ballast {command} " in bed.src.ballast(command, "--help").stdout
    for code in "0", "1", "2", "3", "4", "5", "6", "7", "130":
        assert re.search(rf"^  {code} ", text, re.M)
    assert re.fullmatch(r"ballast \d+\.\d+\S*\n", bed.src.ballast("--version").stdout)


def shown_json(host, *arguments, check=True):
    return json.loads(host.ballast(*arguments, check=check).stdout)


def test_plan_and_ranges(bed, target):
    plan = shown_json(bed.src, "plan", "--json", "cli")
    assert plan["domain"] == "cli"
    assert plan["why-nothing"] is None
    assert 400 * MIB < plan["guest-total-bytes"] < 512 * MIB
    assert plan["guest-free-bytes"] >= plan["backed-free-bytes"] >= plan["filled-free-bytes"]
    assert plan["filled-free-bytes"] == plan["gain-bytes"] > FREED_MIB * MIB * 3 // 4
    assert plan["headroom-bytes"] == 128 * MIB
    assert plan["release-bytes"] <= plan["guest-free-bytes"] - plan["headroom-bytes"]
    assert plan["steps"] == [{"mechanism": "hold", "bytes": plan["release-bytes"]}]
    assert plan["notes"] == ["balloon is not used: the guest agent holds"]

    text = bed.src.ballast("plan", "cli").stdout
    assert text.startswith('Domain "cli"\n')
    assert re.search(r"^release .* by hold$", text, re.M)

    ranges = shown_json(bed.src, "ranges", "--json", "cli")
    assert ranges["free-bytes"] == sum(length for _, length in ranges["ranges"])
    ends = 0
    for start, length in ranges["ranges"]:
        assert start >= ends and length > 0 and start % 4096 == length % 4096 == 0
        ends = start + length
    assert ends <= 512 * MIB
    free = target.meminfo()["MemFree"]
    # Free pages on the processors' own lists are in no block.
    assert free - 16 * MIB < ranges["free-bytes"] < free + 16 * MIB

    text = bed.src.ballast("ranges", "cli").stdout.splitlines()
    assert re.fullmatch(r"0x[0-9a-f]{16}-0x[0-9a-f]{16}  \S+ \S+", text[0])
    assert re.fullmatch(r"\d+ ranges, .* free", text[-1])
    check_nothing_changed(bed, target)


def test_domain_by_id_and_uuid(bed, target):
    for option in "domid", "domuuid":
        name = bed.src.virsh(option, "cli").stdout.strip()
        assert shown_json(bed.src, "plan", "--json", name)["domain"] == "cli"


def test_nothing_to_show(bed, target):
    assert bed.src.ballast("status").stdout == "Nothing is released.\n"
    assert shown_json(bed.src, "status", "--json") == {"released": [], "ballastd": None}
    assert bed.src.ballast("recover").stdout == "Nothing is left to recover.\n"
    assert bed.src.ballast("restore", "cli").stdout == 'Nothing of domain "cli" was released.\n'


@pytest.mark.parametrize("mechanism", ["hold", "balloon"])
def test_release_status_restore(bed, target, mechanism):
    guest, before = target, target.memory_at_first

    report = shown_json(bed.src, "release", "--json", "--mechanisms", mechanism, guest.name)
    assert report["domain"] == guest.name
    assert report["exit-code"] == 0
    assert report["error"] is None
    assert report["warnings"] == []
    assert report["released"][mechanism] == report["released-bytes"] > 64 * MIB
    assert set(report["phases-ms"]) == {"survey", "release", "migrate", "give-back"}
    assert guest.meminfo()["MemFree"] < before.free - 64 * MIB

    shown = shown_json(bed.src, "status", "--json")["released"]
    assert [item["domain"] for item in shown] == [guest.name]
    assert shown[0]["stage"] == "released"
    assert shown[0]["state"] == "running"
    assert shown[0]["uuid"] == guest.xml().findtext("uuid")
    # What was planned; a hold may have ended with less.
    assert shown[0]["released-bytes"] >= report["released-bytes"] - 2 * MIB
    assert shown[0]["owner-alive"] is False
    assert bed.src.ballast("status", guest.name).stdout.startswith(f"{guest.name}: released, up to ")
    assert bed.src.ballast("status", "off").stdout == "Nothing is released.\n"
    check_refused(bed.src.ballast("status", "another", check=False), NOT_FOUND, '"another"')

    again = bed.src.ballast("release", guest.name, check=False)
    check_refused(again, BUSY, "is released already", f"ballast restore {guest.name}")
    assert bed.src.ballast("recover").stdout == f'Domain "{guest.name}" was released for a migration and is left so.\n'
    if mechanism == "hold":
        assert bed.src.ballast("restore", guest.name).stdout == f'Domain "{guest.name}" has its memory back.\n'
    else:
        assert shown_json(bed.src, "restore", "--json", guest.name) == {
            "domain": guest.name, "uuid": shown[0]["uuid"], "restored": True}
    check_whole(guest, before, FREED_MIB)


def test_summary_and_progress(bed, target):
    guest, before = target, target.memory_at_first
    # Slow enough that libvirt is asked for its progress more than once.
    shown, output = on_terminal(bed.src, "migrate", "--live", "--unsafe", "--bandwidth", "64", guest.name, bed.dst.uri)
    assert "releasing: hold " in shown
    assert re.search(r"migrating: \d+ %", shown)
    assert shown.endswith("\r\x1b[K")
    assert output.startswith(f'Domain "{guest.name}" was migrated to {bed.dst.uri}.\n')
    for line in "released", "headroom", "sent", "times", "downtime":
        assert re.search(rf"^  {line} ", output, re.M)
    guest.moved_to(bed.dst)

    result = bed.dst.ballast("migrate", "--live", "--unsafe", "--bandwidth", "64", "--verbose", guest.name, bed.src.uri)
    assert "migrating: " in result.stderr
    guest.moved_to(bed.src)
    check_whole(guest, before, FREED_MIB)


def on_terminal(host, *arguments):
    """Runs `ballast` with a terminal as its stderr: (what it showed there, its stdout)."""
    ours, theirs = pty.openpty()
    shown = b""
    with host.ballast_popen(*arguments, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        # The last of the terminal's other ends closes with the program.
        while select.select([ours], [], [], 60)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:
                break
        output = process.communicate(timeout=10)[0]
    os.close(ours)
    assert process.returncode == 0
    return shown.decode(), output
