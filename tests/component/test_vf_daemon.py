# SPDX-License-Identifier: LGPL-2.1-or-later
"""VFs in the real ballastd, as far as it goes without libvirt and without NICs: its /sys, /run and /var/lib are folders
of the test's, and its network namespace is empty."""

import contextlib
import errno
import signal
import subprocess

import pytest
import vf_client
from agent_process import wait_for
from daemon_peer import SOCKET, TIMEOUT, build_path, hook_request, read_reply
from hooks import ENVIRONMENT
from vf_peer import domain_xml, make_tree, uuid

LEDGER = "var/lib/ballast/vf/ledger"
MOUNTS = ('for folder in run sys var/lib; do mount --bind "$0/$folder" "/$folder" || exit 1; done; exec "$@"')


class Daemon:
    """ballastd below `root`, where there is a made-up /sys already."""

    def __init__(self, root, *arguments):
        self.root = root
        self.log = root / "log"
        for folder in "run", "sys", "var/lib":
            (root / folder).mkdir(parents=True, exist_ok=True)
        config = root / "ballast.conf"
        config.write_text("", encoding="ascii")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "-m", "-n", "--propagation", "private", "sh", "-c", MOUNTS, str(root),
                 build_path("host-hook", "ballastd"), "--config", str(config), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT, cwd="/")
        wait_for(self.is_ready, "ballastd answers")
        # What is asked about VFs waits for the thread that looks at the host first.
        with contextlib.suppress(vf_client.VfError):
            self.ask("vf-list")

    def is_ready(self):
        assert self.process.poll() is None, self.said()
        try:
            return self.ask("status") is not None
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def said(self):
        return self.log.read_text(encoding="utf-8")

    def ask(self, command, **arguments):
        return vf_client.ask(command, path=str(self.root / SOCKET), **arguments)

    def hook(self, operation, sub_operation, xml):
        with vf_client.socket.socket(vf_client.socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(str(self.root / SOCKET))
            connection.sendall(hook_request("d", xml.encode(), hook="vf", operation=operation,
                                            sub_operation=sub_operation))
            return read_reply(connection)

    def reload(self):
        """As SIGHUP does; waits until it has been read."""
        said = self.said().count("the configuration")
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.said().count("the configuration") > said, "the configuration is read again")

    def refusal(self, command="vf-list", **arguments):
        with pytest.raises(vf_client.VfError) as refused:
            self.ask(command, **arguments)
        return refused.value

    def end(self):
        self.process.terminate()
        return self.process.wait(TIMEOUT)


@pytest.fixture
def ballastd(tmp_path):
    """ballastd(*arguments): a running ballastd on a host with the PFs eth1 and eth2, ended after the test."""
    started = []
    make_tree(tmp_path)
    # The boot's id is the machine's.
    subprocess.run(["rm", "-r", tmp_path / "proc"], check=True)

    def start(*arguments):
        started.append(Daemon(tmp_path, *arguments))
        return started[-1]

    yield start
    for daemon in started:
        daemon.process.kill()
        daemon.process.wait()


def test_serves(ballastd):
    daemon = ballastd()
    assert daemon.ask("status")["libvirt"] is False
    listed = daemon.ask("vf-list")
    assert [(pf["pf"], len(pf["vfs"]), pf["residual-mbps"]) for pf in listed["pfs"]] == [("eth1", 4, 10000),
                                                                                      ("eth2", 4, 10000)]
    assert listed["ports"] == []
    assert daemon.ask("vf-reconcile") == listed
    assert daemon.hook("started", "begin", domain_xml(1, {"id": "net0", "bandwidth": "1Gbit"})) == {"return": {}}
    assert daemon.end() == 0


def test_without_libvirt(ballastd):
    """What needs it is refused at once."""
    daemon = ballastd()
    for command in "vf-allocate", "vf-release", "vf-detach", "vf-attach":
        more = {"port": "net0", "bandwidth": "1Gbit"} if command == "vf-allocate" else {}
        assert "libvirt is away" in daemon.refusal(command, domain=uuid(1), **more).desc
    assert daemon.ask("vf-list")["ports"] == []


def test_nic_that_does_not_answer(ballastd):
    """A port whose settings cannot be made is refused, and its VF is not kept for long."""
    daemon = ballastd()
    reply = daemon.hook("prepare", "begin", domain_xml(1, {"id": "net0", "bandwidth": "1Gbit"}))
    assert "eth1" in reply["error"]["desc"]
    assert [port["state"] for port in daemon.ask("vf-list")["ports"]] in ([], ["releasing"])


def test_netlink_that_refuses(ballastd, failing):
    """Nothing can be set on a VF: it is refused with a sentence, and nothing is kept."""
    failing("netlink", times=1000, number=errno.EPROTONOSUPPORT)
    daemon = ballastd()
    assert "to the kernel about network interfaces" in daemon.refusal().desc
    reply = daemon.hook("prepare", "begin", domain_xml(1, {"id": "net0", "bandwidth": "1Gbit"}))
    assert "to the kernel about network interfaces" in reply["error"]["desc"]
    assert daemon.ask("status")["libvirt"] is False
    assert daemon.end() == 0


def test_damaged_ledger(ballastd, tmp_path):
    """Migrations go on as ever; what is asked about VFs is refused, until it is mended."""
    ledger = tmp_path / LEDGER
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"nonsense\n")
    daemon = ballastd()
    assert daemon.ask("status")["libvirt"] is False
    for command in "vf-list", "vf-reconcile":
        assert daemon.refusal(command).error_class == "VfLedger"
    assert "no virtual functions are handed out, until" in daemon.said() and str(LEDGER) in daemon.said()
    reply = daemon.hook("prepare", "begin", domain_xml(1, {"id": "net0", "bandwidth": "1Gbit"}))
    assert reply["error"]["class"] == "VfLedger"
    daemon.reload()
    assert daemon.refusal().error_class == "VfLedger"
    assert ledger.read_bytes() == b"nonsense\n"

    ledger.unlink()
    daemon.reload()
    wait_for(lambda: daemon.ask("vf-list")["ports"] == [], "it is read again")


def test_configuration(ballastd, tmp_path):
    path = tmp_path / "vf.conf"
    path.write_text("[pf eth1]\ncapacity=lots\n", encoding="ascii")
    daemon = ballastd("--vf-config", str(path))
    assert str(path) in daemon.refusal().desc and "lots" in daemon.refusal().desc
    assert str(path) in daemon.said()

    path.write_text("[pf eth1]\ncapacity=3Gbit\n[pf eth2]\nexcluded=yes\n", encoding="ascii")
    daemon.reload()
    good = daemon.ask("vf-list")
    assert [(pf["capacity-mbps"], pf["excluded"]) for pf in good["pfs"]] == [(3000, False), (10000, True)]

    path.write_text("[pf eth1]\ncolour=red\n", encoding="ascii")
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "colour" in daemon.said(), "it says what is wrong")
    assert daemon.said().splitlines()[-1].endswith("the configuration stays as it was")
    assert daemon.ask("vf-list") == good


def test_no_such_configuration(ballastd, tmp_path):
    """One that was named must be there."""
    daemon = ballastd("--vf-config", str(tmp_path / "nonexistent"))
    assert "nonexistent" in daemon.refusal().desc


def test_vfs_are_made(ballastd, tmp_path):
    """Where there are none, and some are wanted."""
    count = tmp_path / "sys/devices/pci0000:00/0000:01:00.0/sriov_numvfs"
    for vf in range(4):
        (tmp_path / f"sys/devices/pci0000:00/0000:01:00.0/virtfn{vf}").unlink()
    count.write_text("0\n", encoding="ascii")
    path = tmp_path / "vf.conf"
    path.write_text("[pf eth1]\nnumvfs=3\n[pf eth2]\nnumvfs=2\n", encoding="ascii")
    ballastd("--vf-config", str(path)).ask("vf-list")
    assert count.read_text(encoding="ascii").strip() == "3"
    other = tmp_path / "sys/devices/pci0000:00/0000:02:00.0/sriov_numvfs"
    assert other.read_text(encoding="ascii").strip() == "4"


def test_idle_costs_nothing(ballastd):
    """Nothing wakes it up on account of VFs: its threads sleep through a while."""
    daemon = ballastd()
    daemon.ask("vf-list")
    before = main_thread_switches(daemon.process.pid)
    with pytest.raises(subprocess.TimeoutExpired):
        daemon.process.wait(3)
    assert main_thread_switches(daemon.process.pid) - before <= 3


def main_thread_switches(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as stream:
        fields = dict(line.split(":", 1) for line in stream)
    return int(fields["voluntary_ctxt_switches"])
